//! `docs/reference/infer-cli.schema.json` against what the program really prints, key by key.
//!
//! The checker knows the words that the schema uses and refuses any other, so that none is passed over. It asks for more
//! than JSON Schema does: a key that the schema does not describe is an error, too.

use serde_json::Value;

use crate::helpers::{BLUE, Bench, outcome, png_without_end, ppm};

const SCHEMA: &str = include_str!("../../../docs/reference/infer-cli.schema.json");
const CAT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/samples/cat.jpg");

struct Checker {
    root: Value,
}

type Checked = Result<(), String>;

impl Checker {
    fn new() -> Self {
        Self {
            root: serde_json::from_str(SCHEMA).unwrap(),
        }
    }

    fn check(&self, schema: &Value, value: &Value, at: &str) -> Checked {
        let wrong = |expected: &str| Err(format!("{at}: expected {expected}, got {value}"));
        for (word, rule) in schema.as_object().unwrap() {
            match word.as_str() {
                "description" | "title" | "$schema" | "$defs" => {}
                "$ref" => self.check(self.definition(rule.as_str().unwrap()), value, at)?,
                "oneOf" => {
                    let tried = rule.as_array().unwrap().iter();
                    let failed: Vec<String> = tried
                        .clone()
                        .filter_map(|one| self.check(one, value, at).err())
                        .collect();
                    if tried.len() - failed.len() != 1 {
                        return Err(format!("{at}: expected one form, got {failed:?}"));
                    }
                }
                "const" if rule != value => return wrong(&rule.to_string()),
                "enum" if !rule.as_array().unwrap().contains(value) => {
                    return wrong(&rule.to_string());
                }
                "type" => {
                    let allowed = rule.as_array().cloned().unwrap_or(vec![rule.clone()]);
                    let fits = |kind: &Value| is(kind.as_str().unwrap(), value);
                    if !allowed.iter().any(fits) {
                        return wrong(&rule.to_string());
                    }
                }
                "minimum" if value.as_f64() < rule.as_f64() => {
                    return wrong(&format!("at least {rule}"));
                }
                "maximum" if value.as_f64() > rule.as_f64() => {
                    return wrong(&format!("at most {rule}"));
                }
                "const" | "enum" | "minimum" | "maximum" => {}
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(rule, item, &format!("{at}[{index}]"))?;
                    }
                }
                "required" => {
                    for key in rule.as_array().unwrap() {
                        let missing = value
                            .as_object()
                            .is_some_and(|object| !object.contains_key(key.as_str().unwrap()));
                        if missing {
                            return wrong(&format!("the key {key}"));
                        }
                    }
                }
                "properties" => {
                    for (key, inner) in value.as_object().into_iter().flatten() {
                        let Some(known) = rule.get(key) else {
                            return Err(format!("{at}: the key '{key}' is not in the schema"));
                        };
                        self.check(known, inner, &format!("{at}.{key}"))?;
                    }
                }
                other => return Err(format!("this checker does not know '{other}'")),
            }
        }
        Ok(())
    }

    fn definition(&self, reference: &str) -> &Value {
        let pointer = reference.strip_prefix('#').unwrap();
        self.root.pointer(pointer).unwrap()
    }

    /// Holds the lines of a command's output against a definition; without one against the root.
    #[track_caller]
    fn lines(&self, name: Option<&str>, out: &str) -> usize {
        let schema = match name {
            Some(name) => self.definition(&format!("#/$defs/{name}")),
            None => &self.root,
        };
        for line in out.lines() {
            let value = serde_json::from_str(line).unwrap();
            assert_eq!(self.check(schema, &value, "$"), Ok(()));
        }
        out.lines().count()
    }
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("no type of JSON: {other}"),
    }
}

#[test]
fn the_checker_sees_what_is_wrong() {
    let checker = Checker::new();
    let answer = serde_json::json!({"schema": 1, "path": "a", "model": "m", "predictions": []});
    let against = |value: &Value| checker.check(&checker.root, value, "$");
    assert_eq!(against(&answer), Ok(()));
    for (key, value) in [
        ("schema", Value::from(2)),
        ("new", Value::from(1)),
        ("sure", Value::from("yes")),
        ("damaged", Value::from(false)),
        ("threshold", Value::from(1.5)),
        ("predictions", serde_json::json!([{"index": 0}])),
    ] {
        let mut other = answer.clone();
        other[key] = value;
        assert!(against(&other).is_err(), "{key}");
    }
    assert!(against(&serde_json::json!({"schema": 1, "path": "a"})).is_err());
}

#[test]
fn answers_and_failures_follow_the_schema() {
    let checker = Checker::new();
    let bench = Bench::new();
    bench.write("short.png", &png_without_end(BLUE));
    bench.write("broken.jpg", b"\xff\xd8\xff\xe0 no more");
    let images = [
        "red.ppm",
        "short.png",
        "broken.jpg",
        "--json",
        "--abstain",
        "0.5",
    ];
    let (_, out, _) = bench.outcome(&images);
    assert_eq!(checker.lines(None, &out), 3);
    assert!(out.contains("\"damage\""), "{out}");
    let embedded = [CAT, "--model", "embedded", "--json"];
    let (_, out, _) = outcome(&mut bench.bare(&embedded));
    assert_eq!(checker.lines(None, &out), 1);
    assert!(out.contains("\"answer\""), "{out}");
    // Scores that stand on their own.
    let independent = ["red.ppm", "--json", "--network-output", "sigmoid-logits"];
    let (_, out, _) = bench.outcome(&independent);
    assert_eq!(checker.lines(None, &out), 1);
    assert!(out.contains("\"present\""), "{out}");
}

#[test]
fn reports_follow_the_schema() {
    let checker = Checker::new();
    let bench = Bench::new();
    for n in 0..6u8 {
        bench.write(&format!("data/red/{n}.ppm"), &ppm([200, 9 * n, 20]));
        bench.write(&format!("data/green/{n}.ppm"), &ppm([9 * n, 200, 20]));
        bench.write(&format!("data/none/{n}.ppm"), &ppm([100, 100, 90 + n]));
    }
    let teach = ["teach", "data", "--dry-run", "-q", "--json"];
    assert_eq!(checker.lines(Some("teach"), &bench.outcome(&teach).1), 1);
    std::fs::remove_dir_all(bench.path().join("data/none")).unwrap();
    let teach = ["teach", "data", "--output", "mine.onnx", "-q", "--json"];
    assert_eq!(checker.lines(Some("teach"), &bench.outcome(&teach).1), 1);
    let evaluate = ["evaluate", "data", "-q", "--json"];
    assert_eq!(
        checker.lines(Some("evaluate"), &bench.outcome(&evaluate).1),
        1
    );
    bench.write("data/red/wrong.ppm", &ppm([20, 200, 20]));
    let calibrate = ["calibrate", "data", "--dry-run", "-q", "--json"];
    assert_eq!(
        checker.lines(Some("calibrate"), &bench.outcome(&calibrate).1),
        1
    );
    for model in ["mine.onnx", "embedded"] {
        let (_, out, _) = bench.outcome(&["info", model, "--json"]);
        assert_eq!(checker.lines(Some("info"), &out), 1);
    }
    assert!(checker.lines(Some("models"), &bench.outcome(&["models", "--json"]).1) >= 1);
    let figures = [
        "bench",
        "red.ppm",
        "--runs",
        "1",
        "--thread-counts",
        "1",
        "-q",
        "--json",
    ];
    assert_eq!(checker.lines(Some("bench"), &bench.outcome(&figures).1), 1);
}
