//! From a photo's file to an answer with the embedded model, and its steps, on one thread and on all:
//! `cargo bench -p inference --bench classify -- [FILTER]`. `tests/by-hand/engines.py` compares the network with other
//! engines.

use std::path::Path;
use std::sync::LazyLock;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use inference::{Classifier, ClassifierConfig, EngineKind, RgbImage};

fn main() {
    divan::main();
}

static JPEG: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/samples/cat.jpg");
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
});

fn classifier(engine: EngineKind, threads: usize) -> Classifier {
    let config = ClassifierConfig {
        engine,
        threads,
        ..ClassifierConfig::default()
    };
    Classifier::embedded(&config).expect("the model inside")
}

fn photo(classifier: &Classifier) -> RgbImage {
    image_data::decode::decode(&JPEG, &classifier.decode_config()).expect("a JPEG file")
}

/// 0 is one for each core.
const THREADS: [usize; 2] = [1, 0];

#[divan::bench(args = THREADS)]
fn file_to_answer(bencher: Bencher, threads: usize) {
    let classifier = classifier(EngineKind::Auto, threads);
    bencher
        .counter(ItemsCount::new(1_u32))
        .bench_local(|| classifier.classify_bytes(black_box(&JPEG), 5));
}

#[divan::bench]
fn preprocess(bencher: Bencher) {
    let classifier = classifier(EngineKind::Auto, 1);
    let image = photo(&classifier);
    let mut values = vec![0.0; classifier.input_len()];
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        classifier.preprocess_into(black_box(&image), &mut values);
        black_box(&values);
    });
}

/// The network alone, in each engine of our own.
#[divan::bench_group]
mod network {
    use super::*;

    fn measure(bencher: Bencher, engine: EngineKind, threads: usize) {
        let classifier = classifier(engine, threads);
        let image = photo(&classifier);
        let mut values = vec![0.0; classifier.input_len()];
        classifier.preprocess_into(&image, &mut values);
        bencher
            .counter(ItemsCount::new(1_u32))
            .bench_local(|| classifier.logits_of(black_box(&values)));
    }

    #[divan::bench(args = THREADS)]
    fn auto(bencher: Bencher, threads: usize) {
        measure(bencher, EngineKind::Auto, threads);
    }

    #[divan::bench]
    fn tract(bencher: Bencher) {
        measure(bencher, EngineKind::Tract, 1);
    }
}

/// From the file's bytes to a network that is ready.
#[divan::bench(sample_count = 10)]
fn load(bencher: Bencher) {
    bencher.bench_local(|| classifier(EngineKind::Auto, 1));
}
