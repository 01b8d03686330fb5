//! A page of every key of a settings file, made from the types that read it: keys and defaults from their values, words
//! from the comments in their sources.
//!
//! A key without a comment, and a field that is no key, are errors: neither side can be forgotten.

use std::fmt::Write;

use serde_json::Value;

use super::types::Types;
use super::{item, sentence, wrapped};

/// What a value of a type may be.
enum Allowed {
    /// In a few words.
    Words(String),
    /// One of these, each with its own words.
    OneOf(Vec<String>),
}

impl Types {
    /// The page: `intro` under `title`, then the keys of the type `root` in the order of its fields.
    ///
    /// `defaults` is the type's default value; `all` is one in which every optional section is there.
    ///
    /// # Errors
    /// A key has no field with a comment, or a field is no key.
    pub fn page(
        &self,
        title: &str,
        intro: &str,
        root: &str,
        defaults: &Value,
        all: &Value,
    ) -> Result<String, String> {
        let mut page = format!("# {title}\n\n");
        page.push_str("<!-- Made from the types that read the file; a test holds it. -->\n\n");
        let _ = writeln!(page, "{}", wrapped(intro, ""));
        let _ = write!(page, "\n## The file itself\n\n");
        self.section(&mut page, root, "", Some(defaults), all)?;
        Ok(page)
    }

    fn section(
        &self,
        page: &mut String,
        name: &str,
        path: &str,
        defaults: Option<&Value>,
        all: &Value,
    ) -> Result<(), String> {
        let definition = self.get(name)?;
        let keys = all.as_object().ok_or(format!("{name} is no section"))?;
        if let Some(key) = keys
            .keys()
            .find(|key| definition.members.iter().all(|member| member.name != **key))
        {
            return Err(format!("{name}: the key '{key}' is no field of the source"));
        }
        let mut sections = Vec::new();
        for member in &definition.members {
            let key = format!("{path}{}", member.name);
            let value = keys
                .get(&member.name)
                .ok_or(format!("{name}: the field '{}' is no key", member.name))?;
            if member.doc.is_empty() {
                return Err(format!(
                    "{name}: the field '{}' has no comment",
                    member.name
                ));
            }
            let default = defaults.map_or(value, |defaults| &defaults[&member.name]);
            let inner = inside(&member.holds, "Option").unwrap_or(&member.holds);
            let of = self.0.get(inner).filter(|of| !of.is_enum);
            let mut text = format!("`{key}`: {}", sentence(&plain(&member.doc)));
            let mut values = Vec::new();
            if of.is_some() {
                let anchor = key.replace('.', "");
                let off = if default.is_null() {
                    " Off by default."
                } else {
                    ""
                };
                let _ = write!(text, " See [{key}](#{anchor}).{off}");
                let defaults = Some(default).filter(|default| !default.is_null());
                sections.push((inner, key, defaults, value));
            } else {
                match self.allowed(inner)? {
                    Allowed::Words(words) => {
                        let _ = write!(text, " {}", sentence(&words));
                    }
                    Allowed::OneOf(each) => values = each,
                }
                let default = spaced(&shortest(default, inner).to_string());
                let _ = write!(text, " Default: `{default}`.");
            }
            page.push_str(&item(&text, &values));
        }
        for (name, key, defaults, all) in sections {
            let level = "#".repeat(2 + key.matches('.').count());
            let _ = write!(page, "\n{level} {key}\n\n");
            self.section(page, name, &format!("{key}."), defaults, all)?;
        }
        Ok(())
    }

    fn allowed(&self, of: &str) -> Result<Allowed, String> {
        let known = match of {
            "String" => "Text",
            "PathBuf" => "A path",
            "bool" => "True or false",
            "f32" | "f64" => "A number",
            "u32" | "u64" | "usize" => "A whole number",
            "Vec<String>" => "A list of texts",
            "Vec<f64>" => "A list of numbers",
            "[f64; 2]" => "Two numbers",
            "[u32; 2]" => "Two whole numbers",
            "[f32; 3]" => "Three numbers",
            "BTreeMap<String, f64>" => "A number for each name",
            _ => "",
        };
        if !known.is_empty() {
            return Ok(Allowed::Words(known.to_owned()));
        }
        let definition = self.get(of)?;
        if definition.untagged {
            let (mut each, mut is_list) = (Vec::new(), false);
            for variant in &definition.members {
                match self.allowed(&variant.holds)? {
                    Allowed::Words(words) => each.push(words),
                    Allowed::OneOf(list) => {
                        is_list = true;
                        each.extend(list);
                    }
                }
            }
            return Ok(if is_list {
                Allowed::OneOf(each.iter().map(|one| sentence(one)).collect())
            } else {
                Allowed::Words(each.join(", or ").replace(", or A ", ", or a "))
            });
        }
        let each = definition
            .members
            .iter()
            .map(|variant| {
                let name = snake_case(&variant.name);
                let typed = match variant.holds.as_str() {
                    "" => name,
                    fields if fields.starts_with('{') => format!("{name}: {fields}"),
                    _ => format!("{name}: N"),
                };
                format!("`{typed}`: {}", sentence(&plain(&variant.doc)))
            })
            .collect();
        Ok(Allowed::OneOf(each))
    }
}

