//! Damaged and hostile models: each gives one error line, none a crash, and memory stays bounded.
//!
//! The mutation tests are deterministic: the same mutations in the same order on every machine, `FUZZ_TIMES` as many
//! where that is set, as CI does, and others with another `FUZZ_SEED`. Before each, the input is written to a file, so
//! that even a crash leaves it behind; a failure names it. What failed has a test of its own or is kept in
//! `tests/corpus/`, and is run every time.
#![allow(clippy::unwrap_used)] // helpers are test code, too

mod support;

use inference::{Classifier, ClassifierConfig, EngineKind, Manifest, RgbImage};
use model_core::onnx::{
    self, AttributeProto, ModelProto, NodeProto, StringStringEntryProto, TensorProto,
};
use model_core::splitmix::splitmix64;
use support::{Shape, colors, convolutions, described, manifest};

/// Loads and, if it loads, runs, in both engines of our own. The result does not matter; that there is one does.
fn survive(bytes: &[u8]) {
    survive_in(EngineKind::Kernels, bytes);
    survive_in(EngineKind::Tract, bytes);
}

fn survive_in(engine: EngineKind, bytes: &[u8]) {
    let config = ClassifierConfig {
        engine,
        threads: 1,
        ..ClassifierConfig::default()
    };
    match Classifier::from_bytes(bytes.to_vec(), "hostile", &config) {
        Ok(classifier) => {
            let image = RgbImage::filled(20, 20, [10, 200, 30]).unwrap();
            if let Err(error) = classifier.classify(&image, 3) {
                assert!(!error.to_string().contains('\n'), "{error}");
            }
        }
        Err(error) => {
            assert!(error.is_model(), "{error}");
            assert!(!error.to_string().contains('\n'), "one line: {error}");
        }
    }
}

/// [`survive`], with the input kept where a failure, or a crash of the whole process, can be looked into.
fn survive_kept(test: &str, round: usize, bytes: &[u8]) {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}.onnx"));
    std::fs::write(&path, bytes).unwrap();
    if std::panic::catch_unwind(|| survive(bytes)).is_err() {
        panic!(
            "round {round} of {test} failed; its input: {}",
            path.display()
        );
    }
}

/// Calls `round` with 0, 1, 2 ...: `count` times, and `FUZZ_TIMES` as often where that is set.
fn rounds(count: u64, mut round: impl FnMut(usize)) {
    let count = count * checks::fuzz_times();
    for number in 0..count {
        round(number as usize);
    }
    println!("{count} rounds");
}

fn error_of(model: &ModelProto) -> String {
    Classifier::from_bytes(
        onnx::to_bytes(model),
        "hostile",
        &ClassifierConfig::default(),
    )
    .unwrap_err()
    .to_string()
}

struct Random {
    seed: u64,
    taken: u64,
}

impl Random {
    fn new(seed: u64) -> Self {
        Self { seed, taken: 0 }
    }

    fn next(&mut self) -> u64 {
        let number = splitmix64(self.seed, self.taken);
        self.taken += 1;
        number
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

fn mutate(seed: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => bytes.truncate(at.max(1)),
            3 => {
                let end = (at + random.below(24)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, part);
            }
            4 => {
                let end = (at + random.below(16)).min(bytes.len());
                bytes.drain(at..end);
                if bytes.is_empty() {
                    bytes.push(0);
                }
            }
            _ => bytes[at] = [0, 0x7f, 0x80, 0xff][random.below(4)],
        }
    }
    bytes
}

fn seeds() -> Vec<Vec<u8>> {
    let with_manifest = |model: &ModelProto| {
        inference::metadata::with_manifest(&onnx::to_bytes(model), &manifest()).unwrap()
    };
    vec![
        described(&Shape::default()),
        described(&Shape {
            batch: Some(2),
            nhwc: true,
            softmax: true,
            fixed_size: false,
        }),
        with_manifest(&convolutions()),
    ]
}

#[test]
fn mutated_models_never_crash() {
    let seeds = seeds();
    for seed in &seeds {
        survive(seed);
    }
    let mut random = Random::new(checks::fuzz_seed(1));
    rounds(600, |round| {
        let bytes = mutate(&seeds[round % seeds.len()], &mut random);
        survive_kept("mutated_models", round, &bytes);
    });
}

#[test]
fn mutated_manifests_never_crash() {
    let text = manifest().to_json().unwrap();
    let mut random = Random::new(checks::fuzz_seed(2));
    rounds(2000, |round| {
        let bytes = mutate(text.as_bytes(), &mut random);
        let text = String::from_utf8_lossy(&bytes);
        let read = Manifest::from_json(&text).is_ok();
        let _ = Manifest::from_yaml(&text);
        if read {
            let mut model = colors(&Shape::default());
            model.set_metadata(model_core::manifest::MANIFEST_KEY, text.into_owned());
            survive_kept("mutated_manifests", round, &onnx::to_bytes(&model));
        }
    });
}

