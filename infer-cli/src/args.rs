//! What can be typed. Names and defaults only; files and models are looked at elsewhere.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::LazyLock;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum, ValueHint};
use image_data::decode::DecodeLimits;
use inference::explain::Method;
use inference::metadata::Preset;
use inference::{EngineKind, Precision};
use model_core::hierarchy::DEFAULT_AT_LEAST;
use model_core::manifest::Output;
use model_core::preprocessing::{ChannelOrder, Layout, Resize};
use model_core::resample::Filter;
use model_core::scores::DEFAULT_TOP_K;
use photos::sort::Template;

use crate::words::WordsArgs;

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
    #[command(flatten)]
    pub classify: ClassifyArgs,
    #[command(subcommand)]
    pub command: Option<Command>,
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
the folder of models; ORT_DYLIB_PATH names the ONNX Runtime library.";

#[derive(Debug, Subcommand)]
pub enum Command {
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

#[derive(Debug, Args)]
pub struct ClassifyArgs {
    /// Images: files, folders (searched through, sorted), globs, or - for one image on stdin
    #[arg(value_name = "IMAGE", value_hint = ValueHint::AnyPath)]
    pub images: Vec<PathBuf>,
    #[command(flatten)]
    pub answer: AnswerArgs,
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// What is printed.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Answer")]
pub struct AnswerArgs {
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
    /// How --explain finds out: cam (one run; networks that end in average pooling and one linear layer), occlusion
    /// (hides one part after the other; any network, hundreds of runs), or auto: cam where it can
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

/// How images are found and read.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Input")]
pub struct InputArgs {
    /// Read image paths from a file, one a line; - reads stdin
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files_from: Option<PathBuf>,
    /// Paths in the list end in a zero byte instead of a line break
    #[arg(short = '0', long, requires = "files_from")]
    pub null: bool,
    #[command(flatten)]
    pub decode: DecodeArgs,
}

/// How image files become pixels.
#[derive(Clone, Debug, Default, Args)]
pub struct DecodeArgs {
    /// Turn photos upright as the camera noted, or leave the pixels as stored (a TIFF is turned in either case) [default: as the model was trained]
    #[arg(long, value_enum, help_heading = "Input")]
    pub exif: Option<ExifArg>,
    /// Convert colors to sRGB by the embedded profile, or take the numbers as they are [default: as the model was trained]
    #[arg(long, value_enum, help_heading = "Input")]
    pub icc: Option<IccArg>,
    /// Lay transparent images on white, or forget the transparency [default: as the model was trained]
    #[arg(long, value_enum, help_heading = "Input")]
    pub alpha: Option<AlphaArg>,
    /// Read images as torchvision does, for comparable figures: --exif ignore --icc ignore --alpha drop
    #[arg(long, conflicts_with_all = ["exif", "icc", "alpha"], help_heading = "Input")]
    pub torchvision: bool,
    #[command(flatten)]
    pub limits: LimitArgs,
}

/// What one image may cost.
#[derive(Clone, Debug, Args)]
pub struct LimitArgs {
    /// Refuse images of more pixels than this, in millions
    #[arg(
        long,
        value_name = "MEGAPIXELS",
        default_value_t = DecodeLimits::default().max_pixels / 1_000_000,
        value_parser = clap::value_parser!(u64).range(1..),
        help_heading = "Input"
    )]
    pub max_megapixels: u64,
    /// Refuse images with a longer side than this, in pixels
    #[arg(
        long,
        value_name = "PIXELS",
        default_value_t = DecodeLimits::default().max_side,
        value_parser = clap::value_parser!(u32).range(1..),
        help_heading = "Input"
    )]
    pub max_side: u32,
    /// Refuse images that need more memory than this to decode, in MiB
    #[arg(
        long,
        value_name = "MIB",
        default_value_t = DecodeLimits::default().max_memory_bytes >> 20,
        value_parser = clap::value_parser!(u64).range(1..),
        help_heading = "Input"
    )]
    pub max_memory: u64,
    /// Refuse image files larger than this, in MiB
    #[arg(
        long,
        value_name = "MIB",
        default_value_t = DecodeLimits::default().max_bytes >> 20,
        value_parser = clap::value_parser!(u64).range(1..),
        help_heading = "Input"
    )]
    pub max_file_size: u64,
}

