//! Images a second from the files of a folder: the whole picture decoded; cropped, resized and flipped; and all of it, decoding no
//! more than the crop needs, exactly and smaller.
//!
//! cargo bench -p image-data --bench throughput -- FOLDER [SIDE [STAGE [THREADS]]]
//!
//! FOLDER holds one folder per class. Files are read before the clock starts. Each stage runs in alternation with the
//! others and the best of five rounds counts, so a busy machine disturbs all of them alike. With THREADS, "all" and
//! "smaller" share the files as the loader's threads do: whoever is free takes the next.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use image_data::augment::{AugmentConfig, TrainTransform, Transform};
use image_data::decode::{DecodeConfig, decode, decode_part, decode_smaller_part};
use image_data::folder::Folder;
use image_data::random::{Key, Purpose};

const ROUNDS: usize = 5;

/// How often "all" and "smaller" go over the files in a round: the loader's threads live for a whole run.
const PASSES: usize = 3;

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
    let stages: [(&str, usize, &dyn Fn()); 4] = [
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
    ];
    // One stage alone, for a profiler: `decode`, `crop`, `all` or `smaller`.
    let only = arguments.get(2).cloned().unwrap_or_default();
    let stages: Vec<_> = stages
        .into_iter()
        .filter(|(name, ..)| name.starts_with(&only))
        .collect();
    let mut best = vec![f64::INFINITY; stages.len()];
    for _ in 0..ROUNDS {
        for ((.., stage), best) in stages.iter().zip(&mut best) {
            let began = Instant::now();
            stage();
            *best = best.min(began.elapsed().as_secs_f64());
        }
    }
    for ((name, passes, _), seconds) in stages.iter().zip(best) {
        println!(
            "{name:20} {:7.0} images/s",
            (files.len() * passes) as f64 / seconds
        );
    }
}
