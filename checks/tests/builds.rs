//! What one build compiled, the next one finds: programs ask the same features of the crates they share.
//!
//! Counted on cargo's own plan of what it would compile, without compiling. `one-build/Cargo.toml` is where features meet.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::process::Command;

use serde_json::Value;

/// A compilation: the crate, of which kind, and in which mode.
type Name = (String, String, String);

/// The compilations of `cargo build --release` with these arguments, each by all that makes it what it is.
fn plan(arguments: &[&str]) -> HashMap<u64, Name> {
    let done = Command::new(env!("CARGO"))
        .args([
            "build",
            "--locked",
            "--offline",
            "--release",
            "-Zunstable-options",
            "--unit-graph",
        ])
        .args(arguments)
        .current_dir(checks::root())
        // The plan is printed by nightly cargo alone; nothing is compiled with this.
        .env("RUSTC_BOOTSTRAP", "1")
        .env_remove("CARGO_RESOLVER_FEATURE_UNIFICATION")
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let graph: Value = serde_json::from_slice(&done.stdout).unwrap();
    let units = graph["units"].as_array().unwrap();
    let mut identities = vec![None; units.len()];
    for index in 0..units.len() {
        identity(units, index, &mut identities);
    }
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let name = |unit: &Value| {
        let package = text(&unit["pkg_id"]);
        let name = package.rsplit('/').next().unwrap().to_owned();
        (name, text(&unit["target"]["kind"][0]), text(&unit["mode"]))
    };
    let each = identities.into_iter().flatten().zip(units);
    each.map(|(identity, unit)| (identity, name(unit)))
        .collect()
}

/// Package, target, profile, platform and features of a unit and of all that it depends on.
fn identity(units: &[Value], index: usize, known: &mut [Option<u64>]) -> u64 {
    if let Some(known) = known[index] {
        return known;
    }
    let unit = &units[index];
    let mut dependencies: Vec<u64> = unit["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| identity(units, d["index"].as_u64().unwrap() as usize, known))
        .collect();
    dependencies.sort_unstable();
    let mut hasher = DefaultHasher::new();
    dependencies.hash(&mut hasher);
    for key in [
        "pkg_id", "target", "profile", "platform", "mode", "features",
    ] {
        unit[key].to_string().hash(&mut hasher);
    }
    let identity = hasher.finish();
    known[index] = Some(identity);
    identity
}

#[test]
fn nothing_large_is_built_twice() {
    let all = plan(&[]);
    assert!(all.len() > 300, "{} compilations", all.len());
    // The service of `infer-cli` and the store of `train` ask different things of hyper and tokio, and drawing asks
    // different things of fonts; to ask the same would add crates to every program.
    let programs: BTreeMap<&str, &[&str]> = BTreeMap::from([
        (
            "the demo",
            &["-p", "train", "-p", "export", "-p", "infer-cli"][..],
        ),
        ("infer-cli", &["-p", "infer-cli"]),
        ("export", &["-p", "export"]),
        ("desktop-app", &["-p", "desktop-app"]),
    ]);
    for (program, arguments) in programs {
        let first = plan(arguments);
        let names: Vec<&Name> = first.values().collect();
        let twice: Vec<&Name> = all
            .iter()
            .filter(|(identity, name)| !first.contains_key(*identity) && names.contains(name))
            .map(|(_, name)| name)
            .collect();
        let large = |(name, ..): &&&Name| {
            let is_ours = name.ends_with("#0.1.0") && !name.starts_with("infer-cli");
            is_ours
                || name.contains("tract-")
                || name.contains("#parquet@")
                || name.contains("#image@")
        };
        let large: Vec<&&Name> = twice.iter().filter(large).collect();
        assert!(large.is_empty(), "after {program}, built again: {large:?}");
        assert!(
            twice.len() <= 30,
            "after {program}, {} built again: {twice:?}",
            twice.len()
        );
    }
}
