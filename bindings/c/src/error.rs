//! What went wrong, as C can ask for it: a status from the function itself, the rest kept for the thread that called.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};
use std::path::Path;

use image_data::decode::DecodeError;
use image_data::sandbox;
use inference::InferenceError;
use model_core::diagnostic::{Diagnose, Limit, Remedy};
use model_core::text::one_line;

/// How a call ended.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It did what it should.
    Ok = 0,
    /// An argument is NULL, or not what the function takes.
    Argument = 1,
    /// This one picture cannot be read or classified.
    Picture = 2,
    /// The model, or what runs it, is at fault: no other picture would do better.
    Model = 3,
    /// A mistake of ours. Nothing was done.
    Bug = 4,
}

/// A failure on its way to the caller.
pub(crate) struct Failed {
    status: Status,
    message: String,
    code: &'static str,
    remedy: Option<String>,
}

impl Failed {
    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self {
            status: Status::Argument,
            message: message.into(),
            code: "argument.invalid",
            remedy: None,
        }
    }

    /// An error of the library; `picture` is what the caller called the picture at fault, if one is.
    pub(crate) fn library(picture: Option<&str>, error: &InferenceError) -> Self {
        let (code, remedy) = match error {
            InferenceError::Decode(error) => (error.code(), advice(error)),
            error => (error.code(), error.remedy().map(|remedy| words(&remedy))),
        };
        Self {
            // What fails before there is a picture (a manifest that cannot be read) is about the model.
            status: if picture.is_none() || error.is_model() {
                Status::Model
            } else {
                Status::Picture
            },
            message: match picture {
                Some(name) => format!("{name}: {error}"),
                None => error.to_string(),
            },
            code,
            remedy,
        }
    }
}

#[derive(Default)]
struct Last {
    message: CString,
    code: CString,
    remedy: Option<CString>,
}

thread_local! {
    static LAST: RefCell<Last> = RefCell::default();
}

/// Runs the body of a function that C calls: failures are kept for the thread, and a panic becomes a status.
pub(crate) fn guard(body: impl FnOnce() -> Result<(), Failed>) -> Status {
    let result = sandbox::catch(body).unwrap_or_else(|_| {
        Err(Failed {
            status: Status::Bug,
            message: "something inside the library failed, and nothing was answered".to_owned(),
            code: "bug.panic",
            remedy: Some(words(&Remedy::ReportBug)),
        })
    });
    let (status, last) = match result {
        Ok(()) => (Status::Ok, Last::default()),
        Err(failed) => (
            failed.status,
            Last {
                message: c_string(&failed.message),
                code: c_string(failed.code),
                remedy: failed.remedy.as_deref().map(c_string),
            },
        ),
    };
    LAST.set(last);
    status
}

/// Text for C: one line, without control characters and so without a zero inside.
pub(crate) fn c_string(text: &str) -> CString {
    CString::new(one_line(text)).unwrap_or_default()
}

fn kept(choose: impl FnOnce(&Last) -> Option<&CStr>) -> *const c_char {
    LAST.with_borrow(|last| choose(last).map_or(std::ptr::null(), CStr::as_ptr))
}

/// What was expected and what was got, on one line; empty when the last call on this thread went well.
#[unsafe(no_mangle)]
pub extern "C" fn resnet50_error_message() -> *const c_char {
    kept(|last| Some(&last.message))
}

/// A stable name of the error, as "image.truncated"; empty when the last call on this thread went well.
#[unsafe(no_mangle)]
pub extern "C" fn resnet50_error_code() -> *const c_char {
    kept(|last| Some(&last.code))
}

/// What to do about it; NULL where nothing sensible can be advised.
#[unsafe(no_mangle)]
pub extern "C" fn resnet50_error_remedy() -> *const c_char {
    kept(|last| last.remedy.as_deref())
}

fn advice(error: &DecodeError) -> Option<String> {
    let field = match error {
        DecodeError::TooManyPixels { width, height, .. } => {
            format!("max_pixels = {}", u64::from(*width) * u64::from(*height))
        }
        DecodeError::SideTooLong { width, height, .. } => {
            format!("max_side = {}", width.max(height))
        }
        DecodeError::TooMuchMemory { bytes, .. } => format!("max_memory_bytes = {bytes}"),
        DecodeError::TooManyBytes { bytes, .. } => format!("max_file_bytes = {bytes}"),
        error => return error.remedy().map(|remedy| words(&remedy)),
    };
    Some(format!(
        "if you trust it, {field} in resnet50_open_config lets it pass"
    ))
}

/// A remedy in the words of this library's functions.
fn words(remedy: &Remedy) -> String {
    let check = |path: &Path, what| format!("check that {} {what}", path.display());
    match remedy {
        Remedy::CopyAgain => {
            "the file is damaged or incomplete: copy or download it again".to_owned()
        }
        Remedy::ConvertPicture => "convert it to JPEG or PNG with another program".to_owned(),
        Remedy::InstallLibheif => {
            "install libheif's program heif-dec (Debian: libheif-examples), or convert the picture"
                .to_owned()
        }
        Remedy::NotAPicture => "leave it out".to_owned(),
        Remedy::RaiseLimit(limit) => {
            let field = match limit {
                Limit::Pixels => "max_pixels",
                Limit::Side => "max_side",
                Limit::Memory => "max_memory_bytes",
                Limit::FileSize => "max_file_bytes",
            };
            format!("if you trust it, raise {field} in resnet50_open_config")
        }
        Remedy::CheckReadable(path) => check(path, "is there and may be read"),
        Remedy::CheckWritable(path) => check(path, "is there, may be written and has space"),
        Remedy::UseEngine(names) => format!("set engine to \"{}\"", names.join("\" or \"")),
        Remedy::UsePrecision(names) => format!("set precision to \"{}\"", names.join("\" or \"")),
        Remedy::InstallOnnxRuntime => {
            "install ONNX Runtime and name its library in the environment variable ORT_DYLIB_PATH"
                .to_owned()
        }
        Remedy::StateNetworkOutput => {
            "say in a manifest what the network gives ('output'), and name the file in manifest"
                .to_owned()
        }
        Remedy::ChooseOutput(names) => format!(
            "export the model with one output, the one of these that holds the answer: {}",
            names.join(", ")
        ),
        Remedy::StatePreprocessing => {
            "write a manifest.yaml beside the model, or name one in manifest".to_owned()
        }
        Remedy::ChooseArchitecture(names) => {
            format!("name one of these architectures: {}", names.join(", "))
        }
        Remedy::FixLabels => "correct the labels in the manifest: one name a class".to_owned(),
        Remedy::ExportAgain => {
            "export the model again from its checkpoint with export-onnx".to_owned()
        }
        Remedy::ChooseAnotherModel => "choose another model file".to_owned(),
        Remedy::UseFewerThreads => "set threads to a smaller number".to_owned(),
        Remedy::ReportBug => "this is a mistake of ours: please report it with the file".to_owned(),
    }
}
