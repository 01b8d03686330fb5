//! What decoding smaller changes: the crops of one epoch, decoded exactly and smaller, resized to SIDE.
//!
//! ```text
//! cargo run --release -p image-data --example smaller -- DATA [SIDE...]
//! ```
//!
//! DATA is a data set in any layout. For each SIDE (224 and 56 by default): how many crops come at a half, a quarter and
//! an eighth, by how many levels of 255 their samples differ, and images a second on one thread.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use image_data::augment::{AugmentConfig, TrainTransform, Transform};
use image_data::dataset;
use image_data::decode::{DecodeConfig, decode_part, decode_smaller_part};
use image_data::random::{Key, Purpose};
use model_core::Preprocessing;

/// The differences of all samples that came at one share of their size.
#[derive(Default)]
struct Differences {
    samples: usize,
    sum: f64,
    squares: f64,
    values: f64,
    most: u8,
    /// Largest mean difference of one sample.
    worst_mean: f64,
}

impl Differences {
    fn add(&mut self, exact: &[u8], smaller: &[u8]) {
        let gaps = exact.iter().zip(smaller).map(|(a, b)| a.abs_diff(*b));
        let sum: f64 = gaps.clone().map(f64::from).sum();
        self.samples += 1;
        self.sum += sum;
        self.squares += gaps.clone().map(|gap| f64::from(gap).powi(2)).sum::<f64>();
        self.values += exact.len() as f64;
        self.most = self.most.max(gaps.max().unwrap_or_default());
        self.worst_mean = self.worst_mean.max(sum / exact.len() as f64);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (data, sides) = arguments.split_first().ok_or("expected a data set")?;
    let sides: Vec<u32> = match sides {
        [] => vec![224, 56],
        sides => sides
            .iter()
            .map(|side| side.parse())
            .collect::<Result<_, _>>()?,
    };
    let set = dataset::open(Path::new(data))?;
    let folder = set.train.or(set.val).ok_or("expected images")?;
    println!("{}", folder.description);
    let config = DecodeConfig::torchvision();
    let files: Vec<Vec<u8>> = folder
        .samples
        .iter()
        .filter_map(|sample| sample.read(&config.limits).ok())
        .collect();
    for side in sides {
        let augment = AugmentConfig::default();
        let transform = TrainTransform::new(&augment, &Preprocessing::imagenet(), side)?;
        let mut by_share: [Differences; 4] = Default::default();
        let mut took = [Duration::ZERO; 2];
        for (index, bytes) in files.iter().enumerate() {
            let key = Key::new(0, 0, index as u64, Purpose::Augment);
            let mut columns = [0; 2];
            let mut samples = Vec::new();
            for (way, (took, columns)) in took.iter_mut().zip(&mut columns).enumerate() {
                let began = Instant::now();
                let mut random = key.stream();
                let mut choose = |w, h| transform.part(w, h, &mut random);
                let part = match way {
                    0 => decode_part(bytes, &config, &mut choose),
                    _ => decode_smaller_part(bytes, &config, [side; 2], &mut choose),
                };
                let Ok(part) = part else { break };
                *columns = part.width;
                samples.push(transform.apply_to_part(part, &mut random));
                *took += began.elapsed();
            }
            if let [exact, smaller] = &samples[..] {
                let times = (f64::from(columns[0]) / f64::from(columns[1]))
                    .log2()
                    .round();
                by_share[(times as usize).min(3)].add(&exact.data, &smaller.data);
            }
        }
        println!("to {side} x {side}:");
        for (share, found) in ["1/1", "1/2", "1/4", "1/8"].iter().zip(by_share) {
            if found.samples > 0 {
                let psnr = 10.0 * (255.0_f64.powi(2) * found.values / found.squares).log10();
                println!(
                    "  {share}: {:4} crops, mean difference {:.2} levels, of one crop at most {:.2}, of one value at most \
                     {}, PSNR {psnr:.1} dB",
                    found.samples,
                    found.sum / found.values,
                    found.worst_mean,
                    found.most,
                );
            }
        }
        let rate = |took: Duration| files.len() as f64 / took.as_secs_f64();
        println!(
            "  exact {:.0} images/s, smaller {:.0}",
            rate(took[0]),
            rate(took[1])
        );
    }
    Ok(())
}
