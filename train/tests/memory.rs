//! A run whose memory runs out goes on by itself, alone and with others, as if it had been told so from the beginning;
//! and says when nothing helps.

#![allow(clippy::unwrap_used)] // helpers of a test may fail it

mod common;

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Result;
use common::{recipe, room, turn};
use train::checkpoint::file::TensorFile;
use train::checkpoint::state::read_progress;
use train::collective::{Collective, SingleProcess};
use train::distributed::{Placement, Session};
use train::failure::{MemoryRemedy, OutOfMemory};
use train::metrics::{self, EpochRecord};
use train::model::MemoryLimit;
use train::recipe::Recipe;
use train::run_dir::RunDir;
use train::trainer::{Resume, RunOutcome, Start, Trainer};

fn start(
    recipe: Recipe,
    run: &Path,
    collective: Box<dyn Collective>,
    resume: Option<Resume>,
) -> Trainer {
    let start = Start {
        recipe,
        run: RunDir::at(run),
        lock: None,
        overwrite: false,
        resume,
        collective,
    };
    start.build().unwrap()
}

fn alone(recipe: Recipe, run: &Path, limit: Option<MemoryLimit>) -> Result<()> {
    let mut trainer = start(recipe, run, Box::new(SingleProcess), None);
    if let Some(limit) = limit {
        trainer.limit_memory(limit);
    }
    assert_eq!(trainer.run()?, RunOutcome::Finished);
    Ok(())
}

fn weights(run: &Path) -> Vec<u8> {
    std::fs::read(RunDir::at(run).weights("last")).unwrap()
}

fn tensors(run: &Path) -> String {
    let file = TensorFile::read(&RunDir::at(run).weights("last")).unwrap();
    file.metadata[train::checkpoint::file::CHECKSUM_KEY].clone()
}

fn history(run: &Path) -> Vec<EpochRecord> {
    metrics::read(&RunDir::at(run).jsonl()).unwrap()
}

fn log(run: &Path) -> String {
    std::fs::read_to_string(RunDir::at(run).log()).unwrap()
}

/// The synthetic images of a network that is none of CIFAR's have so many classes.
const SYNTHETIC_CLASSES: usize = 1000;

/// All that a step does, some of it drawn at random.
const EVERYTHING: [&str; 6] = [
    "accumulate_steps=2",
    "dropout=0.2",
    "augment.mixup_alpha=0.4",
    "augment.cutmix_alpha=1.0",
    "ema={decay: 0.9}",
    "optimizer.clip_norm=1.0",
];

#[test]
fn a_run_goes_on_by_itself_as_if_it_had_known() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    let [auto, known, whole] = ["auto", "known", "whole"].map(|name| dir.path().join(name));
    let room = room("resnet_tiny", SYNTHETIC_CLASSES);
    alone(recipe(&EVERYTHING), &auto, Some(room)).unwrap();
    let told = [&EVERYTHING[..], &["micro_batch_size=3"]].concat();
    alone(recipe(&told), &known, None).unwrap();
    // The same file: weights, BatchNorm's statistics, and the recipe in the manifest, which names the size.
    assert_eq!(weights(&auto), weights(&known));

    let said = log(&auto);
    for line in [
        "epoch 1 step 1: out of memory with 12 images at a time; from here on batches are computed 6 images at a time, with \
         the gradients of the whole batch; BatchNorm takes its statistics over these",
        "epoch 1 step 1: out of memory with 6 images at a time; from here on batches are computed 3 images at a time",
        "validation: out of memory; from here on 3 images at a time",
    ] {
        assert_eq!(said.matches(line).count(), 1, "{line}: {said}");
    }
    let (progress, _) = read_progress(&RunDir::at(&auto).state()).unwrap();
    assert_eq!(progress.micro_batch_size, 3);
    for (a, b) in history(&auto).iter().zip(&history(&known)) {
        assert_eq!((a.train_loss, a.micro_batch), (b.train_loss, 3));
        let (a, b) = (a.val_loss.unwrap(), b.val_loss.unwrap());
        assert!((a - b).abs() < 1e-6 * b, "{a} {b}");
    }

    // Where memory suffices, that it might not changes no bit.
    alone(recipe(&EVERYTHING), &whole, None).unwrap();
    let off = dir.path().join("off");
    let never = [&EVERYTHING[..], &["micro_batch_size=off"]].concat();
    alone(recipe(&never), &off, None).unwrap();
    assert_eq!(tensors(&whole), tensors(&off));
    assert_ne!(tensors(&whole), tensors(&auto));
    assert_eq!(history(&whole)[1].micro_batch, 12);
}

