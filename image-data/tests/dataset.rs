//! Data sets as people have them: the same images give the same batches, whatever they lie in, and damage is named.

#![allow(clippy::unwrap_used)] // helpers of a test may fail it

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image_data::augment::{AugmentConfig, TrainTransform};
use image_data::dataset::{self, Dataset, discover};
use image_data::decode::{DecodeConfig, DecodeLimits};
use image_data::folder::Folder;
use image_data::loader::{Loader, LoaderConfig};
use image_data::sampler::Sampler;
use image_data::source::FolderSource;
use model_core::Preprocessing;

const CLASSES: [&str; 3] = ["ant", "bee", "cow"];

/// Class, file name and bytes of the images of a split.
fn images(split: &str) -> Vec<(&'static str, String, Vec<u8>)> {
    let count = if split == "train" { 6 } else { 2 };
    let mut all = Vec::new();
    for (index, class) in CLASSES.into_iter().enumerate() {
        for i in 0..count {
            let seed = index as u32 * 100 + i + if split == "train" { 0 } else { 50 };
            let picture = image::RgbImage::from_fn(30 + i, 24, |x, y| {
                image::Rgb([x * 7 + seed, y * 9 + seed * 3, x * y + seed * 5].map(|v| v as u8))
            });
            let mut bytes = std::io::Cursor::new(Vec::new());
            picture
                .write_to(&mut bytes, image::ImageFormat::Png)
                .unwrap();
            all.push((class, format!("{class}_{i:03}.png"), bytes.into_inner()));
        }
    }
    all
}

fn write_folders(root: &Path) {
    for split in ["train", "val"] {
        for (class, name, bytes) in images(split) {
            let folder = root.join(split).join(class);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(name), bytes).unwrap();
        }
    }
}

fn append(tar: &mut tar::Builder<impl std::io::Write>, name: &str, bytes: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, name, bytes).unwrap();
}

/// A tar file of the images of a class.
fn class_tar(split: &str, wanted: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (class, name, bytes) in images(split) {
        if class == wanted {
            append(&mut tar, &name, &bytes);
        }
    }
    tar.into_inner().unwrap()
}

