//! `deny.toml` held without `cargo deny`: licenses, banned packages, and where packages come from. Advisories need the
//! advisory database and are `cargo deny`'s.

mod metadata;

use std::collections::BTreeSet;

use metadata::metadata;

fn rules() -> toml::Table {
    let text =
        std::fs::read_to_string(checks::root().join("deny.toml")).expect("deny.toml is there");
    text.parse().expect("deny.toml is TOML")
}

fn allowed() -> BTreeSet<String> {
    rules()["licenses"]["allow"]
        .as_array()
        .expect("a list of licenses")
        .iter()
        .map(|license| license.as_str().expect("a name").to_owned())
        .collect()
}

/// Whether `expression` can be met with the licenses in `allowed`.
fn can_be_met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    // Old packages separate alternatives by a slash; Cargo still takes it.
    let parsed = spdx::Expression::parse_mode(expression, spdx::ParseMode::LAX)
        .unwrap_or_else(|error| panic!("'{expression}': {error}"));
    parsed.evaluate(|requirement| allowed.contains(&requirement.to_string()))
}

#[test]
fn every_package_comes_under_an_allowed_license() {
    let allowed = allowed();
    let refused: Vec<String> = metadata()
        .packages
        .iter()
        .filter(|package| match &package.license {
            Some(license) => !can_be_met(license, &allowed),
            None => true,
        })
        .map(|package| {
            format!(
                "{} {}: {:?}",
                package.name, package.version, package.license
            )
        })
        .collect();
    assert_eq!(refused, Vec::<String>::new());
}

#[test]
fn a_license_that_is_not_allowed_is_seen() {
    let allowed = allowed();
    for expression in ["GPL-3.0-only", "MIT AND GPL-2.0-only", "AGPL-3.0-or-later"] {
        assert!(!can_be_met(expression, &allowed), "{expression}");
    }
    for expression in ["MIT/Apache-2.0", "MIT OR GPL-3.0-only"] {
        assert!(can_be_met(expression, &allowed), "{expression}");
    }
}

#[test]
fn no_banned_package_is_in_the_tree_and_all_come_from_the_registry() {
    let rules = rules();
    let banned: BTreeSet<&str> = rules["bans"]["deny"]
        .as_array()
        .expect("a list of bans")
        .iter()
        .map(|ban| ban["name"].as_str().expect("a name"))
        .collect();
    assert!(!banned.is_empty());
    for package in &metadata().packages {
        assert!(!banned.contains(package.name.as_str()), "{}", package.name);
        let source = package.source.as_ref().map(|source| source.is_crates_io());
        assert_ne!(
            source,
            Some(false),
            "{} is not from the registry",
            package.name
        );
    }
}
