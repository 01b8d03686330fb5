//! `infer-cli bench`: time per stage, images a second by thread count, memory; for one engine or several side by side.

use std::fmt::Write;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use image_data::decode::{DecodeConfig, decode, read_file};
use inference::stream::{Source, StreamConfig};
use inference::{Cancel, Classifier, EngineKind, Precision};
use serde::Serialize;

use super::print;
use crate::advice::FailureText;
use crate::args::{BenchArgs, InputArgs, ModelArgs};
use crate::output::SCHEMA;
use crate::sources::Sources;
use crate::{Exit, UsageError, model, report};

/// How long a throughput measurement lasts at least.
const THROUGHPUT_SECONDS: f64 = 2.0;

#[derive(Serialize)]
struct Document {
    schema: u32,
    model: String,
    images: usize,
    image_bytes: usize,
    runs: usize,
    cores: usize,
    engines: Vec<EngineFigures>,
}

#[derive(Serialize)]
struct EngineFigures {
    engine: EngineKind,
    precision: Precision,
    /// Which kernels run it, or why ours do not.
    engine_note: Option<String>,
    stages: Vec<Stage>,
    throughput: Vec<Throughput>,
    /// Resident memory with the model loaded and warm; engines measured later in one process include the earlier ones'.
    resident_bytes: Option<u64>,
    peak_resident_bytes: Option<u64>,
}

#[derive(Serialize)]
struct Stage {
    stage: &'static str,
    runs: usize,
    p50_millis: f64,
    p95_millis: f64,
}

#[derive(Serialize)]
struct Throughput {
    threads: usize,
    images: usize,
    images_per_second: f64,
}

/// Measures.
///
/// # Errors
/// When images or model cannot be used, or on Ctrl-C.
pub fn run(args: &BenchArgs, cancel: &Cancel) -> Result<Exit> {
    let (images, failed) = images(args)?;
    if images.is_empty() {
        return Ok(Exit::SomeFailed);
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let thread_counts = match &args.thread_counts[..] {
        [] => std::iter::successors(Some(1), |n| Some(n * 2))
            .take_while(|n| *n < cores)
            .chain([cores])
            .collect(),
        given => given.to_vec(),
    };
    let engines = match &args.engines[..] {
        [] => vec![args.model.engine],
        given => given.to_vec(),
    };
    let mut document = Document {
        schema: SCHEMA,
        model: String::new(),
        images: images.len(),
        image_bytes: images.iter().map(Vec::len).sum(),
        runs: args.runs,
        cores,
        engines: Vec::new(),
    };
    for engine in engines {
        let options = ModelArgs {
            engine,
            ..args.model.clone()
        };
        if !args.verbosity.quiet {
            report::note(&format!("measuring {engine}"));
        }
        let (classifier, stages) = stages(&options, &images, args, cancel)?;
        let info = classifier.model();
        document.model.clone_from(&info.name);
        let (precision, engine_note) = (info.precision, info.engine_note.clone());
        let memory = memory();
        drop(classifier);
        let mut rates = Vec::new();
        for threads in &thread_counts {
            rates.push(throughput(&options, &images, *threads, cancel)?);
        }
        document.engines.push(EngineFigures {
            engine,
            precision,
            engine_note,
            stages,
            throughput: rates,
            resident_bytes: memory.map(|(now, _)| now),
            peak_resident_bytes: memory.map(|(_, peak)| peak),
        });
    }
    if args.json {
        print(&format!("{}\n", serde_json::to_string(&document)?))?;
    } else {
        print(&text(&document)?)?;
    }
    Ok(match failed {
        0 => Exit::Success,
        _ => Exit::SomeFailed,
    })
}

/// The bytes of the images to measure with. What cannot be read is told and counted, and the rest is measured.
fn images(args: &BenchArgs) -> Result<(Vec<Vec<u8>>, usize)> {
    if args.images.is_empty() {
        return Ok((vec![generated_photo()?], 0));
    }
    let config = DecodeConfig::default();
    let mut images = Vec::new();
    let mut failed = 0;
    let sources = Sources::new(&args.images, &InputArgs::default(), config.limits)?;
    let passed_over = sources.passed_over.clone();
    for source in sources {
        let name = source.name();
        let bytes = match source {
            Source::File(path) => read_file(&path, &config.limits),
            Source::Bytes { bytes, .. } => Ok(bytes),
            Source::Failed { error, .. } => {
                failed += 1;
                report::error(&format!("{name}: {error}"));
                continue;
            }
        };
        match bytes.and_then(|bytes| decode(&bytes, &config).map(|_| bytes)) {
            Ok(bytes) => images.push(bytes),
            Err(error) => {
                failed += 1;
                report::failed_image(&name, &FailureText::decode(&error));
            }
        }
    }
    if !args.verbosity.quiet {
        report::passed_over(passed_over.count());
        if failed > 0 && !images.is_empty() {
            let all = images.len() + failed;
            let read = images.len();
            report::note(&format!(
                "measured with the {read} of {all} images that can be read"
            ));
        }
    }
    if images.is_empty() && failed == 0 {
        return Err(UsageError("no image found to measure with".to_owned()).into());
    }
    Ok((images, failed))
}

/// A JPEG of 500 x 375 pixels, as large as the average ImageNet photo, with structure at every scale.
fn generated_photo() -> Result<Vec<u8>> {
    let (width, height) = (500u32, 375u32);
    let mut noise = 0x2545_F491u32;
    let mut data = Vec::with_capacity((width * height * 3) as usize);
    for y in 0..height {
        for x in 0..width {
            noise ^= noise << 13;
            noise ^= noise >> 17;
            noise ^= noise << 5;
            let wave = ((x as f32 * 0.07).sin() + (y as f32 * 0.05).cos()) * 50.0;
            let grain = (noise % 24) as f32;
            for shift in [0.0, 20.0, 40.0] {
                data.push((100.0 + wave + grain + shift) as u8);
            }
        }
    }
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 90)
        .encode(&data, width, height, image::ExtendedColorType::Rgb8)
        .context("cannot make the test image")?;
    Ok(jpeg)
}