impl Default for LimitArgs {
    fn default() -> Self {
        let limits = DecodeLimits::default();
        Self {
            max_megapixels: limits.max_pixels / 1_000_000,
            max_side: limits.max_side,
            max_memory: limits.max_memory_bytes >> 20,
            max_file_size: limits.max_bytes >> 20,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExifArg {
    Apply,
    Ignore,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IccArg {
    Srgb,
    Ignore,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AlphaArg {
    White,
    Drop,
}

/// Which model, and what it cannot say of itself.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Model")]
pub struct ModelArgs {
    /// An ONNX file or a name from `infer-cli models` [default: the one that `export-onnx --install` put there, or
    /// models/resnet50/model.onnx, else the model inside the program]
    #[arg(short, long, value_name = "PATH|NAME", env = "INFER_MODEL", hide_env = true, value_hint = ValueHint::FilePath)]
    pub model: Option<PathBuf>,
    /// What runs the network: kernels (our own), tract, onnxruntime (a library found at run time), or auto: kernels
    /// where they compute all of it, tract otherwise
    #[arg(long, default_value = "auto", value_name = "ENGINE")]
    pub engine: EngineKind,
    /// In what numbers a float32 network is computed: float32, bf16 (bfloat16: faster, less exact; needs AMX or AVX-512
    /// BF16), or auto: bf16 where this processor has it, float32 otherwise
    #[arg(long, default_value = "float32", value_name = "NUMBERS")]
    pub precision: Precision,
    /// Threads [default: one a core]
    #[arg(short = 'j', long, value_name = "N", value_parser = positive)]
    pub threads: Option<usize>,
    /// Images in one run of the network [default: the engine's choice]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub batch: Option<usize>,
    /// The ONNX Runtime library
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub onnxruntime_lib: Option<PathBuf>,
    /// A manifest that takes the place of the model's own
    #[arg(long, value_name = "YAML", value_hint = ValueHint::FilePath)]
    pub manifest: Option<PathBuf>,
    #[command(flatten)]
    pub describe: DescribeArgs,
}

/// For models without metadata: values that win over whatever the file says.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Models that do not describe themselves")]
pub struct DescribeArgs {
    /// Preprocessing by name: imagenet, cifar10, zero-to-one or minus-one-to-one
    #[arg(long, value_name = "NAME")]
    pub preset: Option<Preset>,
    /// Class names, one a line; an id and a tab before the name give ids, too
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub labels: Option<PathBuf>,
    /// Network input: SIDE or HEIGHTxWIDTH
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub size: Option<[u32; 2]>,
    /// Resize before the crop: short side N, HEIGHTxWIDTH, or none
    #[arg(long, value_name = "SIZE", value_parser = resize)]
    pub resize: Option<Resize>,
    /// bilinear or bicubic
    #[arg(long, value_name = "KERNEL", value_parser = interpolation)]
    pub interpolation: Option<Filter>,
    /// Subtracted from each channel: R,G,B
    #[arg(long, value_name = "R,G,B", value_parser = three, allow_hyphen_values = true)]
    pub mean: Option<[f32; 3]>,
    /// Divides each channel: R,G,B
    #[arg(long, value_name = "R,G,B", value_parser = three)]
    pub std: Option<[f32; 3]>,
    /// Axes of the input: nchw or nhwc
    #[arg(long, value_name = "AXES", value_parser = layout)]
    pub layout: Option<Layout>,
    /// Order of the channels: rgb or bgr
    #[arg(long, value_name = "ORDER", value_parser = channels)]
    pub channels: Option<ChannelOrder>,
    /// A byte is divided by this first: 255 gives 0 to 1, 1 leaves 0 to 255
    #[arg(long, value_name = "NUMBER")]
    pub pixel_max: Option<f32>,
    /// What the network gives: logits, probabilities, log-probabilities, sigmoid-scores (independent scores from 0 to 1)
    /// or sigmoid-logits (the same before the sigmoid)
    #[arg(long, value_name = "KIND", value_parser = output)]
    pub network_output: Option<Output>,
    /// Which of the network's outputs holds the answer
    #[arg(long, value_name = "NAME")]
    pub output_name: Option<String>,
    /// Score from which a class of a binary or multi-label answer counts as present [default: the model's, or 0.5]
    #[arg(long, value_name = "SCORE", value_parser = fraction)]
    pub present_from: Option<f32>,
    /// Divides the logits before softmax
    #[arg(long, value_name = "T")]
    pub temperature: Option<f32>,
}

/// How much is said on stderr.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Messages")]
pub struct TalkArgs {
    /// No progress and no notes; errors only
    #[arg(short, long)]
    pub quiet: bool,
    /// Say which model, engine and preprocessing are used, and how long it took
    #[arg(short, long, conflicts_with = "quiet")]
    pub verbose: bool,
}

#[derive(Debug, Args)]
pub struct ModelsArgs {
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

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
    #[command(flatten)]
    pub model: ModelArgs,
}

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
    #[command(flatten)]
    pub decode: DecodeArgs,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub talk: TalkArgs,
}

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
    #[command(flatten)]
    pub decode: DecodeArgs,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub talk: TalkArgs,
}

#[derive(Debug, Args)]
pub struct TeachArgs {
    /// A folder with one folder of photos a class, 2 photos a class at least; a folder called 'none' holds photos of
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
    #[command(flatten)]
    pub decode: DecodeArgs,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub talk: TalkArgs,
}

#[derive(Debug, Args)]
pub struct SortArgs {
    /// Folders of photos, searched through, and single photos
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
    #[command(flatten)]
    pub words: WordsArgs,
    #[command(flatten)]
    pub decode: DecodeArgs,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub talk: TalkArgs,
}

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
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub talk: TalkArgs,
}

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
    #[command(flatten)]
    pub words: WordsArgs,
    #[command(flatten)]
    pub decode: DecodeArgs,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub talk: TalkArgs,
}

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// bash, elvish, fish, powershell or zsh
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write a page for every command into this folder instead of the main page to stdout
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
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

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("expected a whole number from 1".to_owned()),
        Ok(n) => Ok(n),
    }
}

