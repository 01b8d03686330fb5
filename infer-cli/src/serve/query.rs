//! What a request may ask for beside the image.

use model_core::scores::DEFAULT_TOP_K;
use percent_encoding::percent_decode_str;

const KEYS: [&str; 4] = ["topk", "abstain", "at_least", "name"];

/// The options of a request, from its address or from the fields of its form.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Query {
    pub top_k: usize,
    /// "Not sure" below this.
    pub abstain: Option<f32>,
    /// How likely an everyday word must be, in place of the service's own `--at-least`.
    pub at_least: Option<f32>,
    /// What answers call the image.
    pub name: Option<String>,
}

impl Query {
    /// Whether there is such an option. A form may have other fields, for its own button say.
    pub fn knows(key: &str) -> bool {
        KEYS.contains(&key)
    }

    /// Reads `topk=3&name=a+b.jpg`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut query = Self {
            top_k: DEFAULT_TOP_K,
            abstain: None,
            at_least: None,
            name: None,
        };
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            query.set(&decoded(key), &decoded(value))?;
        }
        Ok(query)
    }

    /// Sets one option.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "topk" => {
                let number = value.parse().ok().filter(|k| *k > 0);
                self.top_k = number.ok_or_else(|| {
                    format!("topk: expected a whole number from 1, got '{value}'")
                })?;
            }
            "abstain" => {
                let number = value.parse().ok().filter(|p| (0.0..=1.0).contains(p));
                self.abstain = Some(number.ok_or_else(|| {
                    format!("abstain: expected a probability from 0 to 1, got '{value}'")
                })?);
            }
            "at_least" => {
                let number = value.parse().ok().filter(|p| (0.0..=1.0).contains(p));
                self.at_least = Some(number.ok_or_else(|| {
                    format!("at_least: expected a probability from 0 to 1, got '{value}'")
                })?);
            }
            "name" => self.name = Some(value.to_owned()),
            other => {
                return Err(format!(
                    "expected topk, abstain, at_least or name, got '{other}'"
                ));
            }
        }
        Ok(())
    }
}

/// `application/x-www-form-urlencoded` (WHATWG URL, section 5): a plus is a space.
fn decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_checked() {
        let query = Query::parse("topk=3&name=a%20b+c%26.jpg&abstain=0.5&at_least=0.9").unwrap();
        assert_eq!(
            query,
            Query {
                top_k: 3,
                abstain: Some(0.5),
                at_least: Some(0.9),
                name: Some("a b c&.jpg".into())
            }
        );
        assert_eq!(Query::parse("").unwrap().top_k, DEFAULT_TOP_K);
        assert!(Query::parse("topk=0").is_err() && Query::parse("k=1").is_err());
        assert!(Query::parse("at_least=2").is_err());
        for key in KEYS {
            let answer = Query::parse(&format!("{key}=1"));
            assert!(Query::knows(key) && answer.is_ok(), "{key}");
        }
        assert!(!Query::knows("submit"));
        assert!(Query::parse("abstain=2").is_err() && Query::parse("abstain=nan").is_err());
    }
}