fn write_shards(root: &Path, split: &str, label: impl Fn(usize) -> (&'static str, String)) {
    fs::create_dir_all(root).unwrap();
    for (shard, part) in images(split).chunks(5).enumerate() {
        let path = root.join(format!("{split}-{shard:06}.tar"));
        let mut tar = tar::Builder::new(File::create(path).unwrap());
        for (class, name, bytes) in part {
            let (ending, text) = label(CLASSES.iter().position(|c| c == class).unwrap());
            append(&mut tar, name, bytes);
            append(&mut tar, &name.replace("png", ending), text.as_bytes());
        }
        tar.finish().unwrap();
    }
}

/// Every byte of two shuffled, augmented epochs, and the labels.
fn epochs(folder: Folder) -> Vec<(Vec<u8>, Vec<i64>)> {
    let sampler = Sampler {
        drop_last: false,
        ..Sampler::shuffled(folder.len(), 4, 9)
    };
    let transform =
        TrainTransform::new(&AugmentConfig::default(), &Preprocessing::imagenet(), 16).unwrap();
    let source = FolderSource::new(folder, DecodeConfig::torchvision());
    let config = LoaderConfig::training(2);
    let loader = Loader::new(Arc::new(source), Arc::new(transform), sampler, config);
    (0..2)
        .flat_map(|epoch| loader.epoch(epoch, 0).unwrap())
        .map(|batch| batch.map(|batch| (batch.pixels, batch.labels)).unwrap())
        .collect()
}

#[test]
fn the_same_images_give_the_same_pixels_from_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    write_folders(&at("folders"));
    let reference = dataset::open(&at("folders")).unwrap();
    let classes = reference.train.as_ref().unwrap().classes.clone();
    assert_eq!(classes, CLASSES);
    let (train, val) = (
        epochs(reference.train.unwrap()),
        epochs(reference.val.unwrap()),
    );

    write_folders(&at("wrapped/archive/set"));
    for split in ["train", "val"] {
        let tars = at("class-tars").join(split);
        fs::create_dir_all(&tars).unwrap();
        for class in CLASSES {
            fs::write(tars.join(format!("{class}.tar")), class_tar(split, class)).unwrap();
        }
        let nested = at("nested").join(split);
        fs::create_dir_all(&nested).unwrap();
        let mut tar = tar::Builder::new(File::create(nested.join("all.tar")).unwrap());
        for class in CLASSES {
            append(&mut tar, &format!("{class}.tar"), &class_tar(split, class));
        }
        tar.finish().unwrap();
        write_shards(&at("shards-cls"), split, |class| ("cls", class.to_string()));
        fs::write(at("shards-cls/classes.txt"), CLASSES.join("\n")).unwrap();
        write_shards(&at("shards-json").join(split), split, |class| {
            (
                "json",
                format!(
                    "{{\"label\": {class}, \"class_name\": \"{}\"}}",
                    CLASSES[class]
                ),
            )
        });
        let mut table = String::from("split,filename,class\n");
        for split in ["train", "val"] {
            for (class, name, _) in images(split) {
                table.push_str(&format!(
                    "{split},../folders/{split}/{class}/{name},{class}\n"
                ));
            }
        }
        fs::create_dir_all(at("table")).unwrap();
        fs::write(at("table/labels.csv"), &table).unwrap();
        fs::create_dir_all(at("tabbed")).unwrap();
        fs::write(at("tabbed/data.tsv"), table.replace(',', "\t")).unwrap();
    }
    for name in [
        "wrapped",
        "class-tars",
        "nested",
        "shards-cls",
        "shards-json",
        "table",
        "tabbed",
    ] {
        let set = dataset::open(&at(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let Dataset {
            train: Some(train_set),
            val: Some(val_set),
        } = set
        else {
            panic!("{name}: both splits")
        };
        assert_eq!(train_set.classes, CLASSES, "{name}");
        assert!(
            train_set.notes.is_empty() && val_set.notes.is_empty(),
            "{name}"
        );
        assert!(epochs(train_set) == train, "{name}: training");
        assert!(epochs(val_set) == val, "{name}: validation");
    }
    // A pattern of shards, and a single file, are sets too.
    let pattern = at("shards-json/train/train-{000000..000003}.tar");
    assert!(epochs(dataset::open(&pattern).unwrap().train.unwrap()) == train);
    let single = dataset::open(&at("table/labels.csv")).unwrap();
    assert!(epochs(single.val.unwrap()) == val);
}

#[test]
fn imagenet_as_downloaded_is_read_from_its_tars() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let mut tar = tar::Builder::new(File::create(at("ILSVRC2012_img_train.tar")).unwrap());
    for (class, wnid) in CLASSES
        .into_iter()
        .zip(["n00000001", "n00000002", "n00000003"])
    {
        append(&mut tar, &format!("{wnid}.tar"), &class_tar("train", class));
    }
    tar.finish().unwrap();
    let mut tar = tar::Builder::new(File::create(at("ILSVRC2012_img_val.tar")).unwrap());
    let mut solution = String::from("ImageId,PredictionString\n");
    for (number, (class, _, bytes)) in images("val").into_iter().enumerate() {
        let name = format!("ILSVRC2012_val_{:08}", number + 1);
        append(&mut tar, &format!("{name}.JPEG"), &bytes);
        let class = CLASSES.iter().position(|c| *c == class).unwrap() + 1;
        solution.push_str(&format!("{name},n0000000{class} 1 2 3 4\n"));
    }
    tar.finish().unwrap();
    fs::write(at("LOC_val_solution.csv"), solution).unwrap();
    let set = dataset::open(dir.path()).unwrap();
    let (train, val) = (set.train.unwrap(), set.val.unwrap());
    assert_eq!(train.classes, val.classes);
    assert_eq!(train.images_per_class(), [6, 6, 6]);
    assert_eq!(val.images_per_class(), [2, 2, 2]);
    let first = val.samples[0].read(&DecodeLimits::default()).unwrap();
    assert_eq!(first, images("val")[0].2);
}

#[test]
fn damage_is_named_and_the_rest_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    write_shards(&at("cut"), "train", |class| {
        ("cls", CLASSES[class].to_owned())
    });
    let shard = at("cut/train-000001.tar");
    let whole = fs::read(&shard).unwrap();
    // Within the bytes of the shard's last image: a label file of one block follows it, then the end of the archive.
    fs::write(&shard, &whole[..whole.len() - 1024 - 1024 - 700]).unwrap();
    let set = dataset::open(&at("cut")).unwrap().train.unwrap();
    // The tar file ends in the middle of the image, and its label file is gone.
    assert_eq!(set.notes.len(), 2, "{:?}", set.notes);
    assert!(
        set.notes
            .iter()
            .all(|note| note.contains("train-000001.tar")),
        "{:?}",
        set.notes
    );
    assert!(set.len() >= 16, "{}", set.len());

    fs::create_dir_all(at("missing")).unwrap();
    fs::write(
        at("missing/labels.csv"),
        "path,label\nabsent.jpg,cat\nnone.jpg,dog\n",
    )
    .unwrap();
    let set = dataset::open(&at("missing")).unwrap().train.unwrap();
    assert_eq!(
        set.len(),
        2,
        "a file that is not there is the loader's to name"
    );
    fs::write(at("missing/labels.csv"), "path,label\nabsent.jpg\n").unwrap();
    let error = dataset::open(&at("missing")).unwrap_err().to_string();
    assert!(
        error.contains("line 2") && error.contains("absent.jpg"),
        "{error}"
    );
}

