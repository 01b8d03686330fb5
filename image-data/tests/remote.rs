//! Data sets in an object store: the same samples as from the folder, whatever the store does; what cannot be read is
//! named. The store here is a folder with faults; `cloud-data` is tested against a server.

#![allow(clippy::unwrap_used)] // helpers of a test may fail it

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use image_data::augment::{EvalTransform, Transform};
use image_data::dataset::{self, Dataset};
use image_data::decode::DecodeConfig;
use image_data::folder::Folder;
use image_data::loader::{Loader, LoaderConfig};
use image_data::pack::{PackConfig, pack};
use image_data::remote::{self, Mirror, MirrorConfig, Object, ObjectStore};
use image_data::sampler::Sampler;
use image_data::source::FolderSource;
use model_core::Preprocessing;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::writer::SerializedFileWriter;

/// A folder as an object store, with the faults of one.
struct Bucket {
    root: PathBuf,
    requests: AtomicU64,
    bytes: AtomicU64,
    /// Every so many requests fail: half of them by an error, half by ending early. 0 for none.
    fails_every: u64,
    /// Objects that never can be read.
    broken: Vec<&'static str>,
    /// How often each stretch was asked for.
    asked: Mutex<HashMap<(String, u64), u64>>,
}

impl Bucket {
    fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            requests: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            fails_every: 0,
            broken: Vec::new(),
            asked: Mutex::default(),
        }
    }
}

impl ObjectStore for Bucket {
    fn list(&self) -> io::Result<Vec<Object>> {
        let mut objects = Vec::new();
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder)? {
                let path = entry?.path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => objects.push(Object {
                        key: path.strip_prefix(&self.root).unwrap().display().to_string(),
                        length: std::fs::metadata(&path)?.len(),
                        version: format!("{:?}", std::fs::metadata(&path)?.modified()?),
                    }),
                }
            }
        }
        Ok(objects)
    }

    fn find(&self, key: &str) -> io::Result<Option<Object>> {
        Ok(self.list()?.into_iter().find(|object| object.key == key))
    }

    fn read(&self, object: &Object, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        let request = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        *self
            .asked
            .lock()
            .unwrap()
            .entry((object.key.clone(), offset))
            .or_default() += 1;
        if self.broken.contains(&object.key.as_str()) {
            return Err(io::Error::other("500"));
        }
        let bytes = std::fs::read(self.root.join(&object.key))?;
        let mut part = bytes[offset as usize..(offset + length) as usize].to_vec();
        if self.fails_every > 0 && request.is_multiple_of(self.fails_every) {
            if (request / self.fails_every).is_multiple_of(2) {
                return Err(io::Error::new(
                    io::ErrorKind::ConnectionReset,
                    "connection reset",
                ));
            }
            part.truncate(part.len() / 2);
        }
        self.bytes.fetch_add(part.len() as u64, Ordering::Relaxed);
        Ok(part)
    }
}

/// Two classes of images in `train`, one each in `val`.
fn folders(root: &Path) {
    for (split, count) in [("train", 6), ("val", 2)] {
        for (class, color) in [("cat", 40u8), ("dog", 200)] {
            let dir = root.join(split).join(class);
            std::fs::create_dir_all(&dir).unwrap();
            for i in 0..count {
                let image = image::RgbImage::from_fn(40, 30, |x, y| {
                    image::Rgb([color, (x * 5) as u8, (y * 7 + i) as u8])
                });
                image.save(dir.join(format!("{i}.png"))).unwrap();
            }
        }
    }
}

/// All images below a folder of classes as one Parquet file.
fn write_parquet(path: &Path, folder: &Path) {
    let schema =
        "message schema { optional group image { optional binary bytes; } optional int64 label; }";
    let schema = Arc::new(parquet::schema::parser::parse_message_type(schema).unwrap());
    let file = std::fs::File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::default()).unwrap();
    let set = Folder::open(folder).unwrap();
    for part in set.samples.chunks(5) {
        let mut group = writer.next_row_group().unwrap();
        let bytes = part
            .iter()
            .map(|sample| std::fs::read(&sample.path).unwrap().into());
        let bytes: Vec<ByteArray> = bytes.collect();
        let labels: Vec<i64> = part.iter().map(|sample| sample.class as i64).collect();
        let mut column = group.next_column().unwrap().unwrap();
        let levels = vec![2; part.len()];
        column
            .typed::<ByteArrayType>()
            .write_batch(&bytes, Some(&levels), None)
            .unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let levels = vec![1; part.len()];
        column
            .typed::<Int64Type>()
            .write_batch(&labels, Some(&levels), None)
            .unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    writer.close().unwrap();
}

