//! What keeps the other systems compiling although most people build for one: calls that only one system has stand in a
//! `platform` module, under a guard; tests may have their own under a guard.

const SYSTEMS: [&str; 4] = ["os::unix", "os::windows", "os::linux", "os::fd"];

/// Crates that run on Linux only.
const LINUX_ONLY: [&str; 2] = ["torch-ext/", "train/"];

/// Lines of a source file that call a system where they may not, with the reason.
fn breaches(file: &str, text: &str) -> Vec<String> {
    let home = file.contains("/platform/") || file.ends_with("/platform.rs");
    if LINUX_ONLY.iter().any(|only| file.starts_with(only)) {
        return Vec::new();
    }
    let lines: Vec<&str> = text.lines().collect();
    // A guard for the whole file, or as far back as the function or block that it stands before.
    let whole = text.lines().any(|line| line.starts_with("#![cfg("));
    let guards = ["#[cfg(unix)]", "#[cfg(windows)]", "cfg(target_os"];
    let guarded = |number: usize| {
        let mut near = lines[..number].iter().rev().take(7);
        whole || near.any(|line| guards.iter().any(|guard| line.contains(guard)))
    };
    let tests_from = lines
        .iter()
        .position(|line| line.trim() == "#[cfg(test)]")
        .unwrap_or(lines.len());
    let mut found = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        if !SYSTEMS.iter().any(|system| code.contains(system)) {
            continue;
        }
        let place = format!("{file}:{}", number + 1);
        let test = number >= tests_from || file.contains("/tests/") || file.ends_with("/tests.rs");
        if !home && !test {
            found.push(format!("{place}: outside a platform module"));
        } else if !file.contains("/platform/") && !guarded(number) {
            found.push(format!("{place}: without a guard"));
        }
    }
    found
}

#[test]
fn calls_of_one_system_are_in_their_homes() {
    let root = checks::root();
    let files = checks::files(&["rs"]);
    assert!(files.len() > 200, "{}", files.len());
    let mut found = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).expect("a source file");
        let file = path.strip_prefix(&root).expect("below the root");
        let file = file.to_string_lossy().replace('\\', "/");
        if file != "checks/tests/portability.rs" {
            found.extend(breaches(&file, &text));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_stray_call_is_seen() {
    let stray = "fn f() {\n    use std::os::unix::fs::symlink;\n}\n";
    assert_eq!(breaches("photos/src/x.rs", stray).len(), 1);
    let in_platform = format!("#[cfg(unix)]\n{stray}");
    assert!(breaches("photos/src/platform.rs", &in_platform).is_empty());
    assert_eq!(breaches("photos/src/platform.rs", stray).len(), 1);
    assert_eq!(breaches("photos/src/x.rs", &in_platform).len(), 1);
    let in_a_test = format!("#[cfg(test)]\nmod tests {{\n{stray}}}\n");
    assert_eq!(breaches("photos/src/x.rs", &in_a_test).len(), 1);
    assert!(
        breaches(
            "photos/src/x.rs",
            &in_a_test.replace("fn f", "#[cfg(unix)]\nfn f")
        )
        .is_empty()
    );
}
