//! Another batch, more epochs, other images, renamed classes.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use model_core::manifest::{MANIFEST_KEY, Manifest};
use train::checkpoint::file::TensorFile;
use train::checkpoint::state::read_progress;
use train::metrics;
use train::recipe::load;
use train::schedule::Schedule;

use crate::common;
use crate::runs::*;

/// The rate of the last step of each epoch is the schedule's at that place, whatever a step was.
fn assert_rates(out: &Path, from: usize, batch: u64, images: u64) {
    let text = fs::read_to_string(out.join("config.yaml")).unwrap();
    let recipe = load::from_text(&text, &[]).unwrap();
    let schedule = Schedule::new(&recipe.schedule, recipe.peak_rate_of(batch), recipe.epochs);
    let steps = (images / batch) as f64;
    let all = history(out);
    assert_eq!(all.len(), recipe.epochs as usize);
    for record in &all[from..] {
        let expected = schedule.rate(f64::from(record.epoch) - 1.0 / steps);
        assert!(
            (record.learning_rate - expected).abs() <= 1e-12 + 1e-9 * expected,
            "epoch {}: {} instead of {expected}",
            record.epoch,
            record.learning_rate
        );
    }
}

#[test]
fn the_rate_follows_the_epochs_with_another_batch_and_more_epochs() {
    let dir = tempfile::tempdir().unwrap();
    for (batch, more) in [(12, "6"), (3, "6"), (12, "9")] {
        let out = dir.path().join(format!("run-{batch}-{more}"));
        let mut command = made_up(24, 6, &out);
        let mut child = command
            .args(["--epochs", "6"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_for(&mut child, &out, |progress| progress.epoch >= 2);
        send(&child, "-TERM");
        let code = child.wait().unwrap().code();
        assert!(matches!(code, Some(143 | 0)), "{code:?}");
        let done = read_progress(&state(&out)).unwrap().0.epoch as usize;
        let text = run(resume(&out).args(["--batch-size", &batch.to_string(), "--epochs", more]));
        assert!(
            text.contains("the learning rate follows the epochs"),
            "{text}"
        );
        assert_eq!(
            text.contains("9 epochs instead of 6"),
            more == "9",
            "{text}"
        );
        // The epoch that was under way was begun with the old batch.
        assert_rates(&out, done, batch, 24);
        // What was drawn is what was used, also when it is drawn again later.
        let drawn = out.join("plots/learning_rate.svg");
        let before = fs::read(&drawn).unwrap();
        run(Command::new(TRAIN).arg("plot").arg(&out));
        assert_eq!(fs::read(&drawn).unwrap(), before);
        let steps = metrics::read_steps(&out.join("steps.jsonl")).unwrap();
        assert!(
            steps.windows(2).all(|two| two[0].step < two[1].step),
            "{steps:?}"
        );
        let last = steps.last().unwrap();
        assert_eq!(
            last.learning_rate,
            history(&out).last().unwrap().learning_rate
        );
    }
}

#[test]
fn a_renamed_class_is_refused_with_the_flag_that_maps_it() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = (dir.path().join("data"), dir.path().join("run"));
    common::images(&data, 8, 4);
    run(on(&data, &out).args(["--epochs", "4"]));
    let best_before = history(&out)[3].clone();
    for split in ["train", "val"] {
        fs::rename(data.join(split).join("red"), data.join(split).join("a-red")).unwrap();
    }
    let before = snapshot(&out);
    let text = refused(resume(&out).args(["--epochs", "5"]));
    assert!(
        text.contains("missing: red; new: a-red") && text.contains("--map-class red=a-red"),
        "{text}"
    );
    assert_eq!(snapshot(&out), before);
    run(resume(&out).args(["--epochs", "5", "--map-class", "red=a-red"]));
    // The labels are those that the weights have learned.
    let after = &history(&out)[4];
    assert!(
        after.train_loss < 1.2 * best_before.train_loss,
        "{best_before:?} {after:?}"
    );
    let weights = TensorFile::read(&out.join("checkpoints/last.safetensors")).unwrap();
    let manifest = Manifest::from_json(&weights.metadata[MANIFEST_KEY]).unwrap();
    let labels: Vec<&str> = manifest
        .labels
        .iter()
        .map(|label| label.name.as_str())
        .collect();
    assert_eq!(labels, ["blue", "green", "a-red"]);

    // Another number of classes is another network.
    fs::remove_dir_all(data.join("train/blue")).unwrap();
    fs::remove_dir_all(data.join("val/blue")).unwrap();
    let text = refused(resume(&out).args(["--epochs", "6"]));
    assert!(
        text.contains("3 then, 2 now") && text.contains("missing: blue"),
        "{text}"
    );
}

#[test]
fn more_images_are_said_and_the_rate_stays_the_schedules() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = (dir.path().join("data"), dir.path().join("run"));
    common::images(&data, 8, 2);
    run(on(&data, &out).args(["--epochs", "2"]));
    common::images(&data, 16, 2);
    let text = run(resume(&out).args(["--epochs", "4"]));
    assert!(
        text.contains("48 training images (there were 24)"),
        "{text}"
    );
    assert_rates(&out, 2, 6, 48);
}
