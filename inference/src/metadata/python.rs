//! The little of Python's literal syntax that exporters write into metadata: `{0: 'tench', 1: "jack-o'-lantern"}`
//! and `[224, 224]`.

use std::collections::BTreeMap;

/// More classes than this is damage, not a classifier.
const MAX_CLASSES: usize = 1 << 20;

/// Parses a dictionary from integers (quoted or not) to strings; JSON objects of that shape parse too.
pub(super) fn dictionary(text: &str) -> Result<BTreeMap<usize, String>, String> {
    let mut reader = Reader { rest: text.trim() };
    reader.expect('{')?;
    let mut entries = BTreeMap::new();
    while !reader.accept('}') {
        let key = match reader.peek() {
            Some('\'' | '"') => reader.string()?,
            _ => reader.word(),
        };
        let key: usize = key
            .parse()
            .map_err(|_| format!("expected a class number, got '{key}'"))?;
        reader.expect(':')?;
        let value = reader.string()?;
        if entries.insert(key, value).is_some() {
            return Err(format!("class {key} stands there twice"));
        }
        if entries.len() > MAX_CLASSES {
            return Err(format!("expected at most {MAX_CLASSES} classes"));
        }
        if !reader.accept(',') {
            reader.expect('}')?;
            break;
        }
    }
    Ok(entries)
}

/// The values of keys 0, 1, 2, ...; a gap is an error.
pub(super) fn in_order(entries: BTreeMap<usize, String>) -> Result<Vec<String>, String> {
    let mut values = Vec::with_capacity(entries.len());
    for (expected, (key, value)) in entries.into_iter().enumerate() {
        if key != expected {
            return Err(format!("the class names lack number {expected}"));
        }
        values.push(value);
    }
    if values.is_empty() {
        return Err("the list of class names is empty".to_owned());
    }
    Ok(values)
}

/// Parses `224`, `[224, 224]` or `(224, 224)`.
pub(super) fn integers(text: &str) -> Result<Vec<u32>, String> {
    text.trim()
        .trim_matches(['[', ']', '(', ')'])
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| {
            part.parse()
                .map_err(|_| format!("expected whole numbers, got '{text}'"))
        })
        .collect()
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn accept(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.rest = &self.rest[wanted.len_utf8()..];
        }
        found
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.accept(wanted) {
            return Ok(());
        }
        let got: String = self.rest.chars().take(12).collect();
        Err(format!("expected '{wanted}', got '{got}'"))
    }

    fn word(&mut self) -> String {
        let end = self
            .rest
            .find([':', ',', '}', ' '])
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.to_owned()
    }

    fn string(&mut self) -> Result<String, String> {
        let quote = self
            .peek()
            .filter(|c| matches!(c, '\'' | '"'))
            .ok_or_else(|| {
                let got: String = self.rest.chars().take(12).collect();
                format!("expected a quoted name, got '{got}'")
            })?;
        let mut value = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                c if c == quote => {
                    self.rest = &self.rest[at + c.len_utf8()..];
                    return Ok(value);
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, 't')) => value.push('\t'),
                    Some((_, escape @ ('x' | 'u'))) => {
                        let digits = if escape == 'x' { 2 } else { 4 };
                        let code: String = chars.by_ref().take(digits).map(|(_, c)| c).collect();
                        let c = u32::from_str_radix(&code, 16).ok().and_then(char::from_u32);
                        value.push(c.ok_or_else(|| format!("bad escape '\\{escape}{code}'"))?);
                    }
                    Some((_, other)) => value.push(other),
                    None => break,
                },
                other => value.push(other),
            }
        }
        Err("a name's closing quote is missing".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_python_prints() {
        let text = r#"{0: 'tench', 1: "jack-o'-lantern", 2: 'a \'b\' \\ c', 3: 'caf\xe9', 4: 'Zürich, {x: 1}'}"#;
        let names = in_order(dictionary(text).unwrap()).unwrap();
        assert_eq!(
            names,
            [
                "tench",
                "jack-o'-lantern",
                r"a 'b' \ c",
                "café",
                "Zürich, {x: 1}"
            ]
        );
        assert_eq!(
            in_order(dictionary(r#"{"1": "b", "0": "a"}"#).unwrap()).unwrap(),
            ["a", "b"]
        );
        assert_eq!(integers("[224, 192]"), Ok(vec![224, 192]));
        assert_eq!(integers("224"), Ok(vec![224]));
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, part) in [
            ("", "expected '{'"),
            ("{0: 'a", "closing quote"),
            ("{x: 'a'}", "class number"),
            ("{0: 1}", "quoted name"),
            ("{0: 'a', 0: 'b'}", "twice"),
            ("{0: 'a\\x", "bad escape"),
        ] {
            let error = dictionary(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(
            in_order(dictionary("{0: 'a', 2: 'b'}").unwrap())
                .unwrap_err()
                .contains("lack number 1")
        );
        assert!(
            in_order(dictionary("{}").unwrap())
                .unwrap_err()
                .contains("empty")
        );
        assert!(integers("[a]").is_err());
    }
}