/// Found by mutation, by CI in its 82,113th round: an operator's name with a line break broke the error line. So would
/// any name that a file gives.
#[test]
fn line_breaks_in_a_networks_names_stay_out_of_the_errors() {
    for engine in [EngineKind::Kernels, EngineKind::Tract, EngineKind::Auto] {
        let mut model = colors(&Shape::default());
        let graph = model.graph.as_mut().unwrap();
        for node in &mut graph.node {
            node.op_type = format!("Reduce\r\n\u{1b}[2K{}", node.op_type);
            node.name = "a\nname".to_owned();
        }
        let config = ClassifierConfig {
            engine,
            ..ClassifierConfig::default()
        };
        let bytes =
            inference::metadata::with_manifest(&onnx::to_bytes(&model), &manifest()).unwrap();
        let error = Classifier::from_bytes(bytes, "a\nfile", &config).unwrap_err();
        let line = error.to_string();
        assert!(!line.contains(char::is_control), "{engine}: {line:?}");
        assert!(line.contains("Reduce"), "{engine}: {line:?}");
    }
}

/// Found by mutation: a key with a line break, quoted by the parser, broke the error line.
#[test]
fn a_line_break_in_a_manifest_key_stays_out_of_the_error() {
    let text = manifest()
        .to_json()
        .unwrap()
        .replacen("preprocessing", "preprocess\\ng", 1);
    let mut model = colors(&Shape::default());
    model.set_metadata(model_core::manifest::MANIFEST_KEY, text);
    let error = error_of(&model);
    assert!(error.contains("unknown field `preprocess g`"), "{error}");
    assert!(!error.contains('\n'), "{error}");
}

#[test]
fn the_kept_corpus_never_crashes() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files
        .iter()
        .filter(|file| file.extension().is_some_and(|e| e == "onnx"))
    {
        survive(&std::fs::read(file).unwrap());
    }
}

#[test]
fn external_data_is_refused_wherever_it_hides() {
    let outside = |tensor: &mut TensorProto| {
        tensor.data_location = Some(1);
        tensor.raw_data = None;
        let entry = |key: &str, value: &str| StringStringEntryProto {
            key: key.into(),
            value: value.into(),
        };
        tensor.external_data = vec![
            entry("location", "../../etc/passwd"),
            entry("length", "108"),
        ];
    };
    let mut model = colors(&Shape::default());
    outside(&mut model.graph.as_mut().unwrap().initializer[0]);
    assert!(error_of(&model).contains("another file"));

    let mut model = colors(&Shape::default());
    let graph = model.graph.as_mut().unwrap();
    let mut tensor = graph.initializer.remove(0);
    outside(&mut tensor);
    let value = AttributeProto {
        name: "value".into(),
        t: Some(tensor),
        r#type: Some(4),
        ..AttributeProto::default()
    };
    graph.node.insert(
        0,
        NodeProto::new("Constant", "constant", &[], &["weight"], vec![value]),
    );
    assert!(error_of(&model).contains("another file"));
}

#[test]
fn bombs_are_refused_before_they_are_allocated() {
    // A few bytes that ask for terabytes.
    for (op, shape) in [
        ("ConstantOfShape", vec![1 << 20, 1 << 20]),
        ("ConstantOfShape", vec![i64::MAX, 2]),
    ] {
        let mut model = colors(&Shape::default());
        let graph = model.graph.as_mut().unwrap();
        graph
            .initializer
            .push(TensorProto::int64("shape", &[2], &shape));
        graph
            .node
            .insert(0, NodeProto::new(op, "bomb", &["shape"], &["big"], vec![]));
        graph.node[2].input[0] = "big".into();
        survive(&onnx::to_bytes(&model));
    }
    let mut model = convolutions();
    let graph = model.graph.as_mut().unwrap();
    graph.node[0].attribute[1] =
        AttributeProto::ints("pads", &[1 << 30, 1 << 30, 1 << 30, 1 << 30]);
    let bytes = inference::metadata::with_manifest(&onnx::to_bytes(&model), &manifest()).unwrap();
    survive(&bytes);
    let mut model = colors(&Shape::default());
    model.graph.as_mut().unwrap().initializer[0].dims = vec![1 << 40, 3];
    survive(&onnx::to_bytes(&model));
}

#[test]
fn text_and_nothing_are_no_models() {
    for bytes in [
        &b""[..],
        b"PK\x03\x04 not a model",
        b"hello\n",
        &[0xff; 100],
    ] {
        let error =
            Classifier::from_bytes(bytes.to_vec(), "notes.txt", &ClassifierConfig::default())
                .unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("notes.txt: not an ONNX model"), "{text}");
    }
}

/// Every name is looked up among all others; a file may have very many of them. Looked up one by one, these would take
/// hours, and this test with them.
#[test]
fn a_file_of_very_many_names_is_answered_at_once() {
    let mut model = colors(&Shape::default());
    let graph = model.graph.as_mut().unwrap();
    let input = graph.input[0].clone();
    for n in 0..150_000 {
        let name = format!("weight.{n}");
        graph.input.push(onnx::ValueInfoProto {
            name: name.clone(),
            ..input.clone()
        });
        graph.initializer.push(TensorProto {
            name,
            dims: vec![1],
            data_type: Some(1),
            float_data: vec![0.0],
            ..TensorProto::default()
        });
    }
    survive(&onnx::to_bytes(&model));
}
