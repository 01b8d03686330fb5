//! Everyday words: the answer at the right height in every form of output, its switch, and what evaluate says of it.

use insta::assert_snapshot;
use serde_json::Value;

use crate::helpers::{Bench, outcome, ppm};

const CAT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/samples/cat.jpg");

/// A model of colors that knows "warm" for red and green together.
fn with_words(bench: &Bench) {
    let info = bench.outcome(&["info", "--json"]).1;
    let info: Value = serde_json::from_str(&info).unwrap();
    let mut manifest = info["manifest"].clone();
    manifest["hierarchy"] = serde_json::json!([{"name": "warm", "members": ["red", "green"]}]);
    bench.write("words.yaml", manifest.to_string().as_bytes());
    // Red and green alike, blue far away.
    bench.write("yellow.ppm", &ppm([200, 200, 20]));
}

#[test]
fn the_sample_cat_is_a_cat() {
    let bench = Bench::new();
    let (code, out, _) = outcome(&mut bench.bare(&[CAT, "--model", "embedded"]));
    assert_eq!(code, 0);
    let first = out.lines().next().unwrap();
    assert!(
        first.starts_with("cat, ") && first.contains("Egyptian cat"),
        "{first}"
    );
    let (_, out, _) = outcome(&mut bench.bare(&[CAT, "--model", "embedded", "-k", "1"]));
    assert_eq!(out.lines().count(), 1, "one answer: {out}");
    let leaf = ["--labels-as", "leaf"];
    let arguments = [&[CAT, "--model", "embedded"][..], &leaf].concat();
    let (_, out, _) = outcome(&mut bench.bare(&arguments));
    assert!(out.starts_with("1  "), "{out}");
}

#[test]
fn json_and_csv_carry_the_word_and_keep_their_old_keys() {
    let bench = Bench::new();
    with_words(&bench);
    let arguments = ["yellow.ppm", "--manifest", "words.yaml", "-k", "1"];
    let (code, out, err) = bench.outcome(&[&arguments[..], &["--json"]].concat());
    assert_eq!((code, err.as_str()), (0, ""));
    let line: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(line["schema"], 1);
    assert_eq!(line["predictions"][0]["label"], "red");
    let answer = &line["answer"];
    assert_eq!(
        (&answer["label"], &answer["sure"]),
        (&"warm".into(), &true.into())
    );
    assert_eq!(
        (&answer["id"], &answer["classes"]),
        (&Value::Null, &2.into())
    );
    assert!(answer["probability"].as_f64().unwrap() > 0.99);
    let (_, out, _) = bench.outcome(&[&arguments[..], &["--csv"]].concat());
    let row = out.lines().nth(1).unwrap();
    assert!(
        row.contains(",,warm,,0.99") && row.ends_with(",true"),
        "{row}"
    );
    let leaf = [&arguments[..], &["--json", "--labels-as", "leaf"]].concat();
    let line: Value = serde_json::from_str(&bench.outcome(&leaf).1).unwrap();
    assert!(line.get("answer").is_none());
}

#[test]
fn how_sure_is_sure_can_be_chosen() {
    let bench = Bench::new();
    with_words(&bench);
    let of = |image: &str, at_least: &str| {
        let arguments = [image, "--manifest", "words.yaml", "--at-least", at_least];
        bench
            .outcome(&arguments)
            .1
            .lines()
            .next()
            .unwrap()
            .to_owned()
    };
    assert_snapshot!(of("yellow.ppm", "0.8"), @"warm, 100 % (red 50 %, green 50 %)");
    // Half is enough for red alone, so red's own row comes first.
    assert!(of("yellow.ppm", "0.4").starts_with("1  red"));
    bench.write("gray.ppm", &ppm([99, 99, 99]));
    assert_snapshot!(of("gray.ppm", "0.9"), @"not sure (perhaps red, 33 %)");
}

#[test]
fn words_that_a_model_does_not_have_are_refused() {
    let bench = Bench::new();
    let (code, _, err) = bench.outcome(&["red.ppm", "--labels-as", "everyday"]);
    assert_eq!(code, 2);
    assert!(err.contains("knows no words above its classes"), "{err}");
    bench.write("bad.yaml", b"");
    with_words(&bench);
    let text = std::fs::read_to_string(bench.path().join("words.yaml")).unwrap();
    bench.write(
        "bad.yaml",
        text.replace("\"green\"]", "\"purple\"]").as_bytes(),
    );
    let (code, _, err) = bench.outcome(&["red.ppm", "--manifest", "bad.yaml"]);
    assert_eq!(code, 3);
    assert!(err.contains("'warm'") && err.contains("'purple'"), "{err}");
}

#[test]
fn evaluate_reports_classes_and_everyday_words() {
    let bench = Bench::new();
    with_words(&bench);
    for name in ["red/a.ppm", "green/b.ppm"] {
        bench.write(&format!("data/{name}"), &ppm([200, 200, 20]));
    }
    let arguments = ["evaluate", "data", "-q", "--manifest", "words.yaml"];
    let (code, out, _) = bench.outcome(&[&arguments[..], &["--json"]].concat());
    assert_eq!(code, 0);
    let report: Value = serde_json::from_str(&out).unwrap();
    let words = &report["words"];
    assert_eq!(words["leaf"]["answered_percent"], 0.0);
    assert_eq!(words["everyday"]["right_percent"], 100.0);
    assert_eq!(words["everyday"]["error_percent"], 0.0);
    let (_, out, _) = bench.outcome(&arguments);
    assert!(
        out.contains("at least 80 % sure") && out.contains("everyday words"),
        "{out}"
    );
}