fn config(cache: &Path, cache_bytes: u64) -> MirrorConfig {
    MirrorConfig {
        cache: cache.to_owned(),
        cache_bytes,
        connections: 4,
        ahead_bytes: 1 << 20,
    }
}

/// Mounts a bucket under a URL and opens the data set.
fn open(url: &str, bucket: Arc<Bucket>, config: &MirrorConfig) -> Dataset {
    let root = config.root(url).unwrap();
    let mirror = Mirror::open(url, &root, bucket.list().unwrap(), bucket, config).unwrap();
    let mirror = remote::add(mirror);
    dataset::open(mirror.root()).unwrap()
}

/// The pixels and labels of two shuffled epochs.
fn batches(folder: &Folder) -> Vec<(Vec<u8>, Vec<i64>)> {
    let preprocessing = Preprocessing {
        crop: [16, 16],
        ..Preprocessing::cifar10()
    };
    let transform: Arc<dyn Transform> = Arc::new(EvalTransform(preprocessing));
    let source = FolderSource::new(folder.clone(), DecodeConfig::torchvision());
    let loader = Loader::new(
        Arc::new(source),
        transform,
        Sampler::shuffled(folder.len(), 3, 5),
        LoaderConfig::training(2),
    );
    let batches = (0..2).flat_map(|epoch| loader.epoch(epoch, 0).unwrap());
    let batches = batches.map(|batch| batch.unwrap());
    let found = batches.map(|batch| (batch.pixels, batch.labels)).collect();
    assert!(
        loader.report().images().is_empty(),
        "{:?}",
        loader.report().images()
    );
    found
}

#[test]
fn the_same_batches_as_from_the_folder_kept_or_not_and_from_a_store_that_fails() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    folders(&data);
    let local = dataset::open(&data).unwrap();
    let wanted = batches(local.train.as_ref().unwrap());
    for (case, cache_bytes) in [("all", 1 << 30), ("some", 3000), ("none", 0)] {
        for fails_every in [0, 2] {
            let url = format!("s3://bucket-{case}-{fails_every}/data");
            let bucket = Arc::new(Bucket {
                fails_every,
                ..Bucket::new(&data)
            });
            let set = open(&url, bucket.clone(), &config(dir.path(), cache_bytes));
            let (train, val) = (set.train.unwrap(), set.val.unwrap());
            assert_eq!(train.classes, ["cat", "dog"]);
            assert_eq!(val.len(), 4);
            assert_eq!(batches(&train), wanted, "{url}");
            assert!(bucket.requests.load(Ordering::Relaxed) > 0);
            let length: u64 = train
                .samples
                .iter()
                .map(|s| std::fs::metadata(&s.path).unwrap().len())
                .sum();
            if (case, fails_every) == ("all", 0) {
                // What is kept travels once, however many epochs.
                assert_eq!(bucket.bytes.load(Ordering::Relaxed), length);
            }
            if (case, fails_every) == ("none", 0) {
                assert_eq!(bucket.bytes.load(Ordering::Relaxed), 2 * length);
            }
        }
    }
}

#[test]
fn shards_a_table_and_parquet_are_found_in_a_store() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    folders(&data);
    let packed = dir.path().join("packed");
    let options = PackConfig {
        short_side: None,
        shard_images: 5,
        ..PackConfig::default()
    };
    pack(&dataset::open(&data).unwrap(), &packed, &options, &|_| {}).unwrap();
    let wanted = batches(&dataset::open(&packed).unwrap().train.unwrap());
    for with_index in [true, false] {
        if !with_index {
            for entry in std::fs::read_dir(&packed).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|ending| ending == "index") {
                    std::fs::remove_file(path).unwrap();
                }
            }
        }
        for cache_bytes in [1 << 30, 0] {
            let url = format!("s3://packed-{cache_bytes}-{with_index}/x");
            let bucket = Arc::new(Bucket::new(&packed));
            let set = open(&url, bucket, &config(dir.path(), cache_bytes));
            assert_eq!(batches(&set.train.unwrap()), wanted, "{url}");
        }
    }
    let table = dir.path().join("table");
    std::fs::create_dir_all(&table).unwrap();
    let image = data.join("train/cat/0.png");
    std::fs::copy(image, table.join("a.png")).unwrap();
    std::fs::write(table.join("labels.csv"), "path,label\na.png,cat\n").unwrap();
    let set = open(
        "gs://table",
        Arc::new(Bucket::new(&table)),
        &config(dir.path(), 0),
    );
    assert_eq!(set.train.unwrap().classes, ["cat"]);
    let parquet = dir.path().join("parquet");
    std::fs::create_dir_all(&parquet).unwrap();
    write_parquet(
        &parquet.join("train-00000-of-00001.parquet"),
        &data.join("train"),
    );
    let local = dataset::open(&parquet).unwrap().train.unwrap();
    for cache_bytes in [1 << 30, 0] {
        let url = format!("az://hf-{cache_bytes}");
        let set = open(
            &url,
            Arc::new(Bucket::new(&parquet)),
            &config(dir.path(), cache_bytes),
        );
        assert_eq!(batches(&set.train.unwrap()), batches(&local), "{url}");
    }
}

