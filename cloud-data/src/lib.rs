//! Data sets in object stores: `s3://`, `gs://`, `az://`, `https://`. Makes the client of a store for `image-data`, which
//! knows what to read when; the requests, their signatures and their repetition are the crate `object_store`'s.
//!
//! ```
//! // Once, before a data set is opened; from then on `image_data::dataset::open` takes URLs.
//! cloud_data::configure(&cloud_data::CacheConfig::default());
//! assert!(image_data::remote::is_url("s3://bucket/imagenet".as_ref()));
//! ```

mod aws_files;
mod client;

use std::path::{Path, PathBuf};

use image_data::remote::{MirrorConfig, RemoteConfig};

/// Requests at a time, of reading ahead.
const CONNECTIONS: usize = 32;
/// Most bytes in memory that were read ahead.
const AHEAD_BYTES: u64 = 256 << 20;
/// Of the free space of a disk, what a cache of no stated size may take.
const SHARE_OF_DISK: f64 = 0.8;
/// Where the free space cannot be asked for.
const FALLBACK_BYTES: u64 = 50_000_000_000;

/// Where what is read stays on this machine; also the flags of every program that reads data sets.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
#[command(next_help_heading = "Object stores")]
pub struct CacheConfig {
    /// Folder that keeps what was read of a data set in an object store (s3://...) [default: in the user's cache folder]
    #[arg(
        long = "data-cache",
        global = true,
        env = "TRAIN_DATA_CACHE",
        value_name = "DIR"
    )]
    pub folder: Option<PathBuf>,
    /// Most of it that is kept, as 200GB; the rest is fetched whenever it is read [default: 80 % of the free space]
    #[arg(
        long = "data-cache-size",
        global = true,
        env = "TRAIN_DATA_CACHE_SIZE",
        value_name = "SIZE",
        value_parser = parse_bytes
    )]
    pub bytes: Option<u64>,
}

/// From here on, data sets may be URLs. The first call of a process counts.
pub fn configure(config: &CacheConfig) {
    let cache = config.folder.clone().unwrap_or_else(default_folder);
    let cache = std::path::absolute(&cache).unwrap_or(cache);
    let cache_bytes = config.bytes.unwrap_or_else(|| default_bytes(&cache));
    image_data::remote::configure(RemoteConfig {
        mirrors: MirrorConfig {
            cache,
            cache_bytes,
            connections: CONNECTIONS,
            ahead_bytes: AHEAD_BYTES,
        },
        connect: client::connect,
    });
}

/// Reads a size as people write it: `200GB`, `1.5 TB`, `512MiB`, or bytes.
///
/// # Errors
/// What was expected.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return Err(format!("expected a size as 200GB, got {text}")),
    };
    match number.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok((number * factor) as u64),
        _ => Err(format!("expected a size as 200GB, got {text}")),
    }
}

/// In the user's cache folder; a user without a home gets the system's temporary folder.
fn default_folder() -> PathBuf {
    use etcetera::BaseStrategy;
    match etcetera::choose_base_strategy() {
        Ok(strategy) => strategy.cache_dir().join("resnet50-toolkit").join("data"),
        Err(_) => std::env::temp_dir().join("resnet50-toolkit-data"),
    }
}

#[cfg(unix)]
fn default_bytes(folder: &Path) -> u64 {
    let there = folder.ancestors().find(|folder| folder.exists());
    match there.map(rustix::fs::statvfs) {
        Some(Ok(disk)) => (disk.f_bavail as f64 * disk.f_frsize as f64 * SHARE_OF_DISK) as u64,
        _ => FALLBACK_BYTES,
    }
}

#[cfg(not(unix))]
fn default_bytes(_: &Path) -> u64 {
    (FALLBACK_BYTES as f64 * SHARE_OF_DISK) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_as_people_write_it() {
        for (text, bytes) in [
            ("200GB", 200_000_000_000),
            ("1.5 tb", 1_500_000_000_000),
            ("512MiB", 512 << 20),
            ("7", 7),
            ("0", 0),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "GB", "5 apples", "-1", "1.2.3"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}
