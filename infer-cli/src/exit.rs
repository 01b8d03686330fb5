//! What the process's exit code says. Documented in the README and in `--help`; scripts rely on it.

use std::process::ExitCode;

use image_data::decode::DecodeError;
use inference::InferenceError;
use model_core::atomic_file::WriteFileError;
use model_core::text::{join_causes, one_line};
use photos::teach::TeachError;

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Every image was classified.
    Success = 0,
    /// Some images failed, each with an error line; or there was none.
    SomeFailed = 1,
    /// The command line cannot be understood or asks for the impossible.
    Usage = 2,
    /// The model or its engine cannot be used.
    Model = 3,
    /// Ctrl-C.
    Interrupted = 130,
}

/// A mistake on the command line that only shows once files are looked at.
#[derive(Debug)]
pub struct UsageError(pub String);

impl std::fmt::Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// A file that describes the model cannot be read.
#[derive(Debug)]
pub struct ModelFileError(pub String);

impl std::fmt::Display for ModelFileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ModelFileError {}

impl Exit {
    /// The exit code an error stands for.
    pub fn of(error: &anyhow::Error) -> Self {
        for cause in error.chain() {
            if cause.is::<UsageError>() {
                return Self::Usage;
            }
            if cause.is::<ModelFileError>() {
                return Self::Model;
            }
            if let Some(error) = cause.downcast_ref::<TeachError>() {
                return match error {
                    TeachError::Model(error) => Self::of_inference(error),
                    TeachError::NoLinearEnd { .. } | TeachError::NotTaught { .. } => Self::Model,
                    TeachError::Write(_) => Self::SomeFailed,
                    // What a folder of photos lacks is the command line's.
                    _ => Self::Usage,
                };
            }
            if let Some(error) = cause.downcast_ref::<InferenceError>() {
                return Self::of_inference(error);
            }
        }
        Self::SomeFailed
    }

    fn of_inference(error: &InferenceError) -> Self {
        match error {
            InferenceError::Cancelled => Self::Interrupted,
            error if error.is_model() => Self::Model,
            _ => Self::SomeFailed,
        }
    }
}

/// The error and its causes on one line. The libraries' errors say their causes themselves, so the line ends with the
/// first of them.
pub fn line(error: &anyhow::Error) -> String {
    let mut parts = Vec::new();
    for cause in error.chain() {
        parts.push(one_line(cause));
        if cause.is::<InferenceError>()
            || cause.is::<DecodeError>()
            || cause.is::<WriteFileError>()
            || cause.is::<TeachError>()
        {
            break;
        }
    }
    join_causes(parts)
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}