#[test]
fn a_later_run_uses_what_is_here_and_fetches_what_changed() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    folders(&data);
    let config = config(dir.path(), 1 << 30);
    let url = "s3://again/data";
    let root = config.root(url).unwrap();
    let read = |bucket: &Arc<Bucket>| -> Vec<Vec<u8>> {
        let objects = bucket.list().unwrap();
        let mirror =
            Arc::new(Mirror::open(url, &root, objects.clone(), bucket.clone(), &config).unwrap());
        let mut keys: Vec<String> = objects.into_iter().map(|object| object.key).collect();
        keys.sort();
        let file = |key: &String| mirror.file(&root.join(key)).unwrap();
        keys.iter()
            .map(|key| file(key).read(0, file(key).length()).unwrap())
            .collect()
    };
    let first = Arc::new(Bucket::new(&data));
    let bytes = read(&first);
    assert_eq!(first.requests.load(Ordering::Relaxed), 16);
    let second = Arc::new(Bucket::new(&data));
    assert_eq!(read(&second), bytes);
    assert_eq!(second.requests.load(Ordering::Relaxed), 0);
    // One object is another now, one is gone, one is new.
    std::fs::write(data.join("train/cat/0.png"), b"other").unwrap();
    std::fs::remove_file(data.join("train/cat/1.png")).unwrap();
    std::fs::write(data.join("train/dog/new.png"), b"new").unwrap();
    let third = Arc::new(Bucket::new(&data));
    let now = read(&third);
    assert_eq!(third.requests.load(Ordering::Relaxed), 2);
    assert_eq!(now.len(), 16);
    assert_eq!(now[0], b"other");
    assert!(now.contains(&b"new".to_vec()) && !root.join("train/cat/1.png").exists());
}

#[test]
fn an_object_that_stays_unreadable_is_named_and_nothing_else_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    folders(&data);
    let bucket = Arc::new(Bucket {
        broken: vec!["train/dog/3.png"],
        ..Bucket::new(&data)
    });
    let set = open("s3://broken/data", bucket, &config(dir.path(), 0));
    let folder = set.train.unwrap();
    let limits = DecodeConfig::torchvision().limits;
    let failed: Vec<String> = folder
        .samples
        .iter()
        .filter_map(|sample| sample.read(&limits).err())
        .map(|error| error.to_string())
        .collect();
    let [only] = failed.as_slice() else {
        panic!("{failed:?}");
    };
    assert!(only.contains("s3://broken/data/train/dog/3.png"), "{only}");
    assert!(only.contains("5 tries"), "{only}");
}

#[test]
fn two_processes_share_a_mirror_and_a_third_with_other_contents_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    folders(&data);
    let config = config(dir.path(), 1 << 30);
    let url = "s3://shared/data";
    let root = config.root(url).unwrap();
    let open = || {
        let bucket = Arc::new(Bucket::new(&data));
        let mirror = Mirror::open(url, &root, bucket.list().unwrap(), bucket.clone(), &config);
        (bucket, mirror)
    };
    let (_, first) = open();
    let first = Arc::new(first.unwrap());
    let (bucket, second) = open();
    let second = Arc::new(second.unwrap());
    let path = root.join("train/cat/2.png");
    let length = std::fs::metadata(&path).unwrap().len();
    let bytes = first.file(&path).unwrap().read(0, length).unwrap();
    // Records are written in groups; what is not recorded yet is fetched twice and no more.
    assert_eq!(second.file(&path).unwrap().read(0, length).unwrap(), bytes);
    assert!(bucket.requests.load(Ordering::Relaxed) <= 1);
    std::fs::write(data.join("train/cat/9.png"), b"new").unwrap();
    let error = open().1.err().expect("another data set");
    assert!(
        error.to_string().contains("changed since it began"),
        "{error}"
    );
}

#[test]
fn a_url_without_a_client_says_so() {
    let error = dataset::open(Path::new("s3://bucket/data"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("reads no object store"), "{error}");
    let error = image_data::dataset::open_split(Path::new("s3://bucket/data/x.tar")).unwrap_err();
    assert!(error.to_string().contains("reads no object store"));
}
