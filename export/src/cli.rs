//! The command line: what can be typed. What it means is in the modules that take these options.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::emit::DEFAULT_OPSET;
use crate::hub::Destination;

/// Turn a checkpoint into one ONNX file that describes itself, and prove that it answers as the checkpoint does.
#[derive(Debug, Parser)]
#[command(
    name = "export-onnx",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  export-onnx --install
  export-onnx --checkpoint runs/demo/checkpoints/best.safetensors --output model.onnx
  export-onnx --checkpoint resnet50.pth --arch resnet50 --output resnet50.onnx --verify-data photos/
  export-onnx --checkpoint best.safetensors --output int8.onnx --int8 --calibration photos/
  export-onnx verify model.onnx --data photos/
  export-onnx inspect model.onnx
  export-onnx --checkpoint best.safetensors --to timm=cats-resnet50 --to photoprism=models/cats_resnet50
  export-onnx sign cats-resnet50 --private-key key.pem
  export-onnx verify-signature cats-resnet50 --public-key key.pub.pem

Exit code: 0 when the model was written and proved, 1 on any error, 2 on wrong arguments."
)]
pub struct Cli {
    /// What else than an export is to be done, if anything.
    #[command(subcommand)]
    pub command: Option<ExportCommand>,
    /// What to export, without a command.
    #[command(flatten)]
    pub export: ExportArgs,
    /// Where photos of an object store stay.
    #[cfg(feature = "object-stores")]
    #[command(flatten)]
    pub cache: cloud_data::CacheConfig,
}

/// What `export-onnx` does beside exporting.
#[derive(Debug, Subcommand)]
pub enum ExportCommand {
    /// Repeat the proof of a model that export-onnx wrote.
    Verify(VerifyArgs),
    /// Describe any ONNX classifier: inputs, operators, parameters, metadata.
    Inspect(InspectArgs),
    /// Sign a model file or folder with a private key (OpenSSF Model Signing 1.0), without a network.
    Sign(SignArgs),
    /// Check that a model file or folder is what the holder of a key has signed.
    VerifySignature(VerifySignatureArgs),
}

/// What to export, and how.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Weights: .safetensors, or a PyTorch .pth (no code in it is run). Default: the best checkpoint of the newest run
    /// under runs/.
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// The ONNX file to write; an older one stays untouched until the new one has passed its proof. Default: model.onnx in
    /// the checkpoint's run, or the checkpoint's name with .onnx.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Put a copy where infer-cli and the window find it and take it when no model is named.
    #[arg(long)]
    pub install: bool,
    /// Architecture, for checkpoints that do not say it (resnet50, tf_efficientnet_lite0, ...).
    #[arg(long, value_name = "NAME")]
    pub arch: Option<String>,
    /// Class names, one a line; or `imagenet1k`.
    #[arg(long, value_name = "FILE")]
    pub labels: Option<String>,
    /// A manifest.yaml with labels, preprocessing and license, for checkpoints that carry none.
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// The training recipe (YAML) to record as provenance.
    #[arg(long, value_name = "FILE")]
    pub recipe: Option<PathBuf>,
    /// The model's name in its metadata.
    #[arg(long)]
    pub name: Option<String>,
    /// SPDX license of the weights, recorded in the metadata.
    #[arg(long, value_name = "SPDX")]
    pub license: Option<String>,
    /// Take the moving average of the weights, where the checkpoint holds one.
    #[arg(long)]
    pub ema: bool,
    /// ONNX operator set, 11 to 22.
    #[arg(long, default_value_t = DEFAULT_OPSET, value_name = "N")]
    pub opset: i64,
    /// Leave height and width of the input open.
    #[arg(long, conflicts_with_all = ["preprocess_in_graph", "int8"])]
    pub dynamic_size: bool,
    /// Store the weights as float16 (half the file; the arithmetic stays float32).
    #[arg(long, conflicts_with = "int8")]
    pub fp16: bool,
    /// Give probabilities instead of logits.
    #[arg(long)]
    pub softmax: bool,
    /// Take uint8 pixels [1, height, width, 3] of any size: resize, crop and normalization become part of the graph
    /// (opset 18).
    #[arg(long, conflicts_with_all = ["int8", "fp16"])]
    pub preprocess_in_graph: bool,
    /// Also write manifest.yaml, labels.txt, config.json and preprocessor_config.json beside the model. Files of these
    /// names that say something else stop the export.
    #[arg(long)]
    pub side_files: bool,
    /// Put a bill of materials (CycloneDX 1.6) into the manifest: what the model was made from and with.
    #[arg(long)]
    pub sbom: bool,
    /// Also write the folder that another tool takes the model from: timm=DIR (timm and transformers), transformers-js=DIR,
    /// photoprism=DIR, ort=DIR (ONNX Runtime mobile). Repeat it for several. Files in DIR that say something else stop
    /// the export.
    #[arg(long, value_name = "TOOL=DIR", conflicts_with_all = ["preprocess_in_graph", "softmax"])]
    pub to: Vec<Destination>,
    /// The Python whose onnxruntime package makes the .ort file of --to ort=DIR. Default: python3 on the PATH.
    #[arg(long, value_name = "FILE", requires = "to")]
    pub python: Option<PathBuf>,
    /// Let --side-files and --to replace files that are there and say something else.
    #[arg(long)]
    pub overwrite_side_files: bool,
    /// Whether and how the model becomes int8.
    #[command(flatten)]
    pub quantize: crate::quant::QuantizeArgs,
    /// How the model is proved.
    #[command(flatten)]
    pub proof: ProofArgs,
}