#[test]
fn a_resumed_run_keeps_the_size() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    let [whole, parts] = ["whole", "parts"].map(|name| dir.path().join(name));
    let room = room("resnet_tiny", SYNTHETIC_CLASSES);
    let keys = ["checkpoints.keep_every_epochs=1"];
    alone(recipe(&keys), &whole, Some(room)).unwrap();
    let from = RunDir::at(&whole).state_of("epoch-0001");
    let (progress, file) = read_progress(&from).unwrap();
    let resume = Resume {
        progress,
        file,
        from,
        dealt_from: None,
        renamed: Vec::new(),
        is_copy: true,
    };
    let collective = Box::new(SingleProcess);
    // With memory enough for all: the size found is the run's.
    let mut trainer = start(recipe(&keys), &parts, collective, Some(resume));
    assert_eq!(trainer.run().unwrap(), RunOutcome::Finished);
    assert_eq!(tensors(&whole), tensors(&parts));
    let said = log(&parts);
    assert!(
        said.contains("3 images at a time") && said.contains("as the saved run found"),
        "{said}"
    );
    assert!(!said.contains("with a changed recipe"), "{said}");
}

#[test]
fn where_nothing_helps_the_error_says_so() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    for (key, images, remedy) in [
        // BatchNorm sees one value a channel of each image: fewer than two it cannot learn from.
        ("micro_batch_size=auto", 2, MemoryRemedy::LessPerImage),
        ("micro_batch_size=off", 12, MemoryRemedy::FindMicroBatch),
        ("micro_batch_size=4", 4, MemoryRemedy::FindMicroBatch),
    ] {
        let run = dir.path().join(format!("{images}"));
        let error = alone(recipe(&[key]), &run, Some(MemoryLimit(1 << 10))).unwrap_err();
        let told = error.downcast_ref::<OutOfMemory>().unwrap();
        assert_eq!((told.images, told.side, told.remedy), (images, 32, remedy));
        let text = train::failure::describe(&error);
        let begin = format!("out of memory with batches of {images} at 32 pixels: node 1 (conv");
        assert!(text.starts_with(&begin), "{text}");
        assert!(!text.contains("nternal") && !text.contains('['), "{text}");
    }
}

/// Runs as one of the processes that the tests below start.
#[test]
#[ignore = "is started by the test of two processes"]
fn one_of_two() {
    let placement = Placement::from_env().unwrap().unwrap();
    let run = std::env::var("MEMORY_TEST_RUN").unwrap();
    let keys = std::env::var("MEMORY_TEST_KEYS").unwrap();
    let keys: Vec<&str> = keys.split(';').filter(|key| !key.is_empty()).collect();
    let session = Session::join(placement, Duration::from_secs(35)).unwrap();
    let done = session.fail_on_error(|| {
        let collective = Box::new(session.collective()?);
        let mut trainer = start(recipe(&keys), Path::new(&run), collective, None);
        if std::env::var("MEMORY_TEST_LIMITED").is_ok() {
            trainer.limit_memory(room("resnet_tiny", SYNTHETIC_CLASSES));
        }
        trainer.run()?;
        trainer.finish()
    });
    done.unwrap();
}

/// A run of two processes, of which rank 1 has little memory where `is_limited`.
fn two(run: &Path, keys: &[&str], is_limited: bool) {
    let port = {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let ranks = [0, 1].map(|rank| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "one_of_two", "--ignored", "--nocapture"])
            .env("RANK", rank.to_string())
            .env("LOCAL_RANK", rank.to_string())
            .env("WORLD_SIZE", "2")
            .env("LOCAL_WORLD_SIZE", "2")
            .env("MASTER_ADDR", "127.0.0.1")
            .env("MASTER_PORT", port.to_string())
            .env("MEMORY_TEST_RUN", run)
            .env("MEMORY_TEST_KEYS", keys.join(";"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if is_limited && rank == 1 {
            command.env("MEMORY_TEST_LIMITED", "1");
        }
        command.spawn().unwrap()
    });
    for (rank, child) in ranks.into_iter().enumerate() {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "rank {rank}: {text}");
        assert!(text.contains("1 passed"), "rank {rank}: {text}");
    }
}

#[test]
fn of_two_processes_one_runs_out_and_both_go_on_alike() {
    let dir = tempfile::tempdir().unwrap();
    for norms in ["sync_batch_norm=false", "sync_batch_norm=true"] {
        let [auto, known, off, whole] =
            ["auto", "known", "off", "whole"].map(|name| dir.path().join(format!("{norms}{name}")));
        let keys = |more: &[&'static str]| [&EVERYTHING[..], &[norms], more].concat();
        two(&auto, &keys(&[]), true);
        two(&known, &keys(&["micro_batch_size=3"]), false);
        assert_eq!(weights(&auto), weights(&known), "{norms}");
        let said = log(&auto);
        assert!(
            said.contains("epoch 1 step 1: out of memory with 6 images at a time; from here on"),
            "{said}"
        );
        let (progress, _) = read_progress(&RunDir::at(&auto).state()).unwrap();
        assert_eq!(progress.micro_batch_size, 3);
        // To ask before the first exchange changes no bit.
        two(&off, &keys(&["micro_batch_size=off"]), false);
        two(&whole, &keys(&[]), false);
        assert_eq!(tensors(&off), tensors(&whole), "{norms}");
        assert_ne!(tensors(&whole), tensors(&auto), "{norms}");
    }
}
