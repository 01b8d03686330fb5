//! `--to TOOL=DIR`: what is in the folders. That the tools themselves take them is `by-hand/hub_folders.py` and
//! `by-hand/transformers_js.mjs`.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use common::{export_onnx, procedural_weights, tiny_checkpoint, write_checkpoint};
use inference::{Classifier, ClassifierConfig, EngineKind};
use model_core::arch;
use model_core::manifest::{Accuracy, MANIFEST_KEY, Manifest};
use model_core::onnx;
use model_core::preprocessing::{ChannelOrder, Preprocessing, Resize};
use model_core::weights;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::{Value, json};

const SIDE: u32 = 64;

/// A trained MobileNetV3, as `train` leaves it, with a measured accuracy and a license.
fn checkpoint(dir: &Path, arch: &str) -> PathBuf {
    let architecture = arch::by_name(arch, 10).unwrap();
    let mut manifest = common::manifest(arch, 10, SIDE);
    manifest.license = Some("Apache-2.0".into());
    manifest.accuracy = Some(Accuracy {
        top1_percent: 81.25,
        top5_percent: Some(97.5),
        images: 400,
        dataset: "ten things".into(),
    });
    let path = dir.join(format!("{arch}.safetensors"));
    write_checkpoint(&path, &procedural_weights(&architecture), Some(&manifest));
    path
}

fn export(checkpoint: &Path, more: &[&str]) -> assert_cmd::assert::Assert {
    let mut command = export_onnx();
    command
        .arg("--checkpoint")
        .arg(checkpoint)
        .args(["--engines", "tract"])
        .args(more);
    command.assert()
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_repository_of_timms_holds_its_names_shapes_and_arguments() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoint = checkpoint(dir.path(), "mobilenet_v3_small");
    let folder = dir.path().join("things");
    let to = format!("timm={}", folder.display());
    export(&checkpoint, &["--to", &to])
        .success()
        .stdout(contains("for timm").and(contains("model.safetensors")));
    let expected = [
        "README.md",
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    ];
    assert_eq!(names(&folder), expected.map(str::to_owned).into());

    let config = json_of(&folder.join("config.json"));
    assert_eq!(config["architecture"], "mobilenetv3_small_100");
    assert_eq!(config["model_args"], json!({ "bn_eps": 1e-3 }));
    assert_eq!(config["num_classes"], 10);
    assert_eq!(config["label_names"][9], "class 9");
    assert_eq!(config["pretrained_cfg"]["classifier"], "classifier");
    assert_eq!(config["pretrained_cfg"]["input_size"], json!([3, 64, 64]));

    let written = weights::read_plain(&folder.join("model.safetensors")).unwrap();
    let ours = procedural_weights(&arch::by_name("mobilenet_v3_small", 10).unwrap());
    assert_eq!(written.tensors.len(), ours.tensors.len());
    assert_eq!(written.tensors["conv_head.weight"].shape, [1024, 576, 1, 1]);
    assert_eq!(
        written.tensors["conv_head.weight"].data,
        ours.tensors["classifier.0.weight"].data
    );
    assert_eq!(
        written.tensors["bn1.num_batches_tracked"].shape,
        [0_usize; 0]
    );

    let card = fs::read_to_string(folder.join("README.md")).unwrap();
    for said in [
        "license: \"apache-2.0\"",
        "value: 81.25",
        "name: \"ten things\"",
        "local-dir:",
    ] {
        assert!(card.contains(said), "{said}: {card}");
    }
}

#[test]
fn files_that_say_something_else_stop_the_export_unless_it_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoint = checkpoint(dir.path(), "mobilenet_v3_small");
    let (folder, output) = (dir.path().join("things"), dir.path().join("model.onnx"));
    let to = format!("timm={}", folder.display());
    let arguments = ["--to", &to, "--output", output.to_str().unwrap()];
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("README.md"), "mine").unwrap();
    export(&checkpoint, &arguments)
        .failure()
        .code(1)
        .stderr(contains("README.md is there already").and(contains("--overwrite-side-files")));
    assert!(!output.exists());
    assert_eq!(names(&folder).len(), 1);
    assert_eq!(
        fs::read_to_string(folder.join("README.md")).unwrap(),
        "mine"
    );
    export(
        &checkpoint,
        &[&arguments[..], &["--overwrite-side-files"]].concat(),
    )
    .success();
    // The same again changes nothing, and needs no leave.
    export(&checkpoint, &arguments).success();
}

