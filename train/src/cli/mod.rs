//! The command line: `train` trains; `train evaluate`, `summary`, `recipes`, `doctor`, `plot` and `bench` look at things.

mod args;
mod bench;
mod bench_data;
mod data;
mod doctor;
mod evaluate;
mod gpus;
mod look;
mod pack;
mod plot;
mod run;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

pub use args::TrainArgs;

use crate::failure::{MemoryRemedy, OutOfMemory};

/// Trains image classifiers on ImageNet-style data; the best checkpoint goes on to `export-onnx`.
#[derive(Debug, Parser)]
#[command(
    name = "train",
    version,
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true
)]
struct Cli {
    #[command(flatten)]
    cache: cloud_data::CacheConfig,
    #[command(subcommand)]
    command: Option<TrainCommand>,
    #[command(flatten)]
    train: TrainArgs,
}

#[derive(Debug, Subcommand)]
enum TrainCommand {
    /// Measure a checkpoint on a folder of images
    #[command(visible_alias = "eval")]
    Evaluate(evaluate::EvaluateArgs),
    /// Layers, output shapes, parameters and multiply-accumulates of an architecture
    Summary(look::SummaryArgs),
    /// Look for unreadable, truncated, mislabeled, duplicate images before training
    Check(data::CheckArgs),
    /// Write a contact sheet of augmented samples
    Preview(data::PreviewArgs),
    /// Pack a data set into tar shards of resized JPEGs: fewer bytes to read, one file for thousands of images
    Pack(pack::PackArgs),
    /// List the recipes that come with the program, or print one in full
    Recipes(look::RecipesArgs),
    /// What this machine offers (libtorch, CUDA and why not, cores, memory), and whether a data directory is usable
    Doctor(doctor::DoctorArgs),
    /// Plot a run anew, or several against each other
    Plot(plot::PlotArgs),
    /// Measure the training step of a network on made-up images: milliseconds, images a second, memory
    Bench(bench::BenchArgs),
}

/// The command line as clap sees it.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Parses, runs, and turns the outcome into an exit code: 0 done, 1 failed, 2 wrong usage, 3 done but some images could
/// not be read, 128 + N saved and stopped by signal N.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    cloud_data::configure(&cli.cache);
    let result = match cli.command {
        None => run::train(&cli.train),
        Some(TrainCommand::Evaluate(args)) => evaluate::evaluate(&args),
        Some(TrainCommand::Summary(args)) => look::summary(&args),
        Some(TrainCommand::Check(args)) => data::check(&args),
        Some(TrainCommand::Preview(args)) => data::preview(&args),
        Some(TrainCommand::Pack(args)) => pack::pack(&args),
        Some(TrainCommand::Recipes(args)) => look::recipes(&args),
        Some(TrainCommand::Doctor(args)) => doctor::doctor(&args),
        Some(TrainCommand::Plot(args)) => plot::plot(&args),
        Some(TrainCommand::Bench(args)) => bench::bench(&args),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            let remedy = remedy(&error).map_or(String::new(), |remedy| format!(": {remedy}"));
            crate::say!("error: {}{remedy}", crate::failure::describe(&error));
            ExitCode::FAILURE
        }
    }
}

/// What helps against an error, in flags.
fn remedy(error: &anyhow::Error) -> Option<String> {
    let memory = error.downcast_ref::<OutOfMemory>()?;
    Some(match memory.remedy {
        MemoryRemedy::FindMicroBatch => {
            "try --micro-batch-size auto, which finds how many images fit at a time".to_owned()
        }
        MemoryRemedy::SmallerMicroBatch(images) => format!("try --micro-batch-size {images}"),
        MemoryRemedy::LessPerImage => {
            "fewer at a time cannot be computed; try smaller images, --precision bf16 or a smaller network, end what else \
             uses the memory, or in training keep less of each image: --set gradient_checkpointing=true"
                .to_owned()
        }
        MemoryRemedy::SmallerBatch(images) => format!("try --batch-size {images}"),
    })
}
