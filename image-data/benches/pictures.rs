//! One photo on its way to the network: decoded from several formats, resized, prepared for an answer and for training.
//! One thread: `cargo bench -p image-data --bench pictures -- [FILTER]`. `throughput.rs` takes a folder of files.

use std::fmt;
use std::io::Cursor;
use std::path::Path;
use std::sync::LazyLock;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use image::{ImageFormat, RgbImage as Pixels};
use image_data::augment::{AugmentConfig, TrainTransform, Transform};
use image_data::decode::{DecodeConfig, decode, decode_part, decode_smaller_part};
use image_data::random::{Key, Purpose};
use model_core::resample::{Filter, resize};
use model_core::{Preprocessing, RgbImage};

/// The side of what a network takes.
const SIDE: u32 = 224;

fn main() {
    divan::main();
}

/// A photo of the repository, as its JPEG file.
static JPEG: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/samples/espresso.jpg");
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
});

static PHOTO: LazyLock<RgbImage> =
    LazyLock::new(|| decode(&JPEG, &DecodeConfig::torchvision()).expect("a JPEG file"));

/// What the photo is stored as.
#[derive(Clone, Copy)]
struct Stored(ImageFormat);

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl Stored {
    fn bytes(self) -> Vec<u8> {
        if self.0 == ImageFormat::Jpeg {
            return JPEG.clone();
        }
        let photo = PHOTO.clone();
        let pixels = Pixels::from_raw(photo.width, photo.height, photo.data);
        let pixels = pixels.expect("three bytes a pixel");
        let mut file = Cursor::new(Vec::new());
        pixels
            .write_to(&mut file, self.0)
            .expect("a format that can be written");
        file.into_inner()
    }
}

const FORMATS: [Stored; 5] = [
    Stored(ImageFormat::Jpeg),
    Stored(ImageFormat::Png),
    Stored(ImageFormat::WebP),
    Stored(ImageFormat::Tiff),
    Stored(ImageFormat::Bmp),
];

#[divan::bench(name = "decode", args = FORMATS)]
fn decode_whole(bencher: Bencher, stored: Stored) {
    let (bytes, config) = (stored.bytes(), DecodeConfig::torchvision());
    bencher
        .counter(BytesCount::of_slice(&PHOTO.data))
        .bench_local(|| decode(black_box(&bytes), &config));
}

fn transform() -> TrainTransform {
    let (config, preprocessing) = (AugmentConfig::default(), Preprocessing::imagenet());
    TrainTransform::new(&config, &preprocessing, SIDE).expect("a possible transform")
}

/// The photo's own random numbers, the same in every round.
fn random() -> image_data::random::Random {
    Key::new(0, 0, 0, Purpose::Augment).stream()
}

/// From the file to a random-resized, flipped square; `smaller` as well from a JPEG's smaller sizes.
#[divan::bench(args = [false, true])]
fn training_sample(bencher: Bencher, smaller: bool) {
    let (transform, config) = (transform(), DecodeConfig::torchvision());
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        let mut random = random();
        let mut choose = |width, height| transform.part(width, height, &mut random);
        let part = match smaller {
            true => decode_smaller_part(&JPEG, &config, [SIDE; 2], &mut choose),
            false => decode_part(&JPEG, &config, &mut choose),
        };
        transform.apply_to_part(part.expect("a JPEG file"), &mut random)
    });
}

/// A whole decoded picture, cropped, resized and flipped.
#[divan::bench]
fn crop_resize_flip(bencher: Bencher) {
    let transform = transform();
    bencher
        .with_inputs(|| PHOTO.clone())
        .counter(ItemsCount::new(1_u32))
        .bench_local_values(|image| transform.apply(image, &mut random()));
}

#[divan::bench(name = "resize", args = [Filter::Bilinear, Filter::Bicubic])]
fn resize_to_256(bencher: Bencher, filter: Filter) {
    bencher
        .counter(ItemsCount::new(1_u32))
        .bench_local(|| resize(black_box(&PHOTO), 256, 256, filter));
}

/// What stands between a decoded picture and the network: resized, cropped, normalized.
#[divan::bench]
fn preprocess(bencher: Bencher) {
    let preprocessing = Preprocessing::imagenet();
    bencher
        .counter(ItemsCount::new(1_u32))
        .bench_local(|| preprocessing.apply(black_box(&PHOTO)));
}
