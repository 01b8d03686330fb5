//! What every error of the libraries can say beside its text: a stable code for programs, and a remedy for people.
//!
//! An error's `Display` says what was expected and what was got, and names the file. It never names a flag, a button or
//! a remedy: the front end knows where its reader is, so the front end words the [`Remedy`].
//!
//! ```
//! use model_core::diagnostic::{Diagnose, Limit, Remedy};
//!
//! #[derive(Debug, thiserror::Error)]
//! #[error("expected at most {limit} pixels, got {pixels}")]
//! struct TooManyPixels { pixels: u64, limit: u64 }
//!
//! impl Diagnose for TooManyPixels {
//!     fn code(&self) -> &'static str { "image.too-many-pixels" }
//!     fn remedy(&self) -> Option<Remedy> { Some(Remedy::RaiseLimit(Limit::Pixels)) }
//! }
//! ```

use std::path::PathBuf;

/// An error that a front end can explain and a program can tell from others.
pub trait Diagnose: std::error::Error {
    /// A stable name, `room.what-is-wrong` in lower case: `image.too-many-pixels`. Once released it keeps its meaning.
    fn code(&self) -> &'static str;

    /// What the reader can do about it; none where nothing sensible can be advised.
    fn remedy(&self) -> Option<Remedy>;
}

/// What a reader can do about an error. Each front end words it for the place where its reader is.
///
/// Front ends match on it without a wildcard, so a new remedy does not compile until each of them has words for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The file is damaged or incomplete: copy or download it again.
    CopyAgain,
    /// Convert the picture to a format that is read (JPEG or PNG) with another program.
    ConvertPicture,
    /// Install libheif's decoding program, or convert the picture.
    InstallLibheif,
    /// The file is no picture: leave it out.
    NotAPicture,
    /// Raise this limit, if the file is trusted.
    RaiseLimit(Limit),
    /// Check that the file or folder is there and may be read.
    CheckReadable(PathBuf),
    /// Check that the folder is there, may be written, and has space.
    CheckWritable(PathBuf),
    /// Run the network with another engine: one of these names.
    UseEngine(&'static [&'static str]),
    /// Compute the network in other numbers: one of these names.
    UsePrecision(&'static [&'static str]),
    /// Install ONNX Runtime, or say where its shared library lies.
    InstallOnnxRuntime,
    /// Say what the network's output is: logits, probabilities, ...
    StateNetworkOutput,
    /// Say which output of the network holds the answer: one of these.
    ChooseOutput(Vec<String>),
    /// Say how pictures are prepared for this network (size, mean, standard deviation, ...).
    StatePreprocessing,
    /// Say which architecture the weights belong to: one of these.
    ChooseArchitecture(Vec<String>),
    /// Give as many class names as the network has outputs.
    FixLabels,
    /// Export the model again from its checkpoint with this toolkit.
    ExportAgain,
    /// Choose another model file.
    ChooseAnotherModel,
    /// Use fewer threads.
    UseFewerThreads,
    /// A mistake of ours: report it with the file.
    ReportBug,
}

/// The limits a user can raise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Pixels of a decoded picture.
    Pixels,
    /// Columns or rows of a picture.
    Side,
    /// Memory that decoding one picture may take, in bytes.
    Memory,
    /// Size of an encoded file, in bytes.
    FileSize,
}