#[test]
fn networks_that_timm_does_not_have_are_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoint = tiny_checkpoint(dir.path());
    let (folder, output) = (dir.path().join("things"), dir.path().join("model.onnx"));
    let to = format!("timm={}", folder.display());
    export(
        &checkpoint,
        &["--to", &to, "--output", output.to_str().unwrap()],
    )
    .failure()
    .code(1)
    .stderr(contains("timm has no network that computes as resnet_tiny"));
    assert!(!folder.exists() && !output.exists());
    export(&checkpoint, &["--to", "flax=x"])
        .failure()
        .code(2)
        .stderr(contains("got 'flax'"));
    export(&checkpoint, &["--to", &to, "--softmax"])
        .failure()
        .code(2);
}

/// The answers of a model to one input, by our own engines.
fn answers(path: &Path, manifest: &Manifest) -> Vec<f32> {
    let config = ClassifierConfig {
        engine: EngineKind::Tract,
        manifest: Some(manifest.clone()),
        ..Default::default()
    };
    let [height, width] = manifest.preprocessing.crop;
    let input = model_core::proof::synthetic_input(0, height as usize, width as usize);
    Classifier::from_bytes(fs::read(path).unwrap(), "model", &config)
        .unwrap()
        .logits_of(&input)
        .unwrap()
}

#[test]
fn transformers_js_gets_its_input_and_both_precisions() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoint = tiny_checkpoint(dir.path());
    let (folder, output) = (dir.path().join("web"), dir.path().join("model.onnx"));
    let to = format!("transformers-js={}", folder.display());
    let samples = common::samples();
    let calibrate = ["--int8", "--calibration", samples.to_str().unwrap()];
    let arguments = ["--to", &to, "--output", output.to_str().unwrap()];
    export(&checkpoint, &[&arguments[..], &calibrate].concat()).success();
    assert_eq!(
        names(&folder.join("onnx")),
        ["model.onnx", "model_quantized.onnx"]
            .map(str::to_owned)
            .into()
    );
    let config = json_of(&folder.join("config.json"));
    assert_eq!(
        (&config["model_type"], &config["id2label"]["3"]),
        (&json!("resnet"), &json!("class 3"))
    );

    let read = |name: &str| onnx::read(&folder.join("onnx").join(name)).unwrap();
    let operators = |model: &onnx::ModelProto| {
        let nodes = &model.graph.as_ref().unwrap().node;
        nodes.iter().any(|node| node.op_type == "QuantizeLinear")
    };
    for (name, quantized, precision) in [
        ("model.onnx", false, "float32"),
        ("model_quantized.onnx", true, "int8"),
    ] {
        let model = read(name);
        let graph = model.graph.as_ref().unwrap();
        assert_eq!(
            (graph.input[0].name.as_str(), graph.output[0].name.as_str()),
            ("pixel_values", "logits")
        );
        assert_eq!(operators(&model), quantized, "{name}");
        let manifest = Manifest::from_json(model.metadata(MANIFEST_KEY).unwrap()).unwrap();
        assert_eq!(
            manifest.certificate.as_ref().unwrap()["precision"],
            precision,
            "{name}"
        );
        if quantized {
            assert_eq!(
                answers(&folder.join("onnx").join(name), &manifest),
                answers(&output, &manifest)
            );
        }
        export_onnx()
            .arg("verify")
            .arg(folder.join("onnx").join(name))
            .args(["--engines", "tract"])
            .assert()
            .success();
    }
    // Without int8 the note says what browsers look for.
    let plain = format!("transformers-js={}", dir.path().join("plain").display());
    export(&checkpoint, &["--to", &plain])
        .success()
        .stdout(contains("model_quantized.onnx, which browsers take"));
}

