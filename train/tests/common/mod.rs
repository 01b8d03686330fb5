//! What the tests of the binary share: a data set of real files, and the command.

#![allow(dead_code)] // each test binary takes what it needs

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use assert_cmd::Command;
use train::model::MemoryLimit;
use train::recipe::{Override, Recipe, load};

/// Three classes told apart by color, as PNG and JPEG files.
pub fn images(dir: &Path, train_per_class: u32, val_per_class: u32) {
    for (split, count) in [("train", train_per_class), ("val", val_per_class)] {
        for (class, color) in [
            ("blue", [40, 60, 200]),
            ("green", [50, 190, 60]),
            ("red", [200, 50, 40]),
        ] {
            let folder = dir.join(split).join(class);
            std::fs::create_dir_all(&folder).unwrap();
            for index in 0..count {
                let image = image::RgbImage::from_fn(40, 36, |x, y| {
                    let noise = (x * 7 + y * 13 + index * 29) % 40;
                    image::Rgb(color.map(|c: u8| c.saturating_add(noise as u8)))
                });
                let name = if index % 2 == 0 { "png" } else { "jpg" };
                image
                    .save(folder.join(format!("{index:03}.{name}")))
                    .unwrap();
            }
        }
    }
}

/// `train` with the flags all tests share: small, on one thread.
pub fn train() -> Command {
    train_with("resnet_tiny", "cifar10-resnet20")
}

/// The same for another architecture or recipe.
pub fn train_with(arch: &str, recipe: &str) -> Command {
    let mut command = Command::cargo_bin("train").unwrap();
    command.args(["--arch", arch, "--recipe", recipe]);
    command.args(["--threads", "1", "--workers", "2", "--precision", "fp32"]);
    command.args([
        "--batch-size",
        "6",
        "--lr",
        "0.02",
        "--set",
        "optimizer.reference_batch=null",
    ]);
    command
}

/// The same command, ended by a hangup even where the tests run under `nohup`, which everything they start inherits.
pub fn with_default_sighup(command: &std::process::Command) -> std::process::Command {
    let mut wrapped = std::process::Command::new("env");
    wrapped.arg("--default-signal=HUP");
    wrapped.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        wrapped.current_dir(dir);
    }
    wrapped
}

/// The tests of a file that compute in this process take turns: libtorch draws all its random numbers from one
/// generator.
pub fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    // A test that failed has given its turn back.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A small recipe on made-up images, with these keys.
pub fn recipe(keys: &[&str]) -> Recipe {
    let base = [
        "arch=resnet_tiny",
        "device=cpu",
        "precision=fp32",
        "threads=1",
        "optimizer.reference_batch=null",
        "optimizer.learning_rate=0.02",
        "loss.label_smoothing=0.1",
        "synthetic=48",
        "epochs=2",
        "batch_size=12",
    ];
    let all = base.iter().chain(keys).map(|key| Override::parse(key));
    let all: Vec<Override> = all.collect::<anyhow::Result<_>>().unwrap();
    load::resolve("cifar10-resnet20", &all).unwrap()
}

/// Room for the values of four images of 32 pixels in a pass, which three of them or two leave.
pub fn room(arch: &str, classes: usize) -> MemoryLimit {
    let graph = model_core::arch::by_name(arch, classes).unwrap().graph();
    let values = graph.shapes([32, 32]).into_iter().skip(1);
    let values: usize = values.map(model_core::arch::Shape::numel).sum();
    MemoryLimit(4 * 4 * values as u64)
}
