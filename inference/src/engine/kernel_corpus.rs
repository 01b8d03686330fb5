//! Our kernels against the corpus of `tests/trust/`: what they take they answer as ONNX Runtime does. There is no table as
//! there is for tract: a node that is not computed rightly must be refused.

use super::tract::corpus::{Corpus, input};
use super::{Engine, KernelEngine, Precision, kernels};
use crate::graph::{GraphFacts, Wanted, prepare};
use crate::onnx_file::OnnxFile;

#[test]
fn kernels_answer_as_onnx_runtime_or_refuse() {
    if kernels::suitable().is_none() {
        return;
    }
    let mut corpus = Corpus::open();
    let (mut right, mut refused, mut wrong) = (0, 0, Vec::new());
    for case in std::mem::take(&mut corpus.index.cases) {
        let (model, expected) = corpus.case(&case.name);
        let mut file = OnnxFile::Bytes(model.into());
        let (skeleton, proto) = file.read(&case.name).unwrap();
        let facts = GraphFacts::read(&proto, &case.name, Wanted::default()).unwrap();
        let preprocessing = model_core::Preprocessing {
            crop: [case.height as u32, case.width as u32],
            ..model_core::Preprocessing::imagenet()
        };
        let shape = facts.input(&preprocessing);
        let prepared = prepare::prepare(&proto, &facts.output);
        let loaded = KernelEngine::load(
            &prepared,
            &file,
            &skeleton,
            &shape,
            1,
            Precision::Float32,
            false,
        );
        let Ok(engine) = loaded else {
            refused += 1;
            continue;
        };
        let got = engine.run(&input(3 * case.height * case.width), 1).unwrap();
        match case.distance(&got, &expected) {
            0.0 => right += 1,
            far => wrong.push((case.name, far)),
        }
    }
    println!("{right} right, {refused} refused, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(right >= 100, "{right} of the corpus run on our kernels");
}
