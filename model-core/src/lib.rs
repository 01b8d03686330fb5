//! What training, export and inference agree on: networks as data, tensor names, manifests, labels,
//! and the evaluation preprocessing.
//!
//! It links neither libtorch nor tract and opens no image file: pixels come in decoded, numbers go out.
//!
//! ```
//! use model_core::{Preprocessing, RgbImage, arch};
//!
//! let network = arch::by_name("resnet50", 1000)?;
//! let tensors = network.graph().tensors();
//! assert_eq!((tensors[0].name.as_str(), &tensors[0].shape[..]), ("conv1.weight", &[64, 3, 7, 7][..]));
//!
//! // Resized to 256, cropped to 224, normalized: what torchvision does before this network.
//! let photo = RgbImage::filled(640, 480, [200, 120, 40])?;
//! assert_eq!(Preprocessing::imagenet().apply(&photo).len(), 3 * 224 * 224);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | idea |
//! |---|---|
//! | [`arch`] | a network is a graph of named layers; trainer and exporter interpret the same graph |
//! | [`manifest`] | what a model file says of itself |
//! | [`preprocessing`] | torchvision's evaluation transform, equal to it byte for byte after decoding |
//! | [`reading`] | how an image file becomes RGB pixels: orientation, transparency, color profile |
//! | [`resample`] | Pillow's antialiased `resize`, to the byte |
//! | [`pixels`] | a plain RGB image |
//! | [`weights`] | checkpoints as named tensors: safetensors, `.pth` without running its code |
//! | [`onnx`] | ONNX files as data |
//! | [`proof`] | answers that travel in a model file |
//! | [`hierarchy`] | words above the classes: five breeds are "cat" |
//! | [`labels`], [`scores`] | class names and their matching; softmax and top-k |
//! | [`runs`] | where `train` puts its runs, and which is the newest |
//! | [`text`] | other people's text as one harmless line, and the order of file names |
//! | [`splitmix`] | made-up numbers, the same on every machine |
//! | [`sync`] | locks that outlive a panic |
//! | [`atomic_file`] | files that appear whole or not at all |
//! | [`platform`] | what operating systems do differently |
//! | [`diagnostic`] | what errors tell programs and people beside their text |

pub mod arch;
pub mod atomic_file;
pub mod diagnostic;
pub mod hierarchy;
pub mod labels;
pub mod manifest;
pub mod onnx;
pub mod pixels;
pub mod platform;
pub mod preprocessing;
pub mod proof;
pub mod reading;
pub mod resample;
pub mod runs;
pub mod scores;
pub mod splitmix;
pub mod sync;
pub mod text;
pub mod weights;

pub use arch::{ArchGraph, Architecture};
pub use hierarchy::{EverydayAnswer, Hierarchy};
pub use labels::Label;
pub use manifest::Manifest;
pub use pixels::RgbImage;
pub use preprocessing::Preprocessing;
pub use reading::ReadingConfig;