/// `T` of `outer<T>`.
fn inside<'a>(of: &'a str, outer: &str) -> Option<&'a str> {
    of.strip_prefix(outer)?.strip_prefix('<')?.strip_suffix('>')
}

/// Without the links that only rustdoc follows.
fn plain(doc: &str) -> String {
    doc.replace("[`", "`").replace("`]", "`")
}

/// serde's `snake_case`.
fn snake_case(name: &str) -> String {
    let mut out = String::new();
    for (place, letter) in name.char_indices() {
        if place > 0 && letter.is_uppercase() {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    out
}

/// `value` with the digits that a number of this type needs.
fn shortest(value: &Value, of: &str) -> Value {
    match value {
        Value::Array(list) => list.iter().map(|value| shortest(value, of)).collect(),
        Value::Number(_) if of.contains("f32") => {
            let digits = value.as_f64().map(|value| (value as f32).to_string());
            let short = digits.and_then(|digits| digits.parse::<f64>().ok());
            short.map_or_else(|| value.clone(), Value::from)
        }
        _ => value.clone(),
    }
}

/// JSON as one writes it in YAML, with a space after each comma and colon outside texts.
fn spaced(json: &str) -> String {
    let mut out = String::new();
    let mut text = false;
    for letter in json.chars() {
        out.push(letter);
        match letter {
            '"' => text = !text,
            ',' | ':' if !text => out.push(' '),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SOURCE: &str = "\
/// All of it.
#[derive(Clone)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How often.
    #[serde(default)]
    pub times: u32,

    /// Which [`Kind`],
    /// in words
    pub kind: Kind,
    /// Shares.
    pub shares: [f32; 3],
    /// Off.
    pub more: Option<More>,
}

/// Kinds.
#[serde(rename_all = \"snake_case\")]
pub enum Kind {
    /// The plain one.
    #[default]
    OnePlain,
    /// By size
    Exact {
        /// Rows.
        height: u32,
        /// Columns.
        width: u32,
    },
}

/// More.
pub struct More {
    /// Either.
    pub either: Either,
    /// Rule.
    pub rule: Rule,
}

/// A rule or a number.
#[serde(untagged)]
pub enum Rule {
    /// A.
    Kind(Kind),
    /// B.
    Number(usize),
}

/// Either.
#[serde(
    untagged,
    expecting = \"x\"
)]
pub enum Either {
    /// A.
    A(String),
    /// B.
    B(BTreeMap<String, f64>),
}
";

    fn page(all: &Value) -> Result<String, String> {
        let defaults =
            json!({"times": 3, "kind": "one_plain", "shares": [0.1f32, 1.0f32], "more": null});
        let types = Types::read([SOURCE])?;
        types.page("Keys", "Words.", "Config", &defaults, all)
    }

    #[test]
    fn every_key_stands_with_its_words_values_and_default() {
        let all = json!({"times": 3, "kind": "one_plain", "shares": 0, "more": {"either": {"a": 1.5}, "rule": 1}});
        let page = page(&all).unwrap();
        let (_, keys) = page.split_once("## The file itself\n\n").unwrap();
        assert_eq!(
            keys,
            "\
- `times`: How often. A whole number. Default: `3`.
- `kind`: Which `Kind`, in words. Default: `\"one_plain\"`. One of:
  - `one_plain`: The plain one.
  - `exact: {height: N, width: N}`: By size.
- `shares`: Shares. Three numbers. Default: `[0.1, 1.0]`.
- `more`: Off. See [more](#more). Off by default.

## more

- `more.either`: Either. Text, or a number for each name. Default: `{\"a\": 1.5}`.
- `more.rule`: Rule. Default: `1`. One of:
  - `one_plain`: The plain one.
  - `exact: {height: N, width: N}`: By size.
  - A whole number.
"
        );
    }

    #[test]
    fn a_key_without_a_field_and_a_field_without_a_key_are_seen() {
        let all = json!({"times": 3, "kind": "one_plain", "shares": 0, "more": {"other": 1}});
        assert_eq!(
            page(&all).unwrap_err(),
            "More: the key 'other' is no field of the source"
        );
        assert_eq!(
            page(&json!({"times": 3})).unwrap_err(),
            "Config: the field 'kind' is no key"
        );
        assert!(Types::read([SOURCE, SOURCE]).is_err());
    }
}
