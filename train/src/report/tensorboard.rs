//! TensorBoard event files: TFRecord framing around a handful of protobuf fields, written by hand.
//!
//! Format: `tensorflow/core/util/event.proto`, `framework/summary.proto` and `lib/io/record_writer`. Scalars only.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;

use crate::checkpoint::file::write_atomically;
use crate::metrics::EpochRecord;

/// Writes the whole history anew as one event file: a resumed run leaves no doubled points.
pub fn write(history: &[EpochRecord], dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir)?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |d| d.as_secs_f64());
    let mut bytes = Vec::new();
    // Event { wall_time = 1, file_version = 3 }
    let mut first = Vec::new();
    double(&mut first, 1, now);
    field(&mut first, 3, b"brain.Event:2");
    record(&mut bytes, &first);
    for epoch in history {
        for (tag, value) in scalars(epoch) {
            record(
                &mut bytes,
                &scalar_event(now, u64::from(epoch.epoch), tag, value as f32),
            );
        }
    }
    // TensorBoard takes any file with `tfevents` in its name.
    let path = dir.join("events.out.tfevents.0.train");
    write_atomically(&path, |file| file.write_all(&bytes))
}

fn scalars(r: &EpochRecord) -> Vec<(&'static str, f64)> {
    let mut all = vec![
        ("loss/train", r.train_loss),
        ("top1_percent/train", r.train_top1_percent),
        ("top5_percent/train", r.train_top5_percent),
        ("learning_rate", r.learning_rate),
        ("speed/images_per_sec", r.images_per_sec),
        ("speed/data_wait_percent", r.data_wait_percent),
    ];
    let optional = [
        ("loss/val", r.val_loss),
        ("top1_percent/val", r.val_top1_percent),
        ("top5_percent/val", r.val_top5_percent),
        (
            "memory/peak_bytes",
            r.peak_memory_bytes.map(|bytes| bytes as f64),
        ),
    ];
    all.extend(
        optional
            .into_iter()
            .filter_map(|(tag, value)| Some((tag, value?))),
    );
    all
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
    use super::*;

    #[test]
    fn the_checksum_is_castagnolis() {
        // RFC 3720, appendix B.4: the check value of "123456789", and 32 bytes of zero
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }

    #[test]
    fn an_event_has_the_bytes_that_protobuf_gives() {
        // Event(wall_time=1.0, step=300, summary=Summary(value=[Summary.Value(tag="a", simple_value=0.5)]))
        //     .SerializeToString().hex() of tensorboard.compat.proto
        let hex: String = scalar_event(1.0, 300, "a", 0.5)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(hex, "09000000000000f03f10ac022a0a0a080a0161150000003f");
    }
}
