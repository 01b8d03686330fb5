//! What a run measures: one record an epoch, kept in `metrics.jsonl` and `metrics.npz`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use npyz::WriterBuilder;
use serde::{Deserialize, Serialize};

/// Everything known of a finished epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// From 1.
    pub epoch: u32,
    /// Optimizer steps attempted since the start of the run.
    pub step: u64,
    /// At the end of the epoch.
    pub learning_rate: f64,
    /// Mean over the epoch's images, on augmented images and with whatever the loss includes (smoothing, mixing).
    pub train_loss: f64,
    /// Percent, on augmented images while the weights move.
    pub train_top1_percent: f64,
    /// Percent.
    pub train_top5_percent: f64,
    /// Plain cross-entropy; none where the epoch was not validated.
    pub val_loss: Option<f64>,
    /// Percent.
    pub val_top1_percent: Option<f64>,
    /// Percent.
    pub val_top5_percent: Option<f64>,
    /// Images trained on.
    pub train_images: u64,
    /// Images validated on.
    pub val_images: u64,
    /// Images that could not be read and were not known before.
    pub bad_images: u64,
    /// Training only.
    pub train_secs: f64,
    /// Validation only.
    pub val_secs: f64,
    /// Training throughput over all devices.
    pub images_per_sec: f64,
    /// Share of the training time spent waiting for data.
    pub data_wait_percent: f64,
    /// Steps skipped for gradients that were not finite.
    pub skipped_steps: u64,
    /// Most memory in use so far: tensors on a GPU, the process on a CPU.
    pub peak_memory_bytes: Option<u64>,
}

/// Sums over part of an epoch; kept exactly, so that a resumed epoch reports what an uninterrupted one would.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Running {
    /// Loss times images.
    pub loss: f64,
    /// Images whose label came first.
    pub top1: f64,
    /// Images whose label was among five.
    pub top5: f64,
    /// Images.
    pub images: f64,
    /// Seconds of training.
    pub secs: f64,
    /// Seconds of waiting for data.
    pub data_secs: f64,
    /// Steps skipped.
    pub skipped: f64,
}

impl Running {
    /// Mean loss, top-1 and top-5 in percent.
    pub fn means(&self) -> (f64, f64, f64) {
        let images = self.images.max(1.0);
        (
            self.loss / images,
            100.0 * self.top1 / images,
            100.0 * self.top5 / images,
        )
    }
}

/// Writes both files anew from the whole history, so that a resumed run leaves no doubled lines.
pub fn write(history: &[EpochRecord], jsonl: &Path, npz: &Path) -> Result<()> {
    crate::checkpoint::file::write_atomically(jsonl, |file| {
        for record in history {
            serde_json::to_writer(&mut *file, record)?;
            file.write_all(b"\n")?;
        }
        Ok(())
    })?;
    let partial = npz.with_extension("npz.partial");
    let context = || format!("cannot write {}", npz.display());
    write_npz(history, &partial).with_context(context)?;
    std::fs::rename(&partial, npz).with_context(context)
}

/// Reads a history back from `metrics.jsonl`.
pub fn read(jsonl: &Path) -> Result<Vec<EpochRecord>> {
    let text = std::fs::read_to_string(jsonl)
        .with_context(|| format!("cannot read {}", jsonl.display()))?;
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(i, line)| {
            serde_json::from_str(line)
                .with_context(|| format!("{}: line {} is no epoch record", jsonl.display(), i + 1))
        })
        .collect()
}

fn write_npz(history: &[EpochRecord], path: &Path) -> Result<()> {
    type Column = (&'static str, fn(&EpochRecord) -> f64);
    const COLUMNS: &[Column] = &[
        ("epoch", |r| f64::from(r.epoch)),
        ("learning_rate", |r| r.learning_rate),
        ("train_loss", |r| r.train_loss),
        ("train_accuracy", |r| r.train_top1_percent),
        ("train_top5_accuracy", |r| r.train_top5_percent),
        ("val_loss", |r| r.val_loss.unwrap_or(f64::NAN)),
        ("val_accuracy", |r| r.val_top1_percent.unwrap_or(f64::NAN)),
        ("val_top5_accuracy", |r| {
            r.val_top5_percent.unwrap_or(f64::NAN)
        }),
        ("images_per_sec", |r| r.images_per_sec),
    ];
    let mut archive = npyz::npz::NpzWriter::new(BufWriter::new(File::create(path)?));
    for (name, column) in COLUMNS {
        let options = Default::default();
        let mut array = archive
            .array::<f64>(name, options)?
            .default_dtype()
            .shape(&[history.len() as u64])
            .begin_nd()?;
        array.extend(history.iter().map(column))?;
        array.finish()?;
    }
    archive.zip_writer().flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_hold_the_history() {
        let dir = tempfile::tempdir().unwrap();
        let [jsonl, npz] = ["m.jsonl", "m.npz"].map(|name| dir.path().join(name));
        let history: Vec<EpochRecord> = (1..=3)
            .map(|epoch| EpochRecord {
                epoch,
                train_loss: 1.0 / f64::from(epoch),
                val_top1_percent: (epoch == 3).then_some(61.5),
                ..EpochRecord::default()
            })
            .collect();
        write(&history, &jsonl, &npz).unwrap();
        assert_eq!(read(&jsonl).unwrap(), history);
        let mut archive = npyz::npz::NpzArchive::open(&npz).unwrap();
        let loss: Vec<f64> = archive
            .by_name("train_loss")
            .unwrap()
            .unwrap()
            .into_vec()
            .unwrap();
        assert_eq!(loss, [1.0, 0.5, 1.0 / 3.0]);
        let top1: Vec<f64> = archive
            .by_name("val_accuracy")
            .unwrap()
            .unwrap()
            .into_vec()
            .unwrap();
        assert!(top1[0].is_nan() && top1[2] == 61.5);
    }
}