fn stages(
    args: &ModelArgs,
    images: &[Vec<u8>],
    bench: &BenchArgs,
    cancel: &Cancel,
) -> Result<(Classifier, Vec<Stage>)> {
    let config = model::config(args)?;
    let open = || model::load(args.model.as_deref(), &config);
    // Loading is slow; a few times tell enough.
    let mut load = Vec::new();
    let mut classifier = open()?;
    for _ in 0..bench.runs.min(5) {
        cancel.check()?;
        let start = Instant::now();
        classifier = open()?;
        load.push(start.elapsed());
    }
    let decode_config = DecodeConfig::default();
    let mut times: [Vec<Duration>; 4] = Default::default();
    let mut input = vec![0.0; classifier.input_len()];
    for warm in [true, false] {
        let runs = if warm { 3 } else { bench.runs };
        for image in images.iter().cycle().take(runs) {
            cancel.check()?;
            let start = Instant::now();
            let pixels = decode(image, &decode_config)?;
            let decoded = Instant::now();
            // A network that takes pictures has this stage inside.
            let pictures = classifier.takes_pictures();
            if !pictures {
                classifier.preprocess_into(&pixels, &mut input);
            }
            let preprocessed = Instant::now();
            let output = if pictures {
                classifier.logits(&pixels)?
            } else {
                classifier.logits_of(&input)?
            };
            let answered = Instant::now();
            std::hint::black_box(classifier.predictions(&classifier.probabilities(&output), 5));
            if !warm {
                times[0].push(decoded - start);
                times[1].push(preprocessed - decoded);
                times[2].push(answered - preprocessed);
                times[3].push(start.elapsed());
            }
        }
    }
    let names = ["decode", "preprocess", "run", "whole image"];
    let stages = std::iter::once(stage("load model", &mut load))
        .chain(
            names
                .into_iter()
                .zip(&mut times)
                .map(|(name, times)| stage(name, times)),
        )
        .collect();
    Ok((classifier, stages))
}

fn stage(stage: &'static str, times: &mut [Duration]) -> Stage {
    times.sort();
    let at = |part: f64| {
        let place = ((times.len() as f64 - 1.0) * part).round() as usize;
        times
            .get(place)
            .map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    };
    Stage {
        stage,
        runs: times.len(),
        p50_millis: at(0.5),
        p95_millis: at(0.95),
    }
}

/// Bytes in, answers out, everything overlapped, as for a folder of images.
fn throughput(
    args: &ModelArgs,
    images: &[Vec<u8>],
    threads: usize,
    cancel: &Cancel,
) -> Result<Throughput> {
    let args = ModelArgs {
        threads: Some(threads),
        ..args.clone()
    };
    let classifier = model::load(args.model.as_deref(), &model::config(&args)?)?;
    let config = StreamConfig {
        batch: args.batch.unwrap_or(0),
        cancel: cancel.clone(),
        ..StreamConfig::default()
    };
    let sources = images.iter().cycle().map(|bytes| Source::Bytes {
        name: String::new(),
        bytes: bytes.clone(),
    });
    let warm = classifier.preferred_batch();
    let mut count = 0;
    let mut start = Instant::now();
    classifier.stream(sources, &config, |_| {
        count += 1;
        if count == warm {
            start = Instant::now();
        }
        if count > warm && start.elapsed().as_secs_f64() > THROUGHPUT_SECONDS {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    let images = count - warm;
    Ok(Throughput {
        threads,
        images,
        images_per_second: images as f64 / start.elapsed().as_secs_f64(),
    })
}

/// Resident memory now and at its peak, where the system tells (Linux).
fn memory() -> Option<(u64, u64)> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace()
            .nth(1)?
            .parse::<u64>()
            .ok()
            .map(|kib| kib * 1024)
    };
    field("VmRSS:").zip(field("VmHWM:"))
}

fn text(document: &Document) -> Result<String> {
    let mut out = String::new();
    writeln!(
        out,
        "model {}, {} image(s), {} runs a stage, {} cores",
        document.model, document.images, document.runs, document.cores
    )?;
    for figures in &document.engines {
        let note = figures
            .engine_note
            .as_ref()
            .map_or(String::new(), |note| format!(" ({note})"));
        writeln!(
            out,
            "\n{}, {}{note}\nstage          p50 ms    p95 ms",
            figures.engine, figures.precision
        )?;
        for stage in &figures.stages {
            writeln!(
                out,
                "{:12} {:8.2}  {:8.2}",
                stage.stage, stage.p50_millis, stage.p95_millis
            )?;
        }
        writeln!(out, "threads  images/s")?;
        for rate in &figures.throughput {
            writeln!(out, "{:7}  {:8.1}", rate.threads, rate.images_per_second)?;
        }
        if let (Some(now), Some(peak)) = (figures.resident_bytes, figures.peak_resident_bytes) {
            let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
            writeln!(
                out,
                "memory       {:.0} MiB resident, {:.0} MiB at its peak",
                mib(now),
                mib(peak)
            )?;
        }
    }
    Ok(out)
}
