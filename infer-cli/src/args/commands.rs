//! What each command takes beside the shared groups of arguments.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use inference::EngineKind;
use model_core::hierarchy::DEFAULT_AT_LEAST;
use photos::sort::Template;

use super::values::{fraction, positive, refusals, template};
use super::{DecodeArgs, ModelArgs, VerbosityArgs};
use crate::words::WordsArgs;

/// How the models that are known by name are listed.
#[derive(Debug, Args)]
pub struct ModelsArgs {
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// Which model is described, and how.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// An ONNX file or a name from `infer-cli models`; wins over --model
    #[arg(value_name = "MODEL", value_hint = ValueHint::FilePath)]
    pub which: Option<PathBuf>,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
    /// Every label, too
    #[arg(long)]
    pub labels_list: bool,
    /// Which model is described, where none is named.
    #[command(flatten)]
    pub model: ModelArgs,
}

/// What accuracy is measured on, and how it is reported.
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// A folder with one folder a class, called by class name, WordNet id or class number
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
    /// The report as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Confusion pairs and worst classes shown in the text report
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub show: usize,
    /// Write wrongly classified images, worst first, to a PNG contact sheet
    #[arg(long, value_name = "PNG", value_hint = ValueHint::FilePath)]
    pub save_errors: Option<PathBuf>,
    /// How likely an answer must be to count as given, in classes and in everyday words
    #[arg(long, value_name = "P", default_value_t = DEFAULT_AT_LEAST, value_parser = fraction)]
    pub at_least: f32,
    /// How image files become pixels.
    #[command(flatten)]
    pub decode: DecodeArgs,
    /// Which model is asked.
    #[command(flatten)]
    pub model: ModelArgs,
    /// How much is said on stderr.
    #[command(flatten)]
    pub verbosity: VerbosityArgs,
}

/// What a temperature is fitted on, and where it goes.
#[derive(Debug, Args)]
pub struct CalibrateArgs {
    /// Images the model was not trained on: one folder a class
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
    /// Write the calibrated model here instead of into the model's own file
    #[arg(short, long, value_name = "ONNX", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Only report; write nothing
    #[arg(long, conflicts_with = "output")]
    pub dry_run: bool,
    /// The report as one JSON object
    #[arg(long)]
    pub json: bool,
    /// How image files become pixels.
    #[command(flatten)]
    pub decode: DecodeArgs,
    /// Which model is asked.
    #[command(flatten)]
    pub model: ModelArgs,
    /// How much is said on stderr.
    #[command(flatten)]
    pub verbosity: VerbosityArgs,
}

/// What a model is taught from, and where it goes.
#[derive(Debug, Args)]
pub struct TeachArgs {
    /// A folder with one folder of photos a class, 2 photos a class at least. A folder called 'none' holds photos of
    /// nothing that is taught
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath, required_unless_present = "add")]
    pub dir: Option<PathBuf>,
    /// Where the model goes
    #[arg(short, long, value_name = "ONNX", value_hint = ValueHint::FilePath, required_unless_present = "dry_run")]
    pub output: Option<PathBuf>,
    /// Add the photos of this folder to those that the model given with --model was taught from
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "dir", requires = "model")]
    pub add: Option<PathBuf>,
    /// Share of photos of your classes that may be answered with 'none of these'; 0 leaves that answer out
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, value_parser = refusals)]
    pub refuse: f64,
    /// Do not keep the photos' features in the model: it is smaller, and nothing can be added to it
    #[arg(long)]
    pub forget: bool,
    /// The model's name [default: the file's]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Only report; write nothing
    #[arg(long, conflicts_with = "output")]
    pub dry_run: bool,
    /// The report as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Confusion pairs, suspects and groups of alike photos shown in the text report
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub show: usize,
    /// How image files become pixels.
    #[command(flatten)]
    pub decode: DecodeArgs,
    /// Which model sees the photos.
    #[command(flatten)]
    pub model: ModelArgs,
    /// How much is said on stderr.
    #[command(flatten)]
    pub verbosity: VerbosityArgs,
}

