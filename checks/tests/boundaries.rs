//! The walls between the rooms, held over `cargo metadata`: nothing that classifies an image links libtorch, nothing that
//! trains links tract, and ARCHITECTURE.md's table says what Cargo.toml says.

mod metadata;

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, PackageId};
use metadata::metadata;

fn id_of<'a>(metadata: &'a Metadata, name: &str) -> &'a PackageId {
    let package = metadata
        .workspace_packages()
        .into_iter()
        .find(|p| p.name.as_str() == name);
    &package
        .unwrap_or_else(|| panic!("no crate {name} in the workspace"))
        .id
}

/// Every package that `name` links, itself included; `first` says which of its own dependencies count.
fn linked(metadata: &Metadata, name: &str) -> BTreeSet<String> {
    let resolve = metadata.resolve.as_ref().expect("a resolved graph");
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let mut seen = BTreeSet::new();
    let mut open = vec![id_of(metadata, name)];
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        let normal = nodes[id].deps.iter().filter(|dep| {
            dep.dep_kinds
                .iter()
                .any(|kind| kind.kind == DependencyKind::Normal)
        });
        open.extend(normal.map(|dep| &dep.pkg));
    }
    seen.into_iter()
        .map(|id| metadata[id].name.to_string())
        .collect()
}

fn matching<'a>(packages: &'a BTreeSet<String>, prefixes: &[&str]) -> Vec<&'a String> {
    packages
        .iter()
        .filter(|p| prefixes.iter().any(|prefix| p.starts_with(prefix)))
        .collect()
}

const LIBTORCH: &[&str] = &["tch", "torch-sys", "torch-ext"];
const ENGINES: &[&str] = &["tract", "ort"];
const WINDOWS: &[&str] = &["egui", "eframe", "winit", "wgpu"];

#[test]
fn nothing_that_classifies_links_libtorch() {
    let metadata = metadata();
    for name in [
        "model-core",
        "image-data",
        "kernels",
        "inference",
        "export",
        "infer-cli",
        "desktop-app",
        "resnet50-c",
        "resnet50-python",
        "web-demo",
    ] {
        assert_eq!(
            matching(&linked(&metadata, name), LIBTORCH),
            Vec::<&String>::new(),
            "{name}"
        );
    }
}

#[test]
fn training_links_no_inference_engine_and_only_the_app_links_a_window() {
    let metadata = metadata();
    for name in ["model-core", "image-data", "kernels", "torch-ext", "train"] {
        assert_eq!(
            matching(&linked(&metadata, name), ENGINES),
            Vec::<&String>::new(),
            "{name}"
        );
    }
    for name in [
        "model-core",
        "image-data",
        "kernels",
        "inference",
        "export",
        "infer-cli",
        "resnet50-c",
        "resnet50-python",
        "web-demo",
        "train",
    ] {
        assert_eq!(
            matching(&linked(&metadata, name), WINDOWS),
            Vec::<&String>::new(),
            "{name}"
        );
    }
}

#[test]
fn the_walls_are_seen_at_all() {
    // Each forbidden package is really in the graph of the crate it belongs to: the tests above can fail.
    let metadata = metadata();
    assert!(linked(&metadata, "train").contains("torch-sys"));
    assert!(linked(&metadata, "inference").contains("tract-onnx"));
    assert!(linked(&metadata, "desktop-app").contains("egui"));
}

#[test]
fn plain_cargo_build_needs_no_libtorch() {
    let metadata = metadata();
    let defaults: BTreeSet<String> = metadata
        .workspace_default_packages()
        .iter()
        .map(|p| p.name.to_string())
        .collect();
    let mut all: BTreeSet<String> = metadata
        .workspace_packages()
        .iter()
        .map(|p| p.name.to_string())
        .collect();
    // Besides libtorch and what train needs and export on request: the bindings and the page are built by those who need
    // them, and a Python module is maturin's to link.
    let left_out = [
        "train",
        "torch-ext",
        "cloud-data",
        "libtorch-check",
        "resnet50-c",
        "resnet50-python",
        "web-demo",
    ];
    all.retain(|name| !left_out.contains(&name.as_str()));
    assert_eq!(defaults, all);
}

#[test]
fn the_architecture_page_tells_the_truth_about_dependencies() {
    let metadata = metadata();
    let members: BTreeSet<&str> = metadata
        .workspace_packages()
        .iter()
        .map(|p| p.name.as_str())
        .collect();
    let page = checks::root().join("ARCHITECTURE.md");
    let page = std::fs::read_to_string(page).expect("ARCHITECTURE.md is readable");
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in page.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, name, _, depends, _] = cells[..] else {
            continue;
        };
        let Some(name) = name.strip_prefix('`').and_then(|n| n.strip_suffix('`')) else {
            continue;
        };
        let depends = depends
            .split(',')
            .map(|d| d.trim().trim_matches('`').to_owned());
        told.insert(
            name.to_owned(),
            depends.filter(|d| d != "nothing of ours").collect(),
        );
    }
    let mut real: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in metadata.workspace_packages() {
        let ours = package
            .dependencies
            .iter()
            .filter(|d| d.kind == DependencyKind::Normal && members.contains(d.name.as_str()))
            .map(|d| d.name.clone());
        real.insert(package.name.to_string(), ours.collect());
    }
    assert_eq!(
        told, real,
        "ARCHITECTURE.md's crate table against Cargo.toml"
    );
}
