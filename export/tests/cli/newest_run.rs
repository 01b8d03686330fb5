//! `export-onnx` alone: the newest run's best checkpoint, installed on request.

use std::fs;

use predicates::prelude::*;
use predicates::str::contains;

use crate::common::{export_onnx, tiny_checkpoint};

/// As `train` leaves runs: `runs/NAME/checkpoints/best.safetensors`.
fn run_with_best(dir: &std::path::Path, name: &str, age_secs: u64) {
    let checkpoint = tiny_checkpoint(dir);
    let folder = dir.join("runs").join(name).join("checkpoints");
    fs::create_dir_all(&folder).unwrap();
    let best = folder.join("best.safetensors");
    fs::rename(checkpoint, &best).unwrap();
    let time = std::time::SystemTime::now() - std::time::Duration::from_secs(age_secs);
    fs::File::options()
        .write(true)
        .open(best)
        .unwrap()
        .set_modified(time)
        .unwrap();
}

#[test]
fn without_a_word_it_takes_the_newest_run_and_installs_on_request() {
    let dir = tempfile::tempdir().unwrap();
    run_with_best(dir.path(), "older", 100);
    run_with_best(dir.path(), "newer", 10);
    let (models, away) = (dir.path().join("my-models"), dir.path().join("away"));
    let export = |folder: &std::path::Path, arguments: &[&str]| {
        let mut command = export_onnx();
        command
            .current_dir(folder)
            .env("INFER_MODELS_DIR", &models)
            .args(["--engines", "tract"])
            .args(arguments);
        command.assert()
    };
    export(dir.path(), &[])
        .success()
        .stdout(contains("runs/newer/checkpoints/best.safetensors"))
        .stdout(contains("installed").not());
    assert!(dir.path().join("runs/newer/model.onnx").is_file());
    assert!(!models.exists());

    let installed = models.join("installed").join("model.onnx");
    let folders = [models.clone()];
    export(dir.path(), &["--install"])
        .success()
        .stdout(contains("installed").and(contains("take it when no model is named")));
    assert_eq!(
        fs::read(&installed).unwrap(),
        fs::read(dir.path().join("runs/newer/model.onnx")).unwrap()
    );
    assert_eq!(
        inference::models::default_model(&folders),
        inference::models::ModelLocation::File(installed)
    );
    export(dir.path(), &["--install"])
        .success()
        .stdout(contains("in the place of"));

    fs::create_dir(&away).unwrap();
    export(&away, &[])
        .failure()
        .stderr(contains("no --checkpoint given").and(contains("runs/NAME/checkpoints")));
}