#[test]
fn junk_is_left_out_and_said() {
    let dir = tempfile::tempdir().unwrap();
    write_folders(dir.path());
    for junk in [
        "train/.ipynb_checkpoints",
        "val/.ipynb_checkpoints",
        "train/__MACOSX",
    ] {
        fs::create_dir_all(dir.path().join(junk)).unwrap();
        fs::write(dir.path().join(junk).join("x.jpg"), b"x").unwrap();
    }
    fs::write(dir.path().join("train/ant/._ant_000.png"), b"resource fork").unwrap();
    let set = dataset::open(dir.path()).unwrap();
    let train = set.train.unwrap();
    assert_eq!(train.classes, CLASSES);
    assert_eq!(train.len(), 18);
    assert!(
        train.description.contains(".ipynb_checkpoints"),
        "{}",
        train.description
    );
}

#[test]
fn validation_has_many_names_and_may_be_missing() {
    for name in ["val", "valid", "validation", "eval", "test"] {
        let dir = tempfile::tempdir().unwrap();
        write_folders(dir.path());
        fs::rename(dir.path().join("val"), dir.path().join(name)).ok();
        assert_eq!(
            dataset::open(dir.path()).unwrap().val.unwrap().len(),
            6,
            "{name}"
        );
    }
    let dir = tempfile::tempdir().unwrap();
    write_folders(dir.path());
    fs::remove_dir_all(dir.path().join("val")).unwrap();
    assert!(dataset::open(dir.path()).unwrap().val.is_none());
    // Class folders without a split are training images.
    let bare = dataset::open(&dir.path().join("train")).unwrap();
    assert_eq!(bare.train.unwrap().len(), 18);
}

