//! Holds tract, as this crate uses it, against the corpus of `tests/trust/`: small networks by operator and attribute with
//! ONNX Runtime's answers. The table `trust.tsv` is what came out; a wrong answer must be refused by it.
//!
//! `TRUST_WRITE=1 cargo test -p inference trust` writes the table anew, after a change of tract, of the corpus or of what
//! is rewritten. Read the difference before you commit it.

use std::collections::{BTreeMap, BTreeSet};

use model_core::onnx::DataType;

use super::TractEngine;
use super::trust::{self, features_of};
use crate::engine::corpus::{Case, Corpus};
use crate::engine::{Engine, EngineError};

#[derive(Debug)]
enum Outcome {
    Right,
    /// The largest difference.
    Wrong(f32),
    /// tract does not load or run it.
    Refused(String),
}

fn run(case: &Case, bytes: Vec<u8>, expected: &[f32]) -> (BTreeSet<String>, Outcome) {
    case.with_source(bytes, |source, image| {
        let answer = TractEngine::load_part(source, None).and_then(|engine| engine.run(image, 1));
        let outcome = match answer {
            Err(error) => Outcome::Refused(reason(&error)),
            Ok(got) => match case.distance(&got, expected) {
                0.0 => Outcome::Right,
                far => Outcome::Wrong(far),
            },
        };
        (features_of(source.prepared), outcome)
    })
}

fn reason(error: &EngineError) -> String {
    error.to_string().chars().take(160).collect()
}

#[test]
fn tract_answers_as_onnx_runtime_or_is_refused() {
    let mut corpus = Corpus::stored();
    let cases = std::mem::take(&mut corpus.index.cases);
    let mut verdicts: BTreeMap<String, bool> = BTreeMap::new();
    let (mut wrong, mut refused, mut right) = (Vec::new(), Vec::new(), 0);
    for case in &cases {
        let (model, expected) = corpus.case(&case.name);
        let (features, outcome) = run(case, model, &expected);
        match outcome {
            Outcome::Right => {
                right += 1;
                verdicts.extend(features.into_iter().map(|feature| (feature, true)));
            }
            Outcome::Wrong(far) => {
                for feature in &features {
                    verdicts.entry(feature.clone()).or_insert(false);
                }
                wrong.push((&case.name, far, features));
            }
            Outcome::Refused(reason) => refused.push((&case.name, reason)),
        }
    }
    println!(
        "{right} right, {} wrong, {} refused",
        wrong.len(),
        refused.len()
    );
    for (name, reason) in &refused {
        println!("refused {name}: {reason}");
    }
    for (name, far, _) in &wrong {
        println!("wrong {name}: {far}");
    }
    let table: String = verdicts
        .iter()
        .map(|(feature, right)| format!("{feature}\t{}\n", if *right { "right" } else { "wrong" }))
        .collect();
    if std::env::var_os("TRUST_WRITE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/engine/tract/trust.tsv");
        std::fs::write(path, &table).unwrap();
    }
    let unrefused: Vec<_> = wrong
        .iter()
        .filter(|(_, _, features)| features.iter().all(|feature| verdicts[feature]))
        .map(|(name, far, _)| format!("{name} ({far})"))
        .collect();
    assert!(
        unrefused.is_empty(),
        "wrong answers that no feature tells: {unrefused:?}"
    );
    assert_eq!(
        table,
        include_str!("trust.tsv"),
        "trust.tsv is not what the corpus shows"
    );
}

#[test]
fn an_untried_feature_is_said_and_a_wrong_one_refused() {
    use model_core::onnx::{Dim, GraphProto, ModelProto, NodeProto, ValueInfoProto};
    let value = |name: &str| ValueInfoProto::tensor(name, DataType::Float, &[Dim::Size(1)]);
    let model = ModelProto {
        graph: Some(GraphProto {
            node: vec![
                NodeProto::new("Relu", "a", &["x"], &["y"], vec![]),
                NodeProto::new("Hardly", "b", &["y"], &["z"], vec![]),
            ],
            input: vec![value("x")],
            output: vec![value("z")],
            ..GraphProto::default()
        }),
        ..ModelProto::default()
    };
    let verdict = trust::judge(&model);
    assert_eq!(verdict.unseen, ["Hardly"]);
    assert!(verdict.wrong.is_empty());
    assert_eq!(trust::lacking(&model), ["Hardly"]);
}
