//! Small networks with ONNX Runtime's answers, as `tests/trust/generate.py` and `tests/by-hand/random_graphs.py` write
//! them: an archive of models, of answers in float32, and of an index.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use super::{NetworkSource, Precision};
use crate::graph::{GraphFacts, Wanted, prepare};
use crate::onnx_file::OnnxFile;

#[derive(Deserialize)]
pub(super) struct Index {
    pub cases: Vec<Case>,
}

#[derive(Deserialize)]
pub(super) struct Case {
    pub name: String,
    pub height: usize,
    pub width: usize,
    /// Of max(1, the number).
    pub tolerance: f32,
    /// What is allowed whatever the number: steps of quantized values.
    #[serde(default)]
    pub step: f32,
}

impl Case {
    /// How far an answer is from ONNX Runtime's, 0 where it is within the tolerance.
    pub fn distance(&self, got: &[f32], expected: &[f32]) -> f32 {
        if got.len() != expected.len() {
            return f32::INFINITY;
        }
        let each = got.iter().zip(expected).map(|(got, want)| {
            let off = (got - want).abs();
            // NaN is as far as can be.
            if off <= self.step.max(self.tolerance * want.abs().max(1.0)) {
                0.0
            } else if off.is_nan() {
                f32::INFINITY
            } else {
                off
            }
        });
        each.fold(0.0, f32::max)
    }

    /// Hands over the network of `model`, as an engine takes it, and the image that it answered.
    pub fn with_source<T>(
        &self,
        model: Vec<u8>,
        body: impl FnOnce(&NetworkSource<'_>, &[f32]) -> T,
    ) -> T {
        let mut file = OnnxFile::Bytes(model.into());
        let (skeleton, proto) = file.read(&self.name).unwrap();
        let facts = GraphFacts::read(&proto, &self.name, Wanted::default()).unwrap();
        let preprocessing = model_core::Preprocessing {
            crop: [self.height as u32, self.width as u32],
            ..model_core::Preprocessing::imagenet()
        };
        let shape = facts.input(&preprocessing);
        let prepared = prepare::prepare(&proto, &facts.output);
        let source = NetworkSource {
            model: &self.name,
            file: &file,
            skeleton: &skeleton,
            proto: &proto,
            prepared: &prepared,
            input: &shape,
            threads: 1,
            precision: Precision::Float32,
            less_memory: false,
        };
        body(&source, &input(3 * self.height * self.width))
    }
}

/// The corpus, with the model and ONNX Runtime's answer of a case.
pub(super) struct Corpus {
    pub index: Index,
    archive: zip::ZipArchive<std::fs::File>,
}

impl Corpus {
    /// The one of `tests/trust/`.
    pub fn stored() -> Self {
        let corpus = Self::open(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/trust/corpus.zip"
        ));
        assert!(corpus.index.cases.len() > 800);
        corpus
    }

    pub fn open(path: impl AsRef<Path>) -> Self {
        let mut archive = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
        let index = serde_json::from_slice(&read(&mut archive, "index.json")).unwrap();
        Self { index, archive }
    }

    pub fn case(&mut self, name: &str) -> (Vec<u8>, Vec<f32>) {
        let model = read(&mut self.archive, &format!("{name}.onnx"));
        let answer = read(&mut self.archive, &format!("{name}.f32"));
        let fours = answer.as_chunks::<4>().0;
        (
            model,
            fours.iter().map(|four| f32::from_le_bytes(*four)).collect(),
        )
    }
}

/// The numbers that `inputs()` in generate.py makes.
fn input(count: usize) -> Vec<f32> {
    let mut state = 12345u64;
    let next = || {
        state = (state * 1_103_515_245 + 12345) % (1 << 31);
        (state as f64 / f64::from(1u32 << 30) - 1.0) as f32
    };
    std::iter::repeat_with(next).take(count).collect()
}

fn read(archive: &mut zip::ZipArchive<std::fs::File>, name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut entry = archive.by_name(name).unwrap();
    entry.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_wrong_answer_is_as_far_as_it_is() {
    let mut case = Case {
        name: String::new(),
        height: 1,
        width: 1,
        tolerance: 1e-3,
        step: 0.0,
    };
    let expected = [0.5, -20.0];
    assert_eq!(case.distance(&[0.5005, -20.01], &expected), 0.0);
    assert!(case.distance(&[0.502, -20.0], &expected) > 1e-3);
    assert!(case.distance(&[0.5, -20.03], &expected) > 1e-3);
    assert_eq!(case.distance(&[0.5, f32::NAN], &expected), f32::INFINITY);
    assert_eq!(case.distance(&[0.5], &expected), f32::INFINITY);
    case.step = 0.05;
    assert_eq!(case.distance(&[0.54, -20.0], &expected), 0.0);
    assert!(case.distance(&[0.56, -20.0], &expected) > 0.05);
}
