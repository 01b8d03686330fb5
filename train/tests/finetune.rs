//! Fine-tuning: trained weights on another number of classes, frozen tensors, a slower body.

#![allow(clippy::unwrap_used)] // helpers of a test may fail it

mod common;

use std::fs;
use std::path::Path;

use train::checkpoint::file::TensorFile;

fn weights(run: &Path) -> TensorFile {
    TensorFile::read(&run.join("checkpoints/last.safetensors")).unwrap()
}

#[test]
fn the_head_is_new_the_frozen_stay_and_the_body_moves_less() {
    let dir = tempfile::tempdir().unwrap();
    let (data, first) = (dir.path().join("data"), dir.path().join("first"));
    common::images(&data, 6, 2);
    common::train()
        .args(["--epochs", "1", "--data"])
        .arg(&data)
        .arg("--output")
        .arg(&first)
        .assert()
        .success();
    let before = weights(&first);

    // Another class makes another classifier.
    for split in ["train", "val"] {
        let [from, to] = ["red", "rouge"].map(|class| data.join(split).join(class));
        fs::create_dir(&to).unwrap();
        for file in fs::read_dir(from).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
    let tune = |name: &str, factor: &str| {
        let out = dir.path().join(name);
        common::train()
            .args([
                "--epochs",
                "1",
                "--warmup-epochs",
                "0",
                "--weight-decay",
                "0",
            ])
            .args(["--freeze", "conv1,bn1,layer1", "--data"])
            .arg(&data)
            .args([
                "--set",
                &format!("optimizer.body_lr_factor={factor}"),
                "--init",
            ])
            .arg(first.join("checkpoints/last.safetensors"))
            .arg("--output")
            .arg(&out)
            .assert()
            .success();
        out
    };
    let (slow, still) = (tune("slow", "0.01"), tune("still", "0"));
    let log = fs::read_to_string(slow.join("train.log")).unwrap();
    assert!(log.contains("2 start fresh (fc.weight, fc.bias)"), "{log}");
    assert!(
        log.contains("rate x0.01") && log.contains("rate x1"),
        "{log}"
    );

    let (slow, still) = (weights(&slow), weights(&still));
    assert_eq!(slow.tensors["fc.weight"].size()[0], 4);
    let mut moved = 0;
    for (name, tensor) in &before.tensors {
        let is_frozen = ["conv1.", "bn1.", "layer1."]
            .iter()
            .any(|p| name.starts_with(p));
        let is_counter = name.ends_with("num_batches_tracked");
        if name.starts_with("fc.") || is_counter {
            continue;
        }
        if is_frozen {
            assert!(slow.tensors[name] == *tensor, "{name} was frozen");
        } else if !name.contains("running") {
            assert!(still.tensors[name] == *tensor, "{name} has rate 0");
            moved += u32::from(slow.tensors[name] != *tensor);
        }
    }
    assert!(moved > 20, "only {moved} tensors of the body moved");
    // The head learned at the full rate, from zero.
    let largest = still.tensors["fc.weight"].abs().max().double_value(&[]);
    assert!(largest > 0.0 && largest < 1.0, "{largest}");
}
