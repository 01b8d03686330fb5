//! `metrics.jsonl` and `metrics.npz`, written anew each epoch, and `steps.jsonl`, which grows line by line.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use model_core::atomic_file;
use npyz::WriterBuilder;

use super::table::METRICS;
use super::{EpochRecord, StepRecord};

/// Writes both files of the epochs anew from the whole history, so that a resumed run leaves no doubled lines.
///
/// # Errors
/// The disk is full or not writable.
pub fn write(history: &[EpochRecord], jsonl: &Path, npz: &Path) -> Result<()> {
    let mut text = Vec::new();
    for record in history {
        serde_json::to_writer(&mut text, record)?;
        text.push(b'\n');
    }
    atomic_file::write(jsonl, &text)?;
    atomic_file::write(npz, &npz_of(history)?)?;
    Ok(())
}

/// Reads a history back from `metrics.jsonl`.
///
/// # Errors
/// The file is missing, or a line is no record.
pub fn read(jsonl: &Path) -> Result<Vec<EpochRecord>> {
    let text = std::fs::read_to_string(jsonl)
        .with_context(|| format!("cannot read {}", jsonl.display()))?;
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(i, line)| {
            let place = || format!("{}: line {} is no epoch record", jsonl.display(), i + 1);
            let record: EpochRecord = serde_json::from_str(line).with_context(place)?;
            if record.epoch == 0 {
                bail!("{}", place());
            }
            Ok(record)
        })
        .collect()
}

/// Adds a line to `steps.jsonl`.
///
/// # Errors
/// The disk is full or not writable.
pub fn append_step(path: &Path, record: &StepRecord) -> Result<()> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    let mut file = open_to_append(path)?;
    file.write_all(&line)
        .with_context(|| format!("cannot write {}", path.display()))
}

fn open_to_append(path: &Path) -> Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.with_context(|| format!("cannot write {}", path.display()))
}

/// Reads `steps.jsonl`; no file is no records. A line that a kill cut short is left out.
///
/// # Errors
/// The file cannot be read.
pub fn read_steps(path: &Path) -> Result<Vec<StepRecord>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter(|record: &StepRecord| record.step > 0)
            .collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Drops what `steps.jsonl` holds of steps after `step`: a resumed run takes them again.
///
/// # Errors
/// The file cannot be read or written.
pub fn keep_steps_until(path: &Path, step: u64) -> Result<()> {
    let mut text = Vec::new();
    for record in read_steps(path)? {
        if record.step <= step {
            serde_json::to_writer(&mut text, &record)?;
            text.push(b'\n');
        }
    }
    if text.is_empty() && !path.exists() {
        return Ok(());
    }
    Ok(atomic_file::write(path, &text)?)
}

fn npz_of(history: &[EpochRecord]) -> Result<Vec<u8>> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    {
        let mut archive = npyz::npz::NpzWriter::new(&mut bytes);
        let mut add = |name: &str, values: Vec<f64>| -> Result<()> {
            let mut array = archive
                .array::<f64>(name, Default::default())?
                .default_dtype()
                .shape(&[values.len() as u64])
                .begin_nd()?;
            array.extend(values)?;
            array.finish()?;
            Ok(())
        };
        add(
            "epoch",
            history.iter().map(|r| f64::from(r.epoch)).collect(),
        )?;
        for metric in METRICS {
            let values = history
                .iter()
                .map(|r| (metric.value)(r).unwrap_or(f64::NAN));
            add(metric.key, values.collect())?;
        }
    }
    Ok(bytes.into_inner())
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
        let mut column = |name: &str| -> Vec<f64> {
            archive.by_name(name).unwrap().unwrap().into_vec().unwrap()
        };
        assert_eq!(column("train_loss"), [1.0, 0.5, 1.0 / 3.0]);
        assert_eq!(column("epoch"), [1.0, 2.0, 3.0]);
        let top1 = column("val_accuracy");
        assert!(top1[0].is_nan() && top1[2] == 61.5);
    }

    #[test]
    fn records_of_an_older_version_are_read_and_other_lines_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.jsonl");
        std::fs::write(&path, "{\"epoch\":2,\"train_loss\":0.5}\n").unwrap();
        assert_eq!(read(&path).unwrap()[0].global_batch, 0);
        std::fs::write(&path, "{\"loss\":0.5}\n").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("line 1"));
    }

    #[test]
    fn steps_grow_and_a_resumed_run_takes_its_own_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("steps.jsonl");
        keep_steps_until(&path, 5).unwrap();
        assert!(!path.exists() && read_steps(&path).unwrap().is_empty());
        for step in 1..=4 {
            let record = StepRecord {
                step,
                ..StepRecord::default()
            };
            append_step(&path, &record).unwrap();
        }
        // A kill in the middle of a line.
        open_to_append(&path)
            .unwrap()
            .write_all(b"{\"step\":5,\"lo")
            .unwrap();
        let steps =
            |records: Vec<StepRecord>| -> Vec<u64> { records.iter().map(|r| r.step).collect() };
        assert_eq!(steps(read_steps(&path).unwrap()), [1, 2, 3, 4]);
        keep_steps_until(&path, 2).unwrap();
        assert_eq!(steps(read_steps(&path).unwrap()), [1, 2]);
    }
}
