//! What a person at a terminal can do about an error: the libraries' [`Remedy`] in the words of this program's options.

use image_data::decode::DecodeError;
use inference::stream::Failure;
use inference::{EngineError, InferenceError};
use model_core::diagnostic::{Diagnose, Limit, Remedy};

use photos::sort::SortError;
use photos::teach::TeachError;

use crate::output::FailureReason;

/// A failure in words: what happened, its stable name, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureText {
    /// What was expected and what was got.
    pub error: String,
    /// A stable name for programs.
    pub code: Option<&'static str>,
    /// What to do about it, in options of this program.
    pub advice: Option<String>,
}

impl FailureText {
    /// A failure of one image.
    pub fn failure(failure: &Failure) -> Self {
        match failure {
            Failure::Error(InferenceError::Decode(error)) => Self::decode(error),
            Failure::Error(error) => Self {
                error: failure.to_string(),
                code: Some(error.code()),
                advice: error.remedy().as_ref().and_then(words),
            },
            Failure::Listing(_) => Self {
                error: failure.to_string(),
                code: None,
                advice: None,
            },
        }
    }

    /// An image that could not be decoded.
    pub fn decode(error: &DecodeError) -> Self {
        Self {
            error: error.to_string(),
            code: Some(error.code()),
            advice: advice(error),
        }
    }

    /// For programs.
    pub fn problem(&self) -> FailureReason<'_> {
        FailureReason {
            error: &self.error,
            code: self.code,
        }
    }
}

/// What to do about an error that ends the program; none where nothing sensible can be advised.
pub fn of(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| {
        let remedy = if let Some(error) = cause.downcast_ref::<InferenceError>() {
            error.remedy()
        } else if let Some(error) = cause.downcast_ref::<TeachError>() {
            error.remedy()
        } else if let Some(error) = cause.downcast_ref::<SortError>() {
            error.remedy()
        } else {
            cause.downcast_ref::<EngineError>()?.remedy()
        };
        remedy.as_ref().and_then(words)
    })
}

fn advice(error: &DecodeError) -> Option<String> {
    let remedy = error.remedy()?;
    let (Remedy::RaiseLimit(limit), Some(needed)) = (&remedy, needed(error)) else {
        return words(&remedy);
    };
    Some(format!(
        "if you trust it, {} {needed} reads it",
        option(*limit)
    ))
}

/// The value that lets the image pass, in the option's unit.
fn needed(error: &DecodeError) -> Option<u64> {
    Some(match error {
        DecodeError::TooManyPixels { width, height, .. } => {
            (u64::from(*width) * u64::from(*height)).div_ceil(1_000_000)
        }
        DecodeError::SideTooLong { width, height, .. } => u64::from(*width.max(height)),
        DecodeError::TooMuchMemory { bytes, .. } | DecodeError::TooManyBytes { bytes, .. } => {
            bytes.div_ceil(1 << 20)
        }
        _ => return None,
    })
}

fn option(limit: Limit) -> &'static str {
    match limit {
        Limit::Pixels => "--max-megapixels",
        Limit::Side => "--max-side",
        Limit::Memory => "--max-memory",
        Limit::FileSize => "--max-file-size",
    }
}

/// A remedy in this program's words; none where it offers nothing to do.
pub fn words(remedy: &Remedy) -> Option<String> {
    Some(match remedy {
        Remedy::CopyAgain => "copy or download it again".to_owned(),
        Remedy::ConvertPicture => "convert it to JPEG or PNG with another program".to_owned(),
        Remedy::InstallLibheif => "install libheif's heif-dec (Debian: libheif-examples), or convert it to JPEG or PNG \
                                   with another program"
            .to_owned(),
        Remedy::NotAPicture => return None,
        Remedy::RaiseLimit(limit) => format!("{} raises the limit", option(*limit)),
        Remedy::CheckReadable(path) => {
            format!("check that {} is there and may be read", path.display())
        }
        Remedy::CheckWritable(path) => {
            format!(
                "check that {} is there, may be written and has space",
                path.display()
            )
        }
        Remedy::UseEngine(names) => format!("use --engine {}", names.join(" or ")),
        Remedy::UsePrecision(names) => format!("use --precision {}", names.join(" or ")),
        Remedy::InstallOnnxRuntime => "install ONNX Runtime (the Python package 'onnxruntime' holds the library in \
             onnxruntime/capi) and name it with --onnxruntime-lib or ORT_DYLIB_PATH; --engine onnxruntime then uses it"
            .to_owned(),
        Remedy::StateNetworkOutput => "say with --network-output what the network gives".to_owned(),
        Remedy::ChooseOutput(names) => format!("choose --output-name {}", names.join(" or ")),
        Remedy::StatePreprocessing => "write a manifest.yaml beside the model, or choose --preset imagenet (resize 256, \
             crop 224, bilinear, ImageNet mean and std) and correct single values with --size, --resize, --layout, \
             --mean, --std, --interpolation"
            .to_owned(),
        Remedy::ChooseArchitecture(names) => format!("choose --arch {}", names.join(" or ")),
        Remedy::FixLabels => "correct the manifest, or give one name a class with --labels".to_owned(),
        Remedy::ExportAgain => "export the model again from its checkpoint with export-onnx".to_owned(),
        Remedy::ChooseAnotherModel => "choose another model with --model (infer-cli models lists those known by name)".to_owned(),
        Remedy::UseFewerThreads => "use fewer --threads".to_owned(),
        Remedy::ReportBug => "this is a mistake of ours: please report it with the file".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_told_with_the_option_that_lets_the_image_pass() {
        let error = DecodeError::TooManyPixels {
            width: 20_000,
            height: 10_001,
            limit: 128_000_000,
        };
        assert_eq!(
            advice(&error).as_deref(),
            Some("if you trust it, --max-megapixels 201 reads it")
        );
        let error = DecodeError::SideTooLong {
            width: 70_000,
            height: 10,
            limit: 65_535,
        };
        assert_eq!(
            advice(&error).as_deref(),
            Some("if you trust it, --max-side 70000 reads it")
        );
    }
}