#[test]
fn data_is_found_in_the_usual_places() {
    let dir = tempfile::tempdir().unwrap();
    let nothing = discover(None, dir.path(), Some(dir.path()));
    assert_eq!(nothing.found, None);
    assert!(nothing.looked.contains(&dir.path().join("imagenet")));
    assert!(nothing.looked.contains(&PathBuf::from("/data/imagenet")));
    write_folders(&dir.path().join("data/imagenet"));
    let found = discover(None, dir.path(), None).found.unwrap();
    assert!(
        found.starts_with(dir.path().join("data")),
        "{}",
        found.display()
    );
    let named = dir.path().join("elsewhere");
    write_folders(&named);
    assert_eq!(discover(Some(&named), dir.path(), None).found, Some(named));
    let cache = ".cache/huggingface/hub/datasets--ILSVRC--imagenet-1k/snapshots/abc";
    fs::remove_dir_all(dir.path().join("data")).unwrap();
    fs::create_dir_all(dir.path().join(cache).join("data")).unwrap();
    write_shards(&dir.path().join(cache).join("data"), "train", |class| {
        ("cls", CLASSES[class].to_owned())
    });
    let found = discover(None, Path::new("/nonexistent"), Some(dir.path())).found;
    assert_eq!(found, Some(dir.path().join(cache)));
}

#[test]
fn kaggles_layout_is_read_from_any_of_its_folders() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("imagenet-object-localization-challenge");
    let data = root.join("ILSVRC/Data/CLS-LOC");
    let wnid = |class: &str| {
        let index = CLASSES.iter().position(|c| *c == class).unwrap();
        format!("n0000000{}", index + 1)
    };
    for (class, name, bytes) in images("train") {
        let folder = data.join("train").join(wnid(class));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), bytes).unwrap();
    }
    fs::create_dir_all(data.join("val")).unwrap();
    fs::create_dir_all(data.join("test")).unwrap();
    fs::create_dir_all(root.join("ILSVRC/Annotations/CLS-LOC/train")).unwrap();
    fs::create_dir_all(root.join("ILSVRC/ImageSets/CLS-LOC")).unwrap();
    fs::write(data.join("test/ILSVRC2012_test_00000001.JPEG"), b"x").unwrap();
    let mut solution = String::from("ImageId,PredictionString\n");
    for (number, (class, _, bytes)) in images("val").into_iter().enumerate() {
        let name = format!("ILSVRC2012_val_{:08}", number + 1);
        fs::write(data.join("val").join(format!("{name}.JPEG")), bytes).unwrap();
        solution.push_str(&format!("{name},{} 1 2 3 4\n", wnid(class)));
    }
    // Kaggle's tables lie beside ILSVRC.
    fs::write(root.join("LOC_val_solution.csv"), solution).unwrap();
    fs::write(
        root.join("LOC_train_solution.csv"),
        "ImageId,PredictionString\n",
    )
    .unwrap();
    fs::write(root.join("LOC_synset_mapping.txt"), "n00000001 ant\n").unwrap();
    for open in [root.clone(), root.join("ILSVRC"), data.clone()] {
        let set = dataset::open(&open).unwrap_or_else(|e| panic!("{}: {e}", open.display()));
        let (train, val) = (set.train.unwrap(), set.val.unwrap());
        assert_eq!(train.classes, val.classes);
        assert_eq!(train.images_per_class(), [6, 6, 6]);
        assert_eq!(val.images_per_class(), [2, 2, 2]);
    }
    let found = discover(Some(&root), dir.path(), None).found;
    assert_eq!(found, Some(root));
}

/// `tests/data/make_webdataset.py` wrote these with the package `webdataset`.
#[test]
fn shards_of_the_webdataset_package_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/webdataset");
    let set = dataset::open(&folder).unwrap();
    let (train, val) = (set.train.unwrap(), set.val.unwrap());
    assert_eq!((train.len(), val.len()), (6, 3));
    assert_eq!(train.classes, CLASSES);
    assert!(train.notes.is_empty() && val.notes.is_empty());
    for (set, shade) in [(&train, 40), (&val, 200)] {
        for sample in &set.samples {
            let bytes = sample.read(&DecodeLimits::default()).unwrap();
            let image = image_data::decode::decode(&bytes, &DecodeConfig::torchvision()).unwrap();
            // Every picture is plain: its class in one channel, its split in another.
            let pixel = &image.data[..3];
            assert!(pixel[1].abs_diff(shade) < 4, "{}", sample.path.display());
            let class = (f64::from(pixel[0]) / 80.0).round() as usize;
            assert_eq!(class, sample.class, "{}", sample.path.display());
        }
    }
}