fn refusals(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=0.5).contains(&share) => Ok(share),
        _ => Err(format!("expected a share from 0 to 0.5, got '{text}'")),
    }
}

fn template(text: &str) -> Result<Template, String> {
    Template::parse(text).map_err(|error| error.to_string())
}

pub(crate) fn fraction(text: &str) -> Result<f32, String> {
    text.parse::<f32>()
        .ok()
        .filter(|p| (0.0..=1.0).contains(p))
        .ok_or_else(|| "expected a probability from 0 to 1".to_owned())
}

fn size(text: &str) -> Result<[u32; 2], String> {
    let side = |part: &str| part.parse::<u32>().ok().filter(|side| *side > 0);
    let sides = match text.split_once('x') {
        Some((height, width)) => side(height).zip(side(width)),
        None => side(text).map(|side| (side, side)),
    };
    sides
        .map(|(height, width)| [height, width])
        .ok_or_else(|| "expected SIDE or HEIGHTxWIDTH in pixels".to_owned())
}

fn resize(text: &str) -> Result<Resize, String> {
    match text {
        "none" => Ok(Resize::None),
        text if text.contains('x') => {
            size(text).map(|[height, width]| Resize::Exact { height, width })
        }
        text => size(text).map(|[short, _]| Resize::ShortSide(short)),
    }
    .map_err(|_| "expected the short side in pixels, HEIGHTxWIDTH, or none".to_owned())
}

fn three(text: &str) -> Result<[f32; 3], String> {
    let numbers: Vec<f32> = text
        .split(',')
        .map(|part| f32::from_str(part.trim()))
        .collect::<Result<_, _>>()
        .map_err(|_| "expected numbers".to_owned())?;
    match numbers[..] {
        [all] => Ok([all; 3]),
        [r, g, b] => Ok([r, g, b]),
        _ => Err("expected three numbers, R,G,B, or one for all".to_owned()),
    }
}

fn interpolation(text: &str) -> Result<Filter, String> {
    match text {
        "bilinear" => Ok(Filter::Bilinear),
        "bicubic" => Ok(Filter::Bicubic),
        _ => Err("expected bilinear or bicubic".to_owned()),
    }
}

fn layout(text: &str) -> Result<Layout, String> {
    match text {
        "nchw" => Ok(Layout::Nchw),
        "nhwc" => Ok(Layout::Nhwc),
        _ => Err("expected nchw or nhwc".to_owned()),
    }
}

fn channels(text: &str) -> Result<ChannelOrder, String> {
    match text {
        "rgb" => Ok(ChannelOrder::Rgb),
        "bgr" => Ok(ChannelOrder::Bgr),
        _ => Err("expected rgb or bgr".to_owned()),
    }
}

fn output(text: &str) -> Result<Output, String> {
    Output::ALL
        .into_iter()
        .find(|output| output.name() == text)
        .ok_or_else(|| {
            format!(
                "expected one of {}",
                Output::ALL.map(Output::name).join(", ")
            )
        })
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
            Some(Command::Info(_))
        ));
        assert_eq!(
            parse("infer-cli ./info").classify.images,
            [PathBuf::from("./info")]
        );
        assert_eq!(parse("infer-cli -").classify.images, [PathBuf::from("-")]);
    }

    #[test]
    fn values_are_checked() {
        assert_eq!(size("224"), Ok([224, 224]));
        assert_eq!(size("192x256"), Ok([192, 256]));
        assert!(size("0").is_err() && size("axb").is_err());
        assert_eq!(resize("none"), Ok(Resize::None));
        assert_eq!(resize("232"), Ok(Resize::ShortSide(232)));
        assert_eq!(three("0.5"), Ok([0.5; 3]));
        assert!(three("1,2").is_err());
        assert!(fraction("1.5").is_err() && fraction("nan").is_err());
        assert!(positive("0").is_err());
    }
}
