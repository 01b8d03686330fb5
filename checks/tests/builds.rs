//! What one build compiled, the next one finds: programs ask the same features of the crates they share.
//!
//! Counted on cargo's own plan of what it would compile, without compiling. `one-build/Cargo.toml` is where features meet.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::process::Command;

use serde_json::Value;

/// A compilation, but for its features.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    /// The crate with its version, as `tokio@1.54.1`.
    package: String,
    /// A library, a program, a build script.
    kind: String,
    /// Whether it is compiled or, a build script, run.
    mode: String,
    /// What runs while others are compiled is compiled without optimization, and counts as another.
    optimized: String,
}

impl Name {
    fn krate(&self) -> &str {
        let end = self.package.find(['@', '#']);
        &self.package[..end.unwrap_or(self.package.len())]
    }
}

/// Every compilation by all that makes it what it is.
type Plan = HashMap<u64, Name>;

/// The compilations of `cargo build --release` with these arguments, each by all that makes it what it is.
fn plan(arguments: &[&str]) -> Plan {
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
        // `registry+https://.../index#tokio@1.54.1`, `path+file:///.../inference#0.1.0`.
        let package = text(&unit["pkg_id"]);
        let package = package.rsplit('/').next().unwrap();
        let package = match package.split_once('#') {
            Some((_, named)) if named.contains('@') => named,
            _ => package,
        };
        Name {
            package: package.to_owned(),
            kind: text(&unit["target"]["kind"][0]),
            mode: text(&unit["mode"]),
            optimized: text(&unit["profile"]["opt_level"]),
        }
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

/// What a build compiles again that another one has, in another form: with other features, or above such a crate.
fn again<'a>(first: &Plan, next: &'a Plan) -> BTreeSet<&'a Name> {
    let names: BTreeSet<&Name> = first.values().collect();
    let other = next
        .iter()
        .filter(|(identity, name)| !first.contains_key(*identity) && names.contains(name));
    other.map(|(_, name)| name).collect()
}

fn both(first: &Plan, next: &Plan) -> Plan {
    let both = first.iter().chain(next);
    both.map(|(identity, name)| (*identity, name.clone()))
        .collect()
}

/// As `scripts/demo` builds, and as README says.
#[test]
fn nothing_is_built_twice() {
    let demo = std::fs::read_to_string(checks::root().join("scripts/demo")).unwrap();
    let parts = [&["-p", "export", "-p", "infer-cli"][..], &["-p", "train"]];
    for part in parts {
        let line = format!("cargo build --release --locked {}\n", part.join(" "));
        assert!(demo.contains(&line), "scripts/demo builds otherwise");
    }
    let [tools, train] = parts.map(plan);
    let all = plan(&[]);
    assert!(all.len() > 300, "{} compilations", all.len());
    let nothing = BTreeSet::new();
    assert_eq!(
        again(&both(&tools, &train), &all),
        nothing,
        "after the demo"
    );
    for program in ["infer-cli", "export", "desktop-app"] {
        let first = plan(&["-p", program]);
        assert_eq!(again(&first, &all), nothing, "after {program}");
    }
    let bindings = plan(&["-p", "resnet50-c", "-p", "resnet50-python"]);
    assert_eq!(again(&all, &bindings), nothing, "the bindings after all");
    // The service of `infer-cli` and the stores of `train` ask different things of these: to ask the same would put
    // HTTP/2 and a second scheduler into every program.
    let apart = ["hyper", "hyper-util", "tokio"];
    for first in [&tools, &all] {
        let twice = again(first, &train);
        let names: BTreeSet<&str> = twice.iter().map(|name| name.krate()).collect();
        assert_eq!(names, BTreeSet::from(apart), "train after the others");
    }
}

#[test]
fn what_is_built_twice_is_seen() {
    // With another feature of a crate that all need, that crate and all above it are other compilations.
    let one = plan(&["-p", "inference"]);
    let other = plan(&["-p", "inference", "--features", "embedded-model"]);
    let twice = again(&one, &other);
    let names: Vec<&str> = twice.iter().map(|name| name.krate()).collect();
    assert_eq!(names, ["inference"]);
}
