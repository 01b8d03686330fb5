//! Tensors in a file beside the model, as `torch.onnx.export` writes them, and what is refused there.
#![allow(clippy::unwrap_used)] // helpers are test code, too

mod support;

use std::path::Path;

use inference::{Classifier, ClassifierConfig, InferenceError, RgbImage};
use model_core::onnx::{self, ModelProto, StringStringEntryProto, TensorProto};
use support::{convolutions, manifest};

fn entry(key: &str, value: &str) -> StringStringEntryProto {
    StringStringEntryProto {
        key: key.into(),
        value: value.into(),
    }
}

/// Moves the data of every initializer to the end of `data` and says that it lies at `location`.
fn move_out(model: &mut ModelProto, location: &str, data: &mut Vec<u8>) {
    for tensor in &mut model.graph.as_mut().unwrap().initializer {
        let raw = tensor.raw_data.take().unwrap();
        tensor.data_location = Some(1);
        tensor.external_data = vec![
            entry("location", location),
            entry("offset", &data.len().to_string()),
            entry("length", &raw.len().to_string()),
        ];
        data.extend(raw);
    }
}

fn described(model: &ModelProto) -> Vec<u8> {
    inference::metadata::with_manifest(&onnx::to_bytes(model), &manifest()).unwrap()
}

fn open(path: &Path) -> Result<Classifier, InferenceError> {
    Classifier::open(path, &ClassifierConfig::default())
}

fn logits(classifier: &Classifier) -> Vec<f32> {
    let image = RgbImage::filled(20, 20, [200, 90, 10]).unwrap();
    classifier.logits(&image).unwrap()
}

#[test]
fn a_file_beside_the_model_is_read() {
    let dir = tempfile::tempdir().unwrap();
    // Some tensors are large enough to stay in the file, others are not.
    let mut model = convolutions();
    let values = |count: usize| -> Vec<f32> {
        (0..count)
            .map(|i| ((i * 7 % 11) as f32 - 5.0) / 20.0)
            .collect()
    };
    let initializers = &mut model.graph.as_mut().unwrap().initializer;
    initializers[0] = TensorProto::floats("w1", &[16, 3, 3, 3], &values(432));
    initializers[1] = TensorProto::floats("w2", &[16, 16, 3, 3], &values(2304));
    initializers[2] = TensorProto::floats("wf", &[3, 16], &values(48));
    let whole = dir.path().join("whole.onnx");
    std::fs::write(&whole, described(&model)).unwrap();
    let mut data = vec![7; 100];
    move_out(&mut model, "deep/model.onnx.data", &mut data);
    let split = dir.path().join("split.onnx");
    std::fs::create_dir(dir.path().join("deep")).unwrap();
    std::fs::write(dir.path().join("deep/model.onnx.data"), &data).unwrap();
    std::fs::write(&split, described(&model)).unwrap();
    let (whole, split) = (open(&whole).unwrap(), open(&split).unwrap());
    assert_eq!(logits(&whole), logits(&split));
    assert!(split.model().model_bytes > data.len() as u64);
    if let Some(library) = support::onnxruntime() {
        let config = ClassifierConfig {
            engine: inference::EngineKind::OnnxRuntime,
            onnxruntime_lib: Some(library),
            ..ClassifierConfig::default()
        };
        let theirs = Classifier::open(dir.path().join("split.onnx"), &config).unwrap();
        let pairs = logits(&theirs).into_iter().zip(logits(&whole));
        assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-4));
    }
}

#[test]
fn no_path_leads_out_and_no_size_beyond() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    std::fs::create_dir(&home).unwrap();
    let mut data = Vec::new();
    let mut plain = convolutions();
    move_out(&mut plain, "data", &mut data);
    let secret = dir.path().join("secret");
    std::fs::write(&secret, &data).unwrap();
    std::fs::write(home.join("data"), &data).unwrap();
    let path = home.join("model.onnx");
    let refused = |change: &dyn Fn(&mut TensorProto), expected: &str| {
        let mut model = plain.clone();
        change(&mut model.graph.as_mut().unwrap().initializer[0]);
        std::fs::write(&path, described(&model)).unwrap();
        let error = open(&path).unwrap_err();
        assert!(
            error.is_model() && error.to_string().contains(expected),
            "{error}"
        );
    };
    let at = |key: &'static str, value: String| {
        move |tensor: &mut TensorProto| {
            let place = tensor
                .external_data
                .iter_mut()
                .find(|entry| entry.key == key);
            place.unwrap().value.clone_from(&value);
        }
    };
    std::fs::write(&path, described(&plain)).unwrap();
    open(&path).unwrap();
    let own = "own folder";
    refused(&at("location", "../secret".into()), own);
    refused(&at("location", secret.display().to_string()), own);
    refused(&at("location", "a/../../secret".into()), own);
    refused(&at("location", "..\\secret".into()), own);
    refused(&at("location", String::new()), own);
    refused(&at("location", "missing".into()), "missing");
    refused(&at("location", ".".into()), "something else");
    refused(&at("offset", "1000000".into()), "which has");
    refused(&at("offset", u64::MAX.to_string()), "which has");
    refused(&at("offset", "-1".into()), "expected a number");
    refused(&at("length", "12".into()), "needs");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&secret, home.join("link")).unwrap();
        refused(&at("location", "link".into()), "link out");
        std::os::unix::fs::symlink(home.join("data"), home.join("inner")).unwrap();
        let mut model = plain.clone();
        at("location", "inner".into())(&mut model.graph.as_mut().unwrap().initializer[0]);
        std::fs::write(&path, described(&model)).unwrap();
        open(&path).unwrap();
    }
}

#[test]
fn what_the_system_says_comes_without_its_number() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.onnx");
    let mut model = convolutions();
    move_out(&mut model, "missing", &mut Vec::new());
    std::fs::write(&path, described(&model)).unwrap();
    let source = std::fs::read(dir.path().join("missing")).unwrap_err();
    assert!(source.to_string().contains("(os error "), "{source}");
    // Tensors that are missing, a path that goes on below a file, and a file beside the model.
    for error in [
        open(&path).unwrap_err(),
        open(&path.join("model.onnx")).unwrap_err(),
        InferenceError::Read { path, source },
    ] {
        assert!(!error.to_string().contains("os error"), "{error}");
    }
}
