//! Images a second from the files of a folder: the whole picture decoded; cropped, resized and flipped; all of it, decoding no
//! more than the crop needs, exactly and smaller; and the loader, which also reads the files and fills batches.
//!
//! cargo bench -p image-data --bench throughput -- FOLDER [SIDE [STAGE [THREADS]]]
//!
//! FOLDER holds one folder per class. But for the loader's, files are read before the clock starts. Stages run in turns,
//! so that a busy machine disturbs all of them alike, and the median of five rounds counts. With THREADS, "all" and
//! "smaller" share the files as the loader's threads do: whoever is free takes the next.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use image_data::augment::{AugmentConfig, TrainTransform, Transform};
use image_data::decode::{DecodeConfig, decode, decode_part, decode_smaller_part};
use image_data::folder::Folder;
use image_data::loader::{Loader, LoaderConfig};
use image_data::random::{Key, Purpose};
use image_data::sampler::Sampler;
use image_data::source::FolderSource;

const ROUNDS: usize = 5;

/// How often those stages that have threads go over the files in a round: the loader's live for a whole run.
const PASSES: usize = 3;

/// Images of one of the loader's batches.
const BATCH: usize = 50;

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with("--"))
        .collect();
    let Some(folder) = arguments.first() else {
        println!(
            "usage: cargo bench -p image-data --bench throughput -- FOLDER [SIDE [STAGE [THREADS]]]"
        );
        return;
    };
    let side = arguments
        .get(1)
        .map_or(224, |text| text.parse().expect("SIDE: a number of pixels"));
    let threads: usize = arguments
        .get(3)
        .map_or(1, |text| text.parse().expect("THREADS: a number"));
    assert!(threads > 0, "THREADS: at least 1");
    let folder = Folder::open(folder).expect("a folder of class folders");
    let files: Vec<Vec<u8>> = folder
        .samples
        .iter()
        .map(|s| std::fs::read(&s.path).expect("a readable file"))
        .collect();
    let config = DecodeConfig::torchvision();
    let images: Vec<_> = files
        .iter()
        .filter_map(|bytes| decode(bytes, &config).ok())
        .collect();
    let pixels: u64 = images
        .iter()
        .map(|i| u64::from(i.width) * u64::from(i.height))
        .sum();
    println!(
        "{} files, {:.0} KB and {:.2} Mpixel on average, {} readable, to {side} x {side}",
        files.len(),
        files.iter().map(Vec::len).sum::<usize>() as f64 / 1e3 / files.len() as f64,
        pixels as f64 / 1e6 / images.len() as f64,
        images.len()
    );
    let transform = TrainTransform::new(
        &AugmentConfig::default(),
        &model_core::Preprocessing::imagenet(),
        side,
    )
    .expect("a possible transform");
    let random = |index: usize| Key::new(0, 0, index as u64, Purpose::Augment).stream();
    let all = |smaller: bool| {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                let (files, transform, config, next) = (&files, &transform, &config, &next);
                scope.spawn(move || {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= files.len() * PASSES {
                            break;
                        }
                        let index = number % files.len();
                        let bytes = &files[index];
                        let mut random = random(index);
                        let mut choose = |width, height| transform.part(width, height, &mut random);
                        let part = match smaller {
                            true => decode_smaller_part(bytes, config, [side; 2], &mut choose),
                            false => decode_part(bytes, config, &mut choose),
                        };
                        if let Ok(part) = part {
                            black_box(transform.apply_to_part(part, &mut random));
                        }
                    }
                });
            }
        });
    };
    let source = FolderSource::new(folder.clone(), config);
    let loader = Loader::new(
        Arc::new(source),
        Arc::new(transform.clone()),
        Sampler::shuffled(files.len(), BATCH, 0),
        LoaderConfig::training(threads),
    );
    let load = || {
        for epoch in 0..PASSES as u32 {
            let mut batches = loader.epoch(epoch, 0).expect("threads");
            while let Some(batch) = batches.next() {
                batches.recycle(black_box(batch.expect("a readable batch")).pixels);
            }
        }
    };
    let stages: [(&str, usize, &dyn Fn()); 5] = [
        ("decode", 1, &|| {
            for bytes in &files {
                let _ = black_box(decode(bytes, &config));
            }
        }),
        ("crop, resize, flip", 1, &|| {
            for (index, image) in images.iter().enumerate() {
                black_box(transform.apply(image.clone(), &mut random(index)));
            }
        }),
        ("all", PASSES, &|| all(false)),
        ("smaller", PASSES, &|| all(true)),
        ("loader", PASSES, &load),
    ];
    // One stage alone, for a profiler: `decode`, `crop`, `all`, `smaller` or `loader`.
    let only = arguments.get(2).cloned().unwrap_or_default();
    let stages: Vec<_> = stages
        .into_iter()
        .filter(|(name, ..)| name.starts_with(&only))
        .collect();
    let mut seconds = vec![Vec::new(); stages.len()];
    for _ in 0..ROUNDS {
        for ((.., stage), seconds) in stages.iter().zip(&mut seconds) {
            let began = Instant::now();
            stage();
            seconds.push(began.elapsed().as_secs_f64());
        }
    }
    for ((name, passes, _), mut seconds) in stages.iter().zip(seconds) {
        seconds.sort_by(f64::total_cmp);
        println!(
            "{name:20} {:7.0} images/s",
            (files.len() * passes) as f64 / seconds[ROUNDS / 2]
        );
    }
}
