//! The settings types of source files: their fields and variants, with the comments above them.
//!
//! It reads what rustfmt has formatted, line by line; it is no parser of Rust. `keys` holds what it finds against the
//! values of the types, so a line that it misreads is an error there.

use std::collections::BTreeMap;

/// The settings types of some source files, by name.
#[derive(Debug, Default)]
pub struct Types(pub(super) BTreeMap<String, Definition>);

#[derive(Debug, Default)]
pub(super) struct Definition {
    pub is_enum: bool,
    /// An enum of which a file shows the content alone, not the variant's name.
    pub untagged: bool,
    pub members: Vec<Member>,
}

/// A field, or a variant.
#[derive(Debug, Default)]
pub(super) struct Member {
    pub name: String,
    /// The type of a field; what a variant holds.
    pub holds: String,
    pub doc: String,
}

impl Types {
    /// The public structs and enums of `sources`, which are formatted by rustfmt.
    ///
    /// # Errors
    /// Two types have one name.
    pub fn read<'a>(sources: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut types = Self::default();
        for source in sources {
            types.add(source)?;
        }
        Ok(types)
    }

    fn add(&mut self, source: &str) -> Result<(), String> {
        let mut lines = source.lines();
        let mut attributes = String::new();
        while let Some(line) = lines.next() {
            let head = line.strip_suffix(" {").unwrap_or_default();
            let named = |kind| head.strip_prefix(kind).map(str::to_owned);
            let (name, is_enum) = match (named("pub struct "), named("pub enum ")) {
                (Some(name), _) => (name, false),
                (_, Some(name)) => (name, true),
                _ => {
                    let goes_on = line.starts_with(['#', ' ', ')', '/']);
                    attributes = if goes_on {
                        attributes + line
                    } else {
                        String::new()
                    };
                    continue;
                }
            };
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "}").collect();
            let definition = Definition {
                is_enum,
                untagged: attributes.contains("untagged"),
                members: members(&body, is_enum),
            };
            attributes.clear();
            if self.0.insert(name.clone(), definition).is_some() {
                return Err(format!("two types are called {name}"));
            }
        }
        Ok(())
    }

    /// The type called `name`.
    pub(super) fn get(&self, name: &str) -> Result<&Definition, String> {
        self.0
            .get(name)
            .ok_or(format!("the sources define no type {name}"))
    }
}

/// The fields of a struct, or the variants of an enum.
fn members(body: &[&str], is_enum: bool) -> Vec<Member> {
    let mut found = Vec::new();
    let mut doc = Vec::new();
    let mut lines = body.iter().peekable();
    while let Some(line) = lines.next() {
        let text = line.trim();
        if let Some(words) = text.strip_prefix("///") {
            doc.push(words.trim());
        }
        let declares = line.starts_with("    ") && !text.starts_with(['/', '#', ')', '}']);
        if !declares || line.starts_with("     ") {
            continue;
        }
        let declared = text.trim_end_matches(',');
        let (name, holds) = if is_enum {
            if let Some(name) = declared.strip_suffix(" {") {
                let mut fields = Vec::new();
                while let Some(field) = lines.next_if(|line| line.starts_with("     ")) {
                    fields.extend(field.trim().split_once(": ").map(|(name, _)| name));
                }
                let fields: Vec<String> = fields
                    .iter()
                    .filter(|name| !name.starts_with('/'))
                    .map(|name| format!("{name}: N"))
                    .collect();
                (name, format!("{{{}}}", fields.join(", ")))
            } else {
                let (name, holds) = declared.split_once('(').unwrap_or((declared, ""));
                (name, holds.trim_end_matches(')').to_owned())
            }
        } else {
            let Some((name, holds)) = declared
                .strip_prefix("pub ")
                .and_then(|declared| declared.split_once(": "))
            else {
                continue;
            };
            (name, holds.to_owned())
        };
        found.push(Member {
            name: name.to_owned(),
            holds,
            doc: doc.join(" "),
        });
        doc.clear();
    }
    found
}
