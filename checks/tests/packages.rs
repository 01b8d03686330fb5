//! What keeps the libraries packages of their own (`cargo package -p NAME`): nothing of the crate lies outside of its
//! folder, unless a feature that nobody has by default asks for it, and what it needs of ours says its version.
//!
//! Read off the sources; `cargo package` itself, which builds each package, is run by hand (CONTRIBUTING.md).

mod metadata;

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use cargo_metadata::{DependencyKind, Package, TargetKind};
use metadata::metadata;

/// Crates with a library that Rust links and no program: what somebody else may depend on.
fn libraries() -> Vec<Package> {
    let metadata = metadata();
    let packages = metadata.workspace_packages().into_iter().cloned();
    let libraries: Vec<Package> = packages
        .filter(|package| {
            let kinds = || package.targets.iter().flat_map(|target| &target.kind);
            let has = |kind| kinds().any(|known| *known == kind);
            has(TargetKind::Lib) && !has(TargetKind::Bin) && !has(TargetKind::CDyLib)
        })
        // Tests alone depend on it, and it reads the whole repository.
        .filter(|package| package.name != "checks")
        .collect();
    let names: Vec<&str> = libraries.iter().map(|p| p.name.as_str()).collect();
    for name in ["model-core", "image-data", "kernels", "inference", "photos"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    libraries
}

fn folder(package: &Package) -> &Path {
    let manifest = package.manifest_path.as_std_path();
    manifest.parent().expect("Cargo.toml lies in a folder")
}

/// A file that a source file takes in while it is compiled.
#[derive(Debug, PartialEq)]
struct Included {
    /// As it is written; nothing where it is put together by another macro.
    path: Option<String>,
    /// The feature without which it is not taken in.
    feature: Option<String>,
}

/// Every `include!`, `include_bytes!` and `include_str!` of a source file, with the feature in the line above.
fn included(source: &str) -> Vec<Included> {
    let mut found = Vec::new();
    let mut feature = None;
    for line in source.lines().map(str::trim_start) {
        if line.starts_with("//") {
            continue;
        }
        if line.starts_with("#[") {
            let gate = line.strip_prefix("#[cfg(feature = \"");
            feature = gate.and_then(|gate| gate.split('"').next()).or(feature);
            continue;
        }
        for call in ["include!(", "include_bytes!(", "include_str!("] {
            found.extend(line.split(call).skip(1).map(|argument| {
                Included {
                    path: argument
                        .strip_prefix('"')
                        .and_then(|text| text.split('"').next())
                        .map(str::to_owned),
                    feature: feature.map(str::to_owned),
                }
            }));
        }
        feature = None;
    }
    found
}

/// The path without its `..`, which need not be there.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

/// The features of a library without which a file outside of its folder would be taken in; a complaint for each file that
/// no feature keeps out.
fn outside(package: &Package, sources: &[PathBuf]) -> (BTreeSet<String>, Vec<String>) {
    let (mut features, mut complaints) = (BTreeSet::new(), Vec::new());
    let here = folder(package);
    for file in sources.iter().filter(|file| file.starts_with(here)) {
        let text = std::fs::read_to_string(file).expect("a source file is text");
        for one in included(&text) {
            let parent = file.parent().expect("a file lies in a folder");
            let lies = one.path.as_ref().map(|path| plain(&parent.join(path)));
            match (lies, one.feature) {
                (Some(lies), _) if lies.starts_with(here) => {}
                (_, Some(feature)) => {
                    features.insert(feature);
                }
                (_, None) => complaints.push(format!("{}: {:?}", file.display(), one.path)),
            }
        }
    }
    (features, complaints)
}

/// `features` and all that they turn on.
fn closure(package: &Package, features: &[&str]) -> BTreeSet<String> {
    let mut on = BTreeSet::new();
    let mut open: Vec<String> = features.iter().map(|name| (*name).to_owned()).collect();
    while let Some(name) = open.pop() {
        let more = package.features.get(&name).cloned().unwrap_or_default();
        if on.insert(name) {
            open.extend(more);
        }
    }
    on
}

#[test]
fn a_library_holds_all_that_it_includes() {
    let sources: Vec<PathBuf> = checks::files(&["rs"])
        .into_iter()
        .filter(|file| file.iter().any(|part| part == "src"))
        .collect();
    let libraries = libraries();
    let mut gates = 0;
    for package in &libraries {
        let (features, complaints) = outside(package, &sources);
        assert!(
            complaints.is_empty(),
            "outside of the crate: {complaints:?}"
        );
        let usual = closure(package, &["default"]);
        let on: Vec<&String> = features.intersection(&usual).collect();
        assert!(on.is_empty(), "{}: on by default: {on:?}", package.name);
        // No other library may ask for them either.
        for other in &libraries {
            let asked = other.dependencies.iter().filter(|dependency| {
                dependency.kind == DependencyKind::Normal && dependency.name == *package.name
            });
            for dependency in asked {
                let asked: Vec<&str> = dependency.features.iter().map(String::as_str).collect();
                let asked = closure(package, &asked);
                let on: Vec<&String> = features.intersection(&asked).collect();
                assert!(
                    on.is_empty(),
                    "{} asks {}: {on:?}",
                    other.name,
                    package.name
                );
            }
        }
        gates += features.len();
    }
    // The model of `inference`: the search finds what it is there for.
    assert!(gates >= 1, "no feature guards a file outside of its crate");
}

#[test]
fn a_library_says_which_version_of_ours_it_needs() {
    let libraries = libraries();
    let is_ours = |name: &str| libraries.iter().any(|package| package.name == name);
    let mut seen = 0;
    for package in &libraries {
        for dependency in &package.dependencies {
            if dependency.kind == DependencyKind::Normal && is_ours(&dependency.name) {
                seen += 1;
                let version = dependency.req.to_string();
                assert_ne!(version, "*", "{} needs {}", package.name, dependency.name);
            }
        }
    }
    assert!(seen > 5, "{seen} dependencies among the libraries");
}

#[test]
fn an_included_file_is_seen_with_its_feature() {
    let source = "\
        #[cfg(feature = \"inside\")]\n\
        /// A model.\n\
        pub static MODEL: &[u8] = include_bytes!(\"../../models/model.onnx\");\n\
        // include_str!(\"only told of\")\n\
        const TABLE: &str = include_str!(\"table.tsv\");\n\
        include!(concat!(\"a\", \"b\"));\n";
    let one = |path: Option<&str>, feature: Option<&str>| Included {
        path: path.map(str::to_owned),
        feature: feature.map(str::to_owned),
    };
    assert_eq!(
        included(source),
        [
            one(Some("../../models/model.onnx"), Some("inside")),
            one(Some("table.tsv"), None),
            one(None, None),
        ]
    );
    assert_eq!(plain(Path::new("a/b/../../c")), Path::new("c"));
}

/// Whether the words about a crate, at the head of its `lib.rs`, hold an example that the compiler sees.
fn has_example(source: &str) -> bool {
    source
        .lines()
        .take_while(|line| line.starts_with("//!"))
        .filter_map(|line| line.trim_start_matches("//!").trim().strip_prefix("```"))
        .step_by(2)
        .any(|kind| ["", "no_run", "rust"].contains(&kind))
}

#[test]
fn the_words_about_a_library_begin_with_an_example() {
    assert!(has_example(
        "//! A.\n//!\n//! ```no_run\n//! f();\n//! ```\n"
    ));
    assert!(!has_example("//! A.\n//! ```ignore\n//! f();\n//! ```\n"));
    let without: Vec<String> = libraries()
        .iter()
        // Neither holds code to call.
        .filter(|package| !["one-build", "libtorch-check"].contains(&package.name.as_str()))
        .filter(|package| {
            let head = std::fs::read_to_string(folder(package).join("src/lib.rs"));
            !has_example(&head.expect("a library's source"))
        })
        .map(|package| package.name.to_string())
        .collect();
    assert_eq!(without, Vec::<String>::new());
}
