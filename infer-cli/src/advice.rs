//! What a person at a terminal can do about an error: the libraries' [`Remedy`] in the words of this program's options.

use image_data::decode::DecodeError;
use inference::Error;
use inference::stream::Failure;
use model_core::diagnostic::{Diagnose, Limit, Remedy};

use crate::output::Problem;

/// A failure as it is told: the text, its stable name, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What was expected and what was got.
    pub error: String,
    /// A stable name for programs.
    pub code: Option<&'static str>,
    /// What to do about it, in options of this program.
    pub advice: Option<String>,
}

impl Told {
    /// A failure of one image.
    pub fn failure(failure: &Failure) -> Self {
        match failure {
            Failure::Error(Error::Decode(error)) => Self::decode(error),
            Failure::Error(_) | Failure::Listing(_) => Self {
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
    pub fn problem(&self) -> Problem<'_> {
        Problem {
            error: &self.error,
            code: self.code,
        }
    }
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
        Remedy::InstallOnnxRuntime => {
            "install ONNX Runtime, or name its library with --onnxruntime-lib".to_owned()
        }
        Remedy::StateNetworkOutput => "say with --network-output what the network gives".to_owned(),
        Remedy::ChooseOutput(names) => format!("choose --output-name {}", names.join(" or ")),
        Remedy::StatePreprocessing => {
            "say how images are prepared: --preset, or --size, --mean and --std".to_owned()
        }
        Remedy::ChooseArchitecture(names) => format!("choose --arch {}", names.join(" or ")),
        Remedy::FixLabels => "give as many class names as the network has outputs".to_owned(),
        Remedy::ExportAgain => "export the model again from its checkpoint".to_owned(),
        Remedy::ChooseAnotherModel => "choose another model file with --model".to_owned(),
        Remedy::UseFewerThreads => "use fewer --threads".to_owned(),
        Remedy::ReportBug => "report this, with the file".to_owned(),
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
