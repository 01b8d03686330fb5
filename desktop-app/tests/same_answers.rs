//! The window and `infer-cli` answer alike: the same photo and model give the same line of JSON, byte for byte.

#![allow(clippy::unwrap_used)] // also in helpers: a test that panics is a test that fails

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use desktop_app::classify::ModelChoice;
use desktop_app::engine::ModelOpener;
use desktop_app::export;
use desktop_app::photo::{Photo, PhotoId, PhotoSource, PhotoState};
use desktop_app::worker::{WorkerEvent, Workers};
use inference::Precision;
use model_core::scores::DEFAULT_TOP_K;

/// `infer-cli` of this build, as its own tests leave it beside ours; built when it is not there yet. `INFER_CLI`
/// names another.
fn infer_cli() -> PathBuf {
    if let Some(program) = std::env::var_os("INFER_CLI") {
        return program.into();
    }
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap();
    let name = format!("infer-cli{}", std::env::consts::EXE_SUFFIX);
    let program = folder.join(&name);
    if program.exists() {
        return program;
    }
    let mut build = Command::new(env!("CARGO"));
    build
        .args([
            "build",
            "--quiet",
            "--package",
            "infer-cli",
            "--bin",
            "infer-cli",
            "--target-dir",
        ])
        .arg(folder.parent().unwrap());
    match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") => {}
        Some(profile) => {
            build.args(["--profile", profile]);
        }
        None => panic!("the test is in no profile's folder: {}", test.display()),
    }
    let built = build
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(built.success(), "infer-cli could not be built");
    program
}

fn window_says(photos: &[PathBuf], precision: Precision) -> Vec<String> {
    let workers = Workers::start(Arc::new(ModelOpener { precision }), 2, || {}).unwrap();
    workers.open_model(ModelChoice::Embedded).unwrap();
    let sources: Vec<_> = photos.iter().cloned().map(PhotoSource::File).collect();
    workers.classify(
        sources
            .iter()
            .enumerate()
            .map(|(n, source)| (PhotoId(n as u64), source.clone())),
    );
    let mut lines = vec![None; photos.len()];
    let begun = Instant::now();
    while lines.iter().any(Option::is_none) {
        assert!(begun.elapsed() < Duration::from_secs(120), "no answer came");
        let (id, state) = match workers.poll() {
            Some(WorkerEvent::Answered(id, _, answer)) => (id, PhotoState::Done(*answer)),
            Some(WorkerEvent::Failed(_, _, problem)) => panic!("{problem:?}"),
            Some(WorkerEvent::ModelFailed(_, problem)) => panic!("{problem:?}"),
            Some(_) => continue,
            None => {
                std::thread::sleep(Duration::from_millis(2));
                continue;
            }
        };
        let place = id.0 as usize;
        let photo = Photo {
            id,
            source: sources[place].clone(),
            state,
            said: None,
        };
        lines[place] = export::json_line(&photo, DEFAULT_TOP_K).unwrap();
    }
    lines.into_iter().flatten().collect()
}

#[test]
fn the_window_and_infer_cli_say_the_same_byte_for_byte() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/samples");
    let photos = ["cat.jpg", "espresso.jpg", "rocket.jpg"].map(|name| samples.join(name));
    // bfloat16 where this processor has it.
    for precision in [Precision::Float32, Precision::Auto] {
        let output = Command::new(infer_cli())
            .arg("--json")
            .args(["--topk", &DEFAULT_TOP_K.to_string()])
            .args(["--precision", precision.name()])
            .args(&photos)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let terminal = String::from_utf8(output.stdout).unwrap();
        assert_eq!(terminal.lines().count(), photos.len());
        assert_eq!(window_says(&photos, precision).join("\n") + "\n", terminal);
    }
}

#[test]
fn the_window_and_infer_cli_refuse_the_same_photos() {
    let dir = tempfile::tempdir().unwrap();
    // 134.1 million pixels: a little more than the whole megapixels that the terminal counts. It is only a header.
    let large = dir.path().join("large.ppm");
    std::fs::write(&large, "P6 13400 10010 255\n").unwrap();
    let output = Command::new(infer_cli()).arg(&large).output().unwrap();
    assert!(!output.status.success());
    let refused = String::from_utf8(output.stderr).unwrap();
    assert!(refused.contains("pixels"), "{refused}");
    let source = PhotoSource::File(large);
    let problem = desktop_app::read::load(
        &source,
        &model_core::reading::ReadingConfig::default(),
        &std::sync::Mutex::new(()),
    )
    .unwrap_err();
    assert_eq!(problem.brief, "Too large", "{problem:?}");
}