/// Which photos are sorted, and how.
#[derive(Debug, Args)]
pub struct SortArgs {
    /// Folders of photos, searched through, single photos, and globs
    #[arg(value_name = "PHOTOS", value_hint = ValueHint::AnyPath, required_unless_present = "undo")]
    pub photos: Vec<PathBuf>,
    /// The folder that gets one folder a label
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, required_unless_present = "xmp")]
    pub into: Option<PathBuf>,
    /// Folders below --into: {label}, {date} (2026-11-26), {year}, {month} and {day}, with any words and slashes
    /// between them. The day is the one that the camera noted
    #[arg(long, value_name = "FOLDERS", default_value = "{label}", value_parser = template)]
    pub template: Template,
    /// Move the photos instead of copying them
    #[arg(long = "move", conflicts_with = "link")]
    pub move_photos: bool,
    /// Make links to the photos instead of copying them
    #[arg(long)]
    pub link: bool,
    /// Leave the photos where they are and write what they show as keywords into XMP sidecars (photo.jpg.xmp)
    #[arg(long, conflicts_with_all = ["into", "template", "move_photos", "link"])]
    pub xmp: bool,
    /// Only print what would go where
    #[arg(long)]
    pub dry_run: bool,
    /// Take back the last sorting into this folder (with --xmp the last keywords in it), also one that was broken off
    #[arg(long, conflicts_with_all = ["template", "move_photos", "link", "dry_run"])]
    pub undo: bool,
    /// Which words the labels are.
    #[command(flatten)]
    pub words: WordsArgs,
    /// How image files become pixels.
    #[command(flatten)]
    pub decode: DecodeArgs,
    /// Which model is asked.
    #[command(flatten)]
    pub model: ModelArgs,
    /// How much is said on stderr.
    #[command(flatten)]
    pub verbosity: VerbosityArgs,
}

/// What is measured, and how often.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Images to measure with [default: one generated photo-sized JPEG]
    #[arg(value_name = "IMAGE", value_hint = ValueHint::AnyPath)]
    pub images: Vec<PathBuf>,
    /// Runs of every stage
    #[arg(short = 'n', long, value_name = "N", default_value_t = 30, value_parser = positive)]
    pub runs: usize,
    /// Thread counts for images a second, comma-separated [default: 1, 2, 4 ... up to the cores]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = positive)]
    pub thread_counts: Vec<usize>,
    /// Engines to compare, comma-separated [default: --engine]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub engines: Vec<EngineKind>,
    /// The figures as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Which model is measured.
    #[command(flatten)]
    pub model: ModelArgs,
    /// How much is said on stderr.
    #[command(flatten)]
    pub verbosity: VerbosityArgs,
}

/// Where the service listens, and what a request may cost.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Address to listen on; anything but loopback makes the service reachable for others
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub host: std::net::IpAddr,
    /// Port; 0 takes a free one
    #[arg(short, long, default_value_t = 8750, value_name = "PORT")]
    pub port: u16,
    /// Largest upload, in MiB
    #[arg(long, default_value_t = 32, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub max_upload: u64,
    /// Seconds an upload and its answer may take, each
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub timeout: u64,
    /// Images decoded at once; more wait their turn, and the network runs them one by one [default: --threads]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub concurrency: Option<usize>,
    /// Connections open at once; when there are more, those that only wait are closed
    #[arg(long, default_value_t = 2048, value_name = "N", value_parser = positive)]
    pub max_connections: usize,
    /// Write a line for every request to stderr
    #[arg(long)]
    pub log: bool,
    /// Which words the answers have.
    #[command(flatten)]
    pub words: WordsArgs,
    /// How image files become pixels.
    #[command(flatten)]
    pub decode: DecodeArgs,
    /// Which model is asked.
    #[command(flatten)]
    pub model: ModelArgs,
    /// How much is said on stderr.
    #[command(flatten)]
    pub verbosity: VerbosityArgs,
}

/// Which shell completions are for.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// bash, elvish, fish, powershell or zsh
    pub shell: clap_complete::Shell,
}

/// Where manual pages go.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write a page for every command into this folder instead of the main page to stdout
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
}
