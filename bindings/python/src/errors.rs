//! The library's errors as Python exceptions: the text, the stable code, and the remedy in the words of this package.

use std::ffi::CString;
use std::path::Path;

use image_data::decode::DecodeError;
use inference::InferenceError;
use model_core::diagnostic::{Diagnose, Limit, Remedy};
use model_core::text::one_line;
use pyo3::exceptions::{PyException, PyUserWarning};
use pyo3::prelude::*;
use pyo3::{PyTypeInfo, create_exception};

create_exception!(
    resnet50_toolkit,
    ToolkitError,
    PyException,
    "Why there is no answer: the text says what was expected and what was got, `code` is a stable name, and `remedy` \
     says what to do about it (None where nothing sensible can be advised)."
);
create_exception!(
    resnet50_toolkit,
    ModelError,
    ToolkitError,
    "The model, or what runs it, is at fault: no other picture would do better."
);
create_exception!(
    resnet50_toolkit,
    PictureError,
    ToolkitError,
    "This one picture cannot be read or classified."
);
create_exception!(
    resnet50_toolkit,
    PictureWarning,
    PyUserWarning,
    "There is an answer, but it may be wrong: the picture is damaged, or only a preview of it was read."
);

/// The exception for an error of the library; `picture` is what the caller called the picture at fault, if one is.
pub fn exception(py: Python<'_>, picture: Option<&str>, error: &InferenceError) -> PyErr {
    let (code, remedy) = match error {
        InferenceError::Decode(error) => (error.code(), advice(error)),
        error => (error.code(), error.remedy().map(|remedy| words(&remedy))),
    };
    let text = match picture {
        Some(name) => one_line(format_args!("{name}: {error}")),
        None => one_line(error),
    };
    // What fails before there is a picture (a manifest that cannot be read) is about the model.
    let exception = if picture.is_none() || error.is_model() {
        ModelError::new_err(text)
    } else {
        PictureError::new_err(text)
    };
    let value = exception.value(py);
    let set = value
        .setattr("code", code)
        .and_then(|()| value.setattr("remedy", remedy));
    match set {
        Ok(()) => exception,
        Err(error) => error,
    }
}

/// Warns the caller about the answer to a picture.
///
/// # Errors
/// Where the caller has made exceptions of warnings.
pub fn warn(py: Python<'_>, picture: &str, what: &str) -> PyResult<()> {
    // A line without control characters holds no zero byte either.
    let text = CString::new(one_line(format_args!("{picture}: {what}")))?;
    PyErr::warn(py, &PictureWarning::type_object(py), &text, 1)
}

fn advice(error: &DecodeError) -> Option<String> {
    let argument = match error {
        DecodeError::TooManyPixels { width, height, .. } => {
            format!("max_pixels={}", u64::from(*width) * u64::from(*height))
        }
        DecodeError::SideTooLong { width, height, .. } => {
            format!("max_side={}", width.max(height))
        }
        DecodeError::TooMuchMemory { bytes, .. } => format!("max_memory_bytes={bytes}"),
        DecodeError::TooManyBytes { bytes, .. } => format!("max_file_bytes={bytes}"),
        error => return error.remedy().map(|remedy| words(&remedy)),
    };
    Some(format!(
        "if you trust it, Classifier.open({argument}) reads it"
    ))
}

/// A remedy in this package's words.
fn words(remedy: &Remedy) -> String {
    let check = |path: &Path, what| format!("check that {} {what}", path.display());
    match remedy {
        Remedy::CopyAgain => {
            "the file is damaged or incomplete: copy or download it again".to_owned()
        }
        Remedy::ConvertPicture => {
            "convert it to JPEG or PNG with another program, or open it with Pillow and hand that image in".to_owned()
        }
        Remedy::InstallLibheif => {
            "install libheif's program heif-dec (Debian: libheif-examples), or convert the picture".to_owned()
        }
        Remedy::NotAPicture => "leave it out".to_owned(),
        Remedy::RaiseLimit(limit) => {
            let argument = match limit {
                Limit::Pixels => "max_pixels",
                Limit::Side => "max_side",
                Limit::Memory => "max_memory_bytes",
                Limit::FileSize => "max_file_bytes",
            };
            format!("if you trust it, raise {argument} of Classifier.open()")
        }
        Remedy::CheckReadable(path) => check(path, "is there and may be read"),
        Remedy::CheckWritable(path) => check(path, "is there, may be written and has space"),
        Remedy::UseEngine(names) => format!("use engine={}", quoted(names)),
        Remedy::UsePrecision(names) => format!("use precision={}", quoted(names)),
        Remedy::InstallOnnxRuntime => {
            "pip install onnxruntime, and name its library (in onnxruntime/capi) with onnxruntime_lib or ORT_DYLIB_PATH"
                .to_owned()
        }
        Remedy::StateNetworkOutput => {
            "say in a manifest what the network gives ('output'), and name the file with manifest".to_owned()
        }
        Remedy::ChooseOutput(names) => format!(
            "export the model with one output, the one of these that holds the answer: {}",
            names.join(", ")
        ),
        Remedy::StatePreprocessing => {
            "write a manifest.yaml beside the model, or name one with manifest".to_owned()
        }
        Remedy::ChooseArchitecture(names) => {
            format!("name one of these architectures: {}", names.join(", "))
        }
        Remedy::FixLabels => "correct the labels in the manifest: one name a class".to_owned(),
        Remedy::ExportAgain => {
            "export the model again from its checkpoint with export-onnx".to_owned()
        }
        Remedy::ChooseAnotherModel => "choose another model file".to_owned(),
        Remedy::UseFewerThreads => "use fewer threads".to_owned(),
        Remedy::ReportBug => {
            "this is a mistake of ours: please report it with the file".to_owned()
        }
    }
}

fn quoted(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    names.join(" or ")
}