#[test]
fn photoprism_is_told_what_it_cannot_read_from_the_graph() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoint = checkpoint(dir.path(), "mobilenet_v3_small");
    let folder = dir.path().join("ten_things");
    let to = format!("photoprism={}", folder.display());
    export(&checkpoint, &["--to", &to]).success();
    assert_eq!(
        names(&folder),
        ["labels.txt", "ten_things.onnx", "vision.yml"]
            .map(str::to_owned)
            .into()
    );
    let labels = fs::read_to_string(folder.join("labels.txt")).unwrap();
    assert_eq!(labels.lines().count(), 10);
    let model = onnx::read(&folder.join("ten_things.onnx")).unwrap();
    let said = |key: &str| {
        model
            .metadata(&format!("photoprism.{key}"))
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(said("mean"), "[123.675, 116.28, 103.53]");
    assert_eq!(said("std_dev"), "[58.395, 57.12, 57.375]");
    assert_eq!(
        [said("resize_mode"), said("resize_short_edge")],
        ["center-crop", "64"]
    );
    let entry = fs::read_to_string(folder.join("vision.yml")).unwrap();
    let sha256 = export::source::sha256_file(&folder.join("ten_things.onnx")).unwrap();
    for line in [
        "Name: ten_things",
        &format!("SHA256: {sha256}"),
        "Logits: true",
        "ColorOrder: RGB",
        "Interpolation: linear",
    ] {
        assert!(entry.contains(line), "{line}: {entry}");
    }
    let refused = |name: &str, more: &[&str], says: &str| {
        let to = format!("photoprism={}", dir.path().join(name).display());
        export(&checkpoint, &[&["--to", &to], more].concat())
            .failure()
            .code(1)
            .stderr(contains(says));
        assert!(!dir.path().join(name).exists(), "{name}");
    };
    refused("Ten Things", &[], "lower-case");
    refused(&"long_".repeat(13), &[], "at most 64");
    // Its own models are known to it by their checksums: it would not take ours.
    refused("efficientnet_b0", &[], "a model of its own");
}

#[test]
fn photoprism_gets_no_description_that_it_reads_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    let to = format!("photoprism={}", dir.path().join("ten_things").display());
    let described = |changed: fn(&mut Preprocessing)| {
        let mut manifest = common::manifest("resnet_tiny", 10, 32);
        changed(&mut manifest.preprocessing);
        let weights = procedural_weights(&arch::by_name("resnet_tiny", 10).unwrap());
        let checkpoint = dir.path().join("described.safetensors");
        write_checkpoint(&checkpoint, &weights, Some(&manifest));
        let output = dir.path().join("model.onnx");
        export(
            &checkpoint,
            &["--to", &to, "--output", output.to_str().unwrap()],
        )
    };
    let refused = |changed, says: &str| {
        described(changed).failure().code(1).stderr(contains(says));
        assert!(!dir.path().join("ten_things").exists(), "{says}");
    };
    refused(
        |p| {
            p.resize = Resize::Exact {
                height: 40,
                width: 32,
            }
        },
        "cannot stretch a picture to 40 x 32",
    );
    refused(|p| p.resize = Resize::None, "not resized");
    refused(|p| p.channels = ChannelOrder::Bgr, "BGR");
    described(|p| {
        p.resize = Resize::Exact {
            height: 32,
            width: 32,
        };
        p.channels = ChannelOrder::Bgr;
        (p.mean, p.std, p.pixel_max) = ([127.5; 3], [127.5; 3], 1.0);
    })
    .success();
    let entry = fs::read_to_string(dir.path().join("ten_things/vision.yml")).unwrap();
    for line in [
        "Mode: stretch",
        "ColorOrder: BGR",
        "Mean: [127.5, 127.5, 127.5]",
    ] {
        assert!(entry.contains(line), "{line}: {entry}");
    }
}

#[test]
fn without_its_converter_an_ort_file_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoint = tiny_checkpoint(dir.path());
    let output = dir.path().join("model.onnx");
    let to = format!("ort={}", dir.path().join("phone").display());
    let absent = dir.path().join("no-python");
    let arguments = [
        "--to",
        &to,
        "--output",
        output.to_str().unwrap(),
        "--python",
        absent.to_str().unwrap(),
    ];
    export(&checkpoint, &arguments)
        .failure()
        .code(1)
        .stderr(contains("convert_onnx_models_to_ort").and(contains("--python")));
    assert!(!output.exists());
}

#[test]
fn the_manifest_carries_a_bill_of_materials_by_choice() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoint = tiny_checkpoint(dir.path());
    let output = dir.path().join("model.onnx");
    export(
        &checkpoint,
        &["--sbom", "--output", output.to_str().unwrap()],
    )
    .success();
    let model = onnx::read(&output).unwrap();
    let manifest = Manifest::from_json(model.metadata(MANIFEST_KEY).unwrap()).unwrap();
    let bill = manifest.sbom.unwrap();
    assert_eq!(
        (&bill["bomFormat"], &bill["specVersion"]),
        (&json!("CycloneDX"), &json!("1.6"))
    );
    let sha256 = export::source::sha256_file(&checkpoint).unwrap();
    assert_eq!(bill["components"][0]["hashes"][0]["content"], sha256);
}
