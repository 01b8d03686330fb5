//! No two public types have one name, in one crate or in two: a name read anywhere means one thing.

use std::collections::BTreeMap;

/// The public type that a line declares, if it declares one.
fn declared(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("pub ")?;
    let rest = rest.strip_prefix("unsafe ").unwrap_or(rest);
    let (kind, rest) = rest.split_once(' ')?;
    let is_type = ["struct", "enum", "trait", "type", "union"].contains(&kind);
    let end = rest
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(rest.len());
    (is_type && end > 0).then_some(&rest[..end])
}

/// Where each name is declared.
fn declarations() -> BTreeMap<String, Vec<String>> {
    let root = checks::root();
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in checks::files(&["rs"]) {
        let name = path.strip_prefix(&root).expect("a file of the repository");
        let parts: Vec<String> = name
            .components()
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect();
        // CRATE/src/...: neither tests nor what checks them, nor programs in other languages' clothes (bindings/).
        let is_source = parts.len() > 2 && parts[1] == "src" && parts[0] != "checks";
        if !is_source {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a source is text");
        for line in text.lines() {
            if let Some(name) = declared(line) {
                let places = found.entry(name.to_owned()).or_default();
                places.push(parts.join("/"));
            }
        }
    }
    found
}

#[test]
fn no_two_public_types_have_one_name() {
    let twice: Vec<(String, Vec<String>)> = declarations()
        .into_iter()
        .filter(|(_, places)| places.len() > 1)
        .collect();
    assert_eq!(twice, Vec::new());
}

#[test]
fn declarations_are_seen() {
    assert_eq!(declared("pub struct Photo<'a> {"), Some("Photo"));
    assert_eq!(declared("    pub unsafe trait Isa: Copy {"), Some("Isa"));
    assert_eq!(declared("pub type Value = usize;"), Some("Value"));
    for line in [
        "struct Own;",
        "pub(crate) struct Own;",
        "pub fn structure() {}",
        "// pub struct X",
    ] {
        assert_eq!(declared(line), None, "{line}");
    }
    assert!(declarations().len() > 300);
}
