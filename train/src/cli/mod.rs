//! The command line: `train` trains; `train eval`, `summary`, `recipes`, `doctor` and `plot` look at things.

mod args;
mod look;
mod run;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use args::TrainArgs;

/// Trains image classifiers on ImageNet-style data; the best checkpoint goes on to `export-onnx`.
#[derive(Debug, Parser)]
#[command(name = "train", version, args_conflicts_with_subcommands = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    train: TrainArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure a checkpoint on a folder of images
    #[command(alias = "evaluate")]
    Eval(look::EvalArgs),
    /// Layers, output shapes, parameters and multiply-accumulates of an architecture
    Summary(look::SummaryArgs),
    /// List the recipes that come with the program, or print one in full
    Recipes(look::RecipesArgs),
}

/// Parses, runs, and turns the outcome into an exit code: 0 done, 1 failed, 2 wrong usage, 3 done but some images could
/// not be read, 128 + N saved and stopped by signal N.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        None => run::train(&cli.train),
        Some(Command::Eval(args)) => look::eval(&args),
        Some(Command::Summary(args)) => look::summary(&args),
        Some(Command::Recipes(args)) => look::recipes(&args),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
