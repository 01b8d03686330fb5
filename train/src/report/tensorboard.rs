//! TensorBoard event files: TFRecord framing around a handful of protobuf fields, written by hand.
//!
//! Format: `tensorflow/core/util/event.proto`, `framework/summary.proto` and `lib/io/record_writer`. Scalars only. A file
//! is only ever appended to, so that a TensorBoard that is open follows it; each start of a run begins a file of its own.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::metrics::table::METRICS;
use crate::metrics::{EpochRecord, StepRecord, unix_secs};

/// `SessionLog.START`: what earlier files say of this step and later ones no longer holds.
const SESSION_START: u64 = 1;

/// The event file of this start of the run.
pub struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// Begins a file in `dir`. The run goes on after optimizer step `step`: later steps of earlier files are dropped.
    ///
    /// # Errors
    /// The directory or file cannot be made.
    pub fn begin(dir: &Path, step: u64) -> Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let now = unix_secs();
        // TensorBoard takes any file with `tfevents` in its name, and orders them by name.
        let name = format!(
            "events.out.tfevents.{:010}.{}.train",
            now as u64,
            std::process::id()
        );
        let path = dir.join(name);
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        let mut events = Self { path, file };
        let mut version = Vec::new();
        double(&mut version, 1, now);
        field(&mut version, 3, b"brain.Event:2");
        let mut bytes = Vec::new();
        record(&mut bytes, &version);
        if step > 0 {
            record(&mut bytes, &session_event(now, step + 1));
        }
        events.write(&bytes)?;
        Ok(events)
    }

    /// Adds an epoch; the axis is the epoch.
    ///
    /// # Errors
    /// The disk is full or not writable.
    pub fn add_epoch(&mut self, epoch: &EpochRecord) -> Result<()> {
        let values = METRICS
            .iter()
            .filter_map(|metric| Some((metric.tag?, (metric.value)(epoch)?)));
        self.add(epoch.unix_secs, u64::from(epoch.epoch), values)
    }

    /// Adds a step; the axis is the optimizer step.
    ///
    /// # Errors
    /// The disk is full or not writable.
    pub fn add_step(&mut self, step: &StepRecord) -> Result<()> {
        let values = [
            ("step/loss", step.loss),
            ("step/top1_percent", step.top1_percent),
            ("step/learning_rate", Some(step.learning_rate)),
            ("step/images_per_sec", Some(step.images_per_sec)),
            ("step/data_wait_percent", Some(step.data_wait_percent)),
            (
                "step/memory_bytes",
                step.memory_bytes.map(|bytes| bytes as f64),
            ),
        ];
        let values = values
            .into_iter()
            .filter_map(|(tag, value)| Some((tag, value?)));
        self.add(step.unix_secs, step.step, values)
    }

    fn add(
        &mut self,
        unix_secs: f64,
        step: u64,
        values: impl Iterator<Item = (&'static str, f64)>,
    ) -> Result<()> {
        let mut bytes = Vec::new();
        for (tag, value) in values {
            record(
                &mut bytes,
                &scalar_event(unix_secs, step, tag, value as f32),
            );
        }
        self.write(&bytes)
    }

    /// In one write: a reader sees whole records, or none.
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.write_all(bytes);
        written.with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// `Event { wall_time = 1, step = 2, session_log = 7 { status = 1 } }`
fn session_event(wall_time: f64, step: u64) -> Vec<u8> {
    let mut log = vec![1 << 3];
    varint(&mut log, SESSION_START);
    let mut event = Vec::new();
    double(&mut event, 1, wall_time);
    event.push(2 << 3);
    varint(&mut event, step);
    field(&mut event, 7, &log);
    event
}

/// `Event { wall_time = 1, step = 2, summary = 5 { value = 1 { tag = 1, simple_value = 2 } } }`
fn scalar_event(wall_time: f64, step: u64, tag: &str, value: f32) -> Vec<u8> {
    let mut entry = Vec::new();
    field(&mut entry, 1, tag.as_bytes());
    entry.push(2 << 3 | 5);
    entry.extend(value.to_le_bytes());
    let mut summary = Vec::new();
    field(&mut summary, 1, &entry);
    let mut event = Vec::new();
    double(&mut event, 1, wall_time);
    event.push(2 << 3);
    varint(&mut event, step);
    field(&mut event, 5, &summary);
    event
}

/// Length, its checksum, data, its checksum.
fn record(out: &mut Vec<u8>, data: &[u8]) {
    let length = (data.len() as u64).to_le_bytes();
    out.extend(length);
    out.extend(masked_crc(&length).to_le_bytes());
    out.extend(data);
    out.extend(masked_crc(data).to_le_bytes());
}

fn masked_crc(data: &[u8]) -> u32 {
    crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), bit by bit: the records are small.
fn crc32c(data: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in data {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

fn field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend(bytes);
}

fn double(out: &mut Vec<u8>, number: u8, value: f64) {
    out.push(number << 3 | 1);
    out.extend(value.to_le_bytes());
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use model_core::text::hex;

    use super::*;

    #[test]
    fn the_checksum_is_castagnolis() {
        // RFC 3720, appendix B.4: the check value of "123456789", and 32 bytes of zero
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }

    #[test]
    fn a_session_begins_with_the_bytes_that_protobuf_gives() {
        // Event(wall_time=1.0, step=5, session_log=SessionLog(status=SessionLog.START)).SerializeToString().hex()
        let hex = hex(&session_event(1.0, 5));
        assert_eq!(hex, "09000000000000f03f10053a020801");
    }

    /// Tags, steps and times of a file's scalars.
    fn scalars(path: &Path) -> Vec<(String, u64, f64)> {
        let bytes = std::fs::read(path).unwrap();
        let (mut at, mut found) = (0, Vec::new());
        while at < bytes.len() {
            let length = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
            let data = &bytes[at + 12..at + 12 + length];
            let crc = u32::from_le_bytes(
                bytes[at + 12 + length..at + 16 + length]
                    .try_into()
                    .unwrap(),
            );
            assert_eq!(crc, masked_crc(data));
            at += 16 + length;
            // wall_time, then the step (below 128), then field 5.
            if data.get(9) == Some(&(2 << 3)) && data[11] == (5 << 3 | 2) {
                let time = f64::from_le_bytes(data[1..9].try_into().unwrap());
                let tag = data[17..17 + data[16] as usize].to_vec();
                found.push((String::from_utf8(tag).unwrap(), u64::from(data[10]), time));
            }
        }
        found
    }

    #[test]
    fn a_file_grows_and_keeps_the_time_of_each_record() {
        let dir = tempfile::tempdir().unwrap();
        let mut events = EventFile::begin(dir.path(), 0).unwrap();
        for epoch in 1..=2 {
            let record = EpochRecord {
                epoch,
                unix_secs: 100.0 * f64::from(epoch),
                ..EpochRecord::default()
            };
            let before = std::fs::metadata(&events.path).unwrap().len();
            events.add_epoch(&record).unwrap();
            assert!(std::fs::metadata(&events.path).unwrap().len() > before);
        }
        let all = scalars(&events.path);
        let loss = |(tag, ..): &&(String, u64, f64)| tag == "loss/train";
        let places: Vec<(u64, f64)> = all.iter().filter(loss).map(|(_, s, t)| (*s, *t)).collect();
        assert_eq!(places, [(1, 100.0), (2, 200.0)]);
        // What was not measured is not drawn as a zero.
        assert!(all.iter().all(|(tag, ..)| tag != "loss/val"));
    }

    #[test]
    fn an_event_has_the_bytes_that_protobuf_gives() {
        // Event(wall_time=1.0, step=300, summary=Summary(value=[Summary.Value(tag="a", simple_value=0.5)]))
        //     .SerializeToString().hex() of tensorboard.compat.proto
        let hex = hex(&scalar_event(1.0, 300, "a", 0.5));
        assert_eq!(hex, "09000000000000f03f10ac022a0a0a080a0161150000003f");
    }
}
