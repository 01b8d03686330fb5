//! What can be typed. Names and defaults only; files and models are looked at elsewhere.

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueHint};
use inference::EngineKind;
use inference::explain::Method;
use model_core::scores::DEFAULT_TOP_K;

use crate::words::WordsArgs;

mod commands;
mod images;
mod model;
mod values;

pub use commands::*;
pub use images::*;
pub use model::*;
pub(crate) use values::fraction;
use values::positive;

/// Classify photos, offline.
#[derive(Debug, Parser)]
#[command(
    name = "infer-cli",
    version,
    max_term_width = 100,
    args_conflicts_with_subcommands = true,
    subcommand_help_heading = "Commands (a file of such a name is reached as ./NAME)",
    subcommand_value_name = "COMMAND",
    after_help = "Exit codes: 0 every image classified, 1 some failed (each has an error line), \
                  2 wrong usage, 3 the model or its engine cannot be used, 130 interrupted.",
    after_long_help = EXAMPLES
)]
pub struct Arguments {
    /// What to classify, without a command.
    #[command(flatten)]
    pub classify: ClassifyArgs,
    /// What else is to be done, if anything.
    #[command(subcommand)]
    pub command: Option<InferCommand>,
}

const EXAMPLES: &str = "\
Examples:
  infer-cli photo.jpg                          the five likeliest classes
  infer-cli photo.jpg --topk 1 --abstain 0.5   one answer, or 'not sure'
  infer-cli holiday/ --json > answers.jsonl    a folder, one JSON object a line
  infer-cli 'shots/**/*.png' --csv             a glob that the shell need not expand
  curl -s URL | infer-cli -                    image bytes on stdin
  find . -name '*.jpg' -print0 | infer-cli --files-from - -0 --json
  infer-cli photo.jpg --explain why.png        what the answer rests on
  infer-cli teach photos/ --output mine.onnx   your own classes, one folder each
  infer-cli sort holiday/ --into sorted/       a folder a label; --undo takes it back
  infer-cli evaluate photos/                   accuracy on class folders
  infer-cli serve                              drag and drop in a browser

Exit codes:
  0  every image classified
  1  some images failed, each with a line on stderr; or none was found
  2  wrong usage
  3  the model or its engine cannot be used
  130  interrupted

Environment: NO_COLOR switches color off; INFER_MODEL is the default of --model; INFER_MODELS_DIR names \
the folder of models; ORT_DYLIB_PATH names the ONNX Runtime library; HEIF_DEC names the program that decodes HEIC and \
AVIF (heif-dec in PATH by default; empty: none).";

/// What `infer-cli` does beside classifying.
#[derive(Debug, Subcommand)]
pub enum InferCommand {
    /// List the models that --model knows by name
    Models(ModelsArgs),
    /// Describe a model: labels, preprocessing, accuracy, provenance
    Info(InfoArgs),
    /// Measure accuracy and calibration on a folder with one folder a class
    Evaluate(EvaluateArgs),
    /// Fit the temperature that makes probabilities honest, and write it into the model
    Calibrate(CalibrateArgs),
    /// Make a model of your own classes from folders of photos, in seconds
    Teach(Box<TeachArgs>),
    /// Sort photos into one folder a label, with a way back
    Sort(Box<SortArgs>),
    /// Measure time per stage, images a second by thread count, and memory
    Bench(BenchArgs),
    /// Serve a drag-and-drop page and a JSON endpoint over HTTP
    Serve(ServeArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Write the manual pages
    Man(ManArgs),
}

/// What to classify, and how to answer.
#[derive(Debug, Args)]
pub struct ClassifyArgs {
    /// Images: files, folders (searched through, sorted), globs, or - for one image on stdin
    #[arg(value_name = "IMAGE", value_hint = ValueHint::AnyPath)]
    pub images: Vec<PathBuf>,
    /// What is printed.
    #[command(flatten)]
    pub answer: AnswerArgs,
    /// How images are found and read.
    #[command(flatten)]
    pub input: InputArgs,
    /// Which model answers.
    #[command(flatten)]
    pub model: ModelArgs,
    /// How much is said on stderr.
    #[command(flatten)]
    pub verbosity: VerbosityArgs,
}

/// What is printed.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Answer")]
pub struct AnswerArgs {
    /// Which words the answer has.
    #[command(flatten)]
    pub words: WordsArgs,
    /// Classes shown for an image
    #[arg(short = 'k', long = "topk", value_name = "K", default_value_t = DEFAULT_TOP_K, value_parser = positive)]
    pub top_k: usize,
    /// Show only classes at least this likely
    #[arg(long, value_name = "P", value_parser = fraction)]
    pub threshold: Option<f32>,
    /// Say 'not sure' when the best class is less likely than this
    #[arg(long, value_name = "P", value_parser = fraction)]
    pub abstain: Option<f32>,
    /// One JSON object a line
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
    /// Comma-separated values with a header
    #[arg(long)]
    pub csv: bool,
    /// Write the crop the network saw and what its answer rests on, side by side, to a PNG (one image only)
    #[arg(long, value_name = "PNG", value_hint = ValueHint::FilePath)]
    pub explain: Option<PathBuf>,
    /// How --explain finds out: cam, occlusion, or auto (cam where it can). cam takes one run, for networks that end in
    /// average pooling and one linear layer. occlusion hides one part after the other: any network, hundreds of runs
    #[arg(
        long,
        value_name = "METHOD",
        default_value = "auto",
        requires = "explain",
        hide_default_value = true
    )]
    pub explain_method: Method,
    /// Write what the network saw of every image: the crop as PNG, the tensor as .npy
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub save_preprocessed: Option<PathBuf>,
}

/// How much is said on stderr.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Messages")]
pub struct VerbosityArgs {
    /// No progress and no notes; errors only
    #[arg(short, long)]
    pub quiet: bool,
    /// Say which model, engine and preprocessing are used, and how long it took
    #[arg(short, long, conflicts_with = "quiet")]
    pub verbose: bool,
}

/// The command line as clap sees it, with a version text that names the engine and the embedded model.
pub fn command() -> clap::Command {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        format!(
            "{} (engine {}: {} or tract; default model {})",
            env!("CARGO_PKG_VERSION"),
            EngineKind::default(),
            inference::engine::kernels_here()
                .map_or("no kernels for this processor".to_owned(), |isa| format!(
                    "{isa} kernels"
                )),
            inference::embedded::NAME
        )
    });
    Arguments::command().version(VERSION.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        command().debug_assert();
    }

    fn parse(line: &str) -> Arguments {
        Arguments::try_parse_from(line.split(' ')).unwrap()
    }

    #[test]
    fn files_need_no_command_and_commands_have_their_own_arguments() {
        let plain = parse("infer-cli photo.jpg --topk 3");
        assert!(plain.command.is_none());
        assert_eq!(
            (plain.classify.answer.top_k, plain.classify.images.len()),
            (3, 1)
        );
        assert!(matches!(
            parse("infer-cli info").command,
            Some(InferCommand::Info(_))
        ));
        assert_eq!(
            parse("infer-cli ./info").classify.images,
            [PathBuf::from("./info")]
        );
        assert_eq!(parse("infer-cli -").classify.images, [PathBuf::from("-")]);
    }
}
