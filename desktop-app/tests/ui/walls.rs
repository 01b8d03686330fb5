//! What keeps macOS and Windows compiling although nobody compiles for them here: Linux-only crates and calls stay in
//! their modules, and what is named in several places has one name.

use std::path::{Path, PathBuf};

const LINUX_ONLY: [&str; 4] = ["x11rb", "zbus", "winit", "libc"];
const LINUX_MODULES: [&str; 5] = [
    "linux.rs",
    "xdnd.rs",
    "appearance.rs",
    "x11_clipboard.rs",
    "x11_message.rs",
];

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn sources() -> Vec<(PathBuf, String)> {
    walkdir::WalkDir::new(here("src"))
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.path().extension().is_some_and(|e| e == "rs"))
        .map(|entry| {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            (entry.into_path(), text)
        })
        .collect()
}

/// Lines of code that break the walls, with the reason.
fn breaches(path: &Path, text: &str) -> Vec<String> {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    if LINUX_MODULES.contains(&name.as_str()) {
        return Vec::new();
    }
    let lines: Vec<&str> = text.lines().collect();
    let guarded = |line: usize, guard: &str| {
        lines[..line]
            .iter()
            .rev()
            .take(4)
            .any(|l| l.trim() == guard)
    };
    let mut found = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        let uses = |what: &str| code.contains(&format!("{what}::"));
        if LINUX_ONLY.iter().any(|name| uses(name)) {
            found.push(format!(
                "{}:{}: a Linux-only crate",
                path.display(),
                number + 1
            ));
        }
        let module = LINUX_MODULES
            .iter()
            .any(|m| code.trim() == format!("mod {};", m.trim_end_matches(".rs")));
        if module && !guarded(number, "#[cfg(target_os = \"linux\")]") {
            found.push(format!(
                "{}:{}: a Linux module everywhere",
                path.display(),
                number + 1
            ));
        }
    }
    found
}

#[test]
fn linux_only_code_is_in_its_modules() {
    let sources = sources();
    assert!(sources.len() > 20);
    let found: Vec<String> = sources
        .iter()
        .flat_map(|(path, text)| breaches(path, text))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
    for bad in [
        "use x11rb::connection;",
        "mod xdnd;",
        "fn f() { zbus::block() }",
    ] {
        assert_eq!(
            breaches(Path::new("x.rs"), bad).len(),
            1,
            "{bad} goes unseen"
        );
    }
}

#[test]
fn linux_only_crates_are_asked_for_on_linux_only() {
    let manifest = std::fs::read_to_string(here("Cargo.toml")).unwrap();
    let (everywhere, linux) = manifest
        .split_once("[target.'cfg(target_os = \"linux\")'.dependencies]")
        .unwrap();
    for name in LINUX_ONLY {
        let asked = |part: &str| part.lines().any(|line| line.starts_with(name));
        assert!(!asked(everywhere), "{name} is asked for on every system");
        assert!(
            asked(linux),
            "{name} is no longer used: take it off this list"
        );
    }
}

#[test]
fn the_application_has_one_name() {
    let id = desktop_app::run::APP_ID;
    let desktop = std::fs::read_to_string(here(&format!("packaging/{id}.desktop"))).unwrap();
    for line in [format!("Icon={id}"), format!("StartupWMClass={id}")] {
        assert!(desktop.lines().any(|found| found == line), "{line}");
    }
    let metainfo = std::fs::read_to_string(here(&format!("packaging/{id}.metainfo.xml"))).unwrap();
    assert!(metainfo.contains(&format!("<id>{id}</id>")));
    assert!(metainfo.contains(&format!(">{id}.desktop</launchable>")));
}

#[test]
fn the_desktop_entry_opens_every_format_that_is_decoded() {
    let id = desktop_app::run::APP_ID;
    let desktop = std::fs::read_to_string(here(&format!("packaging/{id}.desktop"))).unwrap();
    let listed = desktop
        .lines()
        .find_map(|line| line.strip_prefix("MimeType="))
        .unwrap();
    let listed: Vec<&str> = listed.trim_end_matches(';').split(';').collect();
    let decoded: Vec<&str> = image_data::formats::media_types().collect();
    assert_eq!(listed, decoded);
}
