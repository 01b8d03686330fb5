//! Many images: order, failures in their place, cancellation, bounded reading ahead.
#![allow(clippy::unwrap_used)] // helpers are test code, too

mod support;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use inference::engine::FakeEngine;
use inference::stream::{Source, StreamConfig};
use inference::{Cancel, Classifier, InferenceError};
use support::{SIDE, manifest};

fn classifier(engine: FakeEngine) -> Classifier {
    Classifier::with_engine(Box::new(engine), manifest()).unwrap()
}

fn fake() -> FakeEngine {
    FakeEngine::new(3, 3 * SIDE * SIDE)
}

/// A gray PNM of brightness `level`.
fn gray(level: u8) -> Source {
    let mut bytes = b"P5 4 4 255\n".to_vec();
    bytes.extend([level; 16]);
    Source::Bytes {
        name: format!("gray {level}"),
        bytes,
    }
}

fn config(cancel: &Cancel) -> StreamConfig {
    StreamConfig {
        top_k: 1,
        batch: 3,
        decode_threads: 4,
        cancel: cancel.clone(),
        ..StreamConfig::default()
    }
}

#[test]
fn answers_come_in_order_with_failures_in_their_place() {
    let sources: Vec<Source> = (0..200u32)
        .map(|i| match i % 7 {
            0 => Source::Bytes {
                name: format!("bad {i}"),
                bytes: b"text".to_vec(),
            },
            1 => Source::File(format!("/nowhere/{i}.jpg").into()),
            2 => Source::Failed {
                name: format!("failed {i}"),
                error: "as told".into(),
            },
            _ => gray((i % 3 * 127) as u8),
        })
        .collect();
    let names: Vec<String> = sources.iter().map(Source::name).collect();
    let mut seen = Vec::new();
    classifier(fake())
        .stream(sources, &config(&Cancel::default()), |answer| {
            assert_eq!(answer.index, seen.len());
            match answer.index % 7 {
                0..=2 => assert!(answer.result.is_err()),
                _ => {
                    let class = answer.index % 3;
                    assert_eq!(answer.result.unwrap().predictions[0].index, class);
                }
            }
            seen.push(answer.name);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(seen, names);
}

#[test]
fn a_long_list_is_not_read_ahead_without_bound() {
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&taken);
    let endless = std::iter::repeat_with(move || {
        counter.fetch_add(1, Ordering::SeqCst);
        gray(0)
    });
    let mut answered = 0;
    classifier(fake())
        .stream(endless, &config(&Cancel::default()), |_| {
            answered += 1;
            assert!(taken.load(Ordering::SeqCst) <= answered + 2 * 3 + 4 + 3);
            if answered == 50 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
        .unwrap();
    assert_eq!(answered, 50);
}

#[test]
fn cancelling_stops_soon() {
    let cancel = Cancel::default();
    let engine = fake().with_delay(Duration::from_millis(2));
    let mut answered = 0;
    let result = classifier(engine).stream((0..100_000).map(|_| gray(9)), &config(&cancel), |_| {
        answered += 1;
        if answered == 5 {
            cancel.cancel();
        }
        ControlFlow::Continue(())
    });
    assert!(matches!(result, Err(InferenceError::Cancelled)));
    assert!(answered < 20, "{answered}");
    let image = inference::RgbImage::filled(8, 8, [1; 3]).unwrap();
    let batch = classifier(fake()).classify_batch_until(&[image], 1, &cancel);
    assert!(matches!(batch, Err(InferenceError::Cancelled)));
}

#[test]
fn a_failing_network_ends_the_stream() {
    let engine = fake().failing("out of order");
    let result = classifier(engine).stream([gray(1)], &config(&Cancel::default()), |_| {
        ControlFlow::Continue(())
    });
    assert!(result.unwrap_err().to_string().contains("out of order"));
}

#[test]
fn nothing_in_nothing_out() {
    let nothing: [Source; 0] = [];
    classifier(fake())
        .stream(nothing, &StreamConfig::default(), |_| {
            panic!("no answer without a question")
        })
        .unwrap();
}

/// An engine that loses count on dark images.
struct Nan;

impl inference::Engine for Nan {
    fn run(&self, input: &[f32], batch: usize) -> Result<Vec<f32>, inference::EngineError> {
        let dark = |image: &[f32]| if image[0] == 0.0 { f32::NAN } else { 1.0 };
        Ok(input
            .chunks_exact(input.len() / batch)
            .flat_map(|image| [dark(image), 0.0, 0.0])
            .collect())
    }

    fn classes(&self) -> usize {
        3
    }
}

#[test]
fn an_output_that_is_no_number_fails_that_image_only() {
    let classifier = Classifier::with_engine(Box::new(Nan), manifest()).unwrap();
    let mut good = Vec::new();
    classifier
        .stream(
            [gray(0), gray(9), gray(0)],
            &config(&Cancel::default()),
            |answer| {
                if let Err(failure) = &answer.result {
                    assert!(failure.to_string().contains("not a number"));
                }
                good.push(answer.result.is_ok());
                ControlFlow::Continue(())
            },
        )
        .unwrap();
    assert_eq!(good, [false, true, false]);
    let black = inference::RgbImage::filled(8, 8, [0; 3]).unwrap();
    assert!(matches!(
        classifier.classify(&black, 1),
        Err(InferenceError::NotANumber)
    ));
}