/// What a model is compared with, and in which engines.
#[derive(Clone, Debug, Args)]
pub struct ProofArgs {
    /// Also compare on the images of this folder; class subfolders give the accuracy before and after.
    #[arg(long, value_name = "DIR", alias = "data")]
    pub verify_data: Option<PathBuf>,
    /// Use at most this many of the images.
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub verify_images: usize,
    /// Also compare with logits of the training framework: an .npz with `input` [N, 3, H, W] and `logits` [N, classes].
    #[arg(long, value_name = "FILE")]
    pub reference_logits: Option<PathBuf>,
    /// Engines to compare, comma separated: kernels, tract, onnxruntime. Default: our kernels where they compute the
    /// whole network, tract, and ONNX Runtime where it is found.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub engines: Vec<String>,
    /// The ONNX Runtime library to load.
    #[arg(long, env = "ORT_DYLIB_PATH", value_name = "FILE")]
    pub onnxruntime_lib: Option<PathBuf>,
}

/// Which proof is repeated.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The model.
    pub model: PathBuf,
    /// The checkpoint it was made from; without it, the answers stored in the model are compared.
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// How the model is proved.
    #[command(flatten)]
    pub proof: ProofArgs,
}

/// What is signed, and with which key.
#[derive(Debug, Args)]
pub struct SignArgs {
    /// A model file, or a folder with all that belongs to a model.
    pub model: PathBuf,
    /// An ECDSA P-256 key in PEM without a password, as of `openssl ecparam -name prime256v1 -genkey -noout`.
    #[arg(long, value_name = "FILE")]
    pub private_key: PathBuf,
    /// The signature to write. Default: model.sig in the folder, or the file's name with .sig.
    #[arg(long, value_name = "FILE")]
    pub signature: Option<PathBuf>,
    /// Leave out this file or folder, a path inside the model's folder. Git's own files are left out anyway.
    #[arg(long, value_name = "PATH")]
    pub ignore: Vec<String>,
    /// Replace a signature that is there.
    #[arg(long)]
    pub overwrite: bool,
}

/// Which signature is checked, and with which key.
#[derive(Debug, Args)]
pub struct VerifySignatureArgs {
    /// The model file or folder.
    pub model: PathBuf,
    /// The public key in PEM, as of `openssl ec -in key.pem -pubout`.
    #[arg(long, value_name = "FILE")]
    pub public_key: PathBuf,
    /// The signature. Default: model.sig in the folder, or the file's name with .sig.
    #[arg(long, value_name = "FILE")]
    pub signature: Option<PathBuf>,
    /// Leave out this file or folder, a path inside the model's folder, beside those that the signature leaves out.
    #[arg(long, value_name = "PATH")]
    pub ignore: Vec<String>,
}

/// Which model is described, and how.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The model.
    pub model: PathBuf,
    /// One line per node as well.
    #[arg(long)]
    pub nodes: bool,
    /// JSON instead of tables.
    #[arg(long)]
    pub json: bool,
}
