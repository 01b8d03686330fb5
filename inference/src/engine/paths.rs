//! Every path of a network through this crate against ONNX Runtime's answers: our kernels on each instruction set that
//! the processor has, with and without the second form of their weights; tract; ONNX Runtime as we open it; the choice
//! of all three. Each answers as ONNX Runtime does, or refuses.
//!
//! The networks are those of `tests/trust/`. Others: `tests/by-hand/random_graphs.py write graphs.zip`, then
//! `RANDOM_GRAPHS=graphs.zip cargo test -p inference --lib every_path -- --nocapture`. ONNX Runtime takes part where
//! `ORT_DYLIB_PATH` names its library.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

use std::collections::BTreeMap;

use kernels::{ComputeType, Config, Isa};

use super::corpus::{Case, Corpus};
use super::{Engine, EngineKind, KernelEngine, NetworkSource, open};

/// One way through.
enum Path {
    Kernels(Config),
    Open(EngineKind),
}

impl Path {
    fn all() -> Vec<(String, Self)> {
        let mut all = Vec::new();
        for isa in Isa::available() {
            // Direct sums also with hardly a cache, so that all that can be computed in bands is.
            for (less_memory, cache_bytes) in [(false, None), (true, Some(1))] {
                let config = Config {
                    isa: Some(isa),
                    precision: ComputeType::Float32,
                    less_memory,
                    cache_bytes,
                };
                let memory = if less_memory { ", less memory" } else { "" };
                all.push((format!("kernels, {isa}{memory}"), Self::Kernels(config)));
            }
        }
        let mut engines = vec![EngineKind::Tract, EngineKind::Auto];
        if std::env::var_os("ORT_DYLIB_PATH").is_some() {
            engines.push(EngineKind::OnnxRuntime);
        }
        all.extend(
            engines
                .into_iter()
                .map(|kind| (kind.to_string(), Self::Open(kind))),
        );
        all
    }

    /// The network's answer; none where it is refused.
    fn answer(&self, source: &NetworkSource<'_>, image: &[f32]) -> Option<Vec<f32>> {
        match self {
            Self::Kernels(config) => {
                let engine = KernelEngine::load(source, config);
                Some(engine.ok()?.run(image, 1).unwrap())
            }
            Self::Open(kind) => open(*kind, source, None).ok()?.engine.run(image, 1).ok(),
        }
    }
}

/// What came out on one path.
#[derive(Default)]
struct Count {
    right: usize,
    refused: usize,
    wrong: Vec<(String, f32)>,
}

fn run(case: &Case, model: Vec<u8>, expected: &[f32], counts: &mut BTreeMap<String, Count>) {
    case.with_source(model, |source, image| {
        for (name, path) in Path::all() {
            let count = counts.entry(name).or_default();
            match path.answer(source, image) {
                None => count.refused += 1,
                Some(got) => match case.distance(&got, expected) {
                    0.0 => count.right += 1,
                    far => count.wrong.push((case.name.clone(), far)),
                },
            }
        }
    });
}

#[test]
fn every_path_answers_as_onnx_runtime_or_refuses() {
    let mut corpus = match std::env::var_os("RANDOM_GRAPHS") {
        Some(path) => Corpus::open(path),
        None => Corpus::stored(),
    };
    let mut counts = BTreeMap::new();
    let cases = std::mem::take(&mut corpus.index.cases);
    let enough = cases.len() / 3; // Our kernels take four in ten of the stored ones.
    for case in cases {
        let (model, expected) = corpus.case(&case.name);
        run(&case, model, &expected, &mut counts);
    }
    for (path, count) in &counts {
        let wrong = count.wrong.len();
        println!(
            "{path}: {} right, {} refused, {wrong} wrong",
            count.right, count.refused
        );
        for (name, far) in &count.wrong {
            println!("wrong  {name}: {far}");
        }
    }
    for (path, count) in &counts {
        assert!(count.wrong.is_empty(), "{path}: {:?}", count.wrong);
        assert!(
            count.right >= enough,
            "{path}: only {} are run",
            count.right
        );
    }
}
