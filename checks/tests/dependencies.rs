//! Every crate that a crate of ours asks for has its reason in ARCHITECTURE.md, and no reason outlives its crate.

mod metadata;

use std::collections::BTreeSet;

use cargo_metadata::DependencyKind;
use checks::pages::spans;
use metadata::metadata;

/// The section of ARCHITECTURE.md with the reasons.
const HEADING: &str = "## What is not ours";

/// What the crates of the workspace ask for beyond each other, but for tests, builds and `one-build`, which repeats.
fn asked_for() -> BTreeSet<String> {
    let metadata = metadata();
    let packages = metadata.workspace_packages();
    let ours: BTreeSet<&str> = packages.iter().map(|p| p.name.as_str()).collect();
    packages
        .iter()
        .filter(|package| package.name.as_str() != "one-build")
        .flat_map(|package| &package.dependencies)
        .filter(|asked| asked.kind == DependencyKind::Normal)
        .map(|asked| asked.name.clone())
        .filter(|name| !ours.contains(name.as_str()))
        .collect()
}

#[test]
fn every_crate_has_its_reason() {
    let page = std::fs::read_to_string(checks::root().join("ARCHITECTURE.md")).expect("a page");
    let (_, section) = page.split_once(HEADING).expect("the section");
    let table: Vec<&str> = section.lines().filter(|l| l.starts_with('|')).collect();
    // The first column says what for, and may name programs.
    let second = table.iter().filter_map(|line| line.splitn(3, '|').nth(2));
    let named: BTreeSet<&str> = second.flat_map(spans).collect();

    let asked = asked_for();
    assert!(asked.len() > 50, "{} crates", asked.len());
    let without: Vec<&String> = asked
        .iter()
        .filter(|name| !named.contains(name.as_str()))
        .collect();
    assert_eq!(without, Vec::<&String>::new(), "without a reason");

    // Other words between backticks are no crates: files, programs, crates of ours.
    let others = ["inference", "one-build", ".pth", ".npz"];
    let gone: Vec<&str> = named
        .into_iter()
        .filter(|name| !asked.contains(*name) && !others.contains(name))
        .collect();
    assert_eq!(gone, Vec::<&str>::new(), "no longer asked for");
}
