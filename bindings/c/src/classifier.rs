//! Opening a model, asking it about pictures, closing it.

use std::ffi::{CString, c_char};
use std::ptr;

use image_data::decode::{DecodeConfig, DecodeLimits, decode_full, read_file};
use inference::{Classifier, ClassifierConfig, InferenceError, Manifest, RgbImage};
use model_core::manifest::ManifestError;

use crate::answer::AnswerHandle;
use crate::error::{Failed, Status, c_string, guard};
use crate::input;

/// A loaded model. Close it with `resnet50_close`.
pub struct ClassifierHandle {
    inner: Classifier,
    limits: DecodeLimits,
    name: CString,
    labels: Vec<CString>,
}

/// How to open a model. Zeros mean the usual: begin with `resnet50_open_config config = {0};`.
#[repr(C)]
pub struct OpenConfig {
    /// What runs the network: "auto", "kernels", "tract" or "onnxruntime"; NULL for "auto".
    pub engine: *const c_char,
    /// In what numbers a float32 network is computed: "float32", "bf16" or "auto"; NULL for "float32".
    pub precision: *const c_char,
    /// A manifest.yaml that takes the place of what the model says of itself, or NULL.
    pub manifest: *const c_char,
    /// Threads that run the network; 0 takes one for every core.
    pub threads: usize,
    /// Pictures of more pixels are refused; 0 for the usual limit.
    pub max_pixels: u64,
    /// Pictures with a longer side are refused; 0 for the usual limit.
    pub max_side: u32,
    /// Larger files are refused; 0 for the usual limit.
    pub max_file_bytes: u64,
    /// Pictures that take more memory to decode are refused; 0 for the usual limit.
    pub max_memory_bytes: u64,
}

/// The version of this library, as "0.1.0".
#[unsafe(no_mangle)]
pub extern "C" fn resnet50_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// Loads the ONNX file at `path`, or for NULL the model inside the library. `config` may be NULL.
///
/// # Safety
/// `path` is NULL or ends in a zero, `config` is NULL or holds texts that are so, `classifier` is NULL or a place for
/// a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn resnet50_open(
    path: *const c_char,
    config: *const OpenConfig,
    classifier: *mut *mut ClassifierHandle,
) -> Status {
    guard(|| {
        // SAFETY: the caller's promise.
        let (place, config) = unsafe { (input::place(classifier, "classifier")?, config.as_ref()) };
        *place = ptr::null_mut();
        let (config, limits) = match config {
            // SAFETY: the caller's promise that its texts are NULL or end in a zero.
            Some(config) => unsafe { settings(config) }?,
            None => (ClassifierConfig::default(), DecodeLimits::default()),
        };
        let opened = if path.is_null() {
            Classifier::embedded(&config)
        } else {
            // SAFETY: the caller's promise.
            Classifier::open(unsafe { input::path(path, "path") }?, &config)
        };
        let inner = opened.map_err(|error| Failed::library(None, &error))?;
        let labels = inner.labels().iter().map(|one| c_string(&one.name));
        *place = Box::into_raw(Box::new(ClassifierHandle {
            name: c_string(&inner.model().name),
            labels: labels.collect(),
            inner,
            limits,
        }));
        Ok(())
    })
}

/// # Safety
/// The texts in `config` are NULL or end in a zero.
unsafe fn settings(config: &OpenConfig) -> Result<(ClassifierConfig, DecodeLimits), Failed> {
    let mut classifier_config = ClassifierConfig {
        threads: config.threads,
        ..ClassifierConfig::default()
    };
    let wrong = |name: &str, error: String| Failed::argument(format!("{name}: {error}"));
    // SAFETY: the caller's promise.
    unsafe {
        if !config.engine.is_null() {
            let name = input::text(config.engine, "engine")?;
            classifier_config.engine = name.parse().map_err(|error| wrong("engine", error))?;
        }
        if !config.precision.is_null() {
            let name = input::text(config.precision, "precision")?;
            classifier_config.precision =
                name.parse().map_err(|error| wrong("precision", error))?;
        }
        if !config.manifest.is_null() {
            let path = input::path(config.manifest, "manifest")?;
            let manifest = Manifest::read_sidecar(&path).map_err(|error| match error {
                ManifestError::Read { path, source } => InferenceError::Read { path, source },
                source => InferenceError::Manifest {
                    origin: path.display().to_string(),
                    source,
                },
            });
            classifier_config.manifest =
                Some(manifest.map_err(|error| Failed::library(None, &error))?);
        }
    }
    let usual = DecodeLimits::default();
    let or = |value: u64, usual: u64| if value == 0 { usual } else { value };
    let limits = DecodeLimits {
        max_pixels: or(config.max_pixels, usual.max_pixels),
        max_side: match config.max_side {
            0 => usual.max_side,
            side => side,
        },
        max_bytes: or(config.max_file_bytes, usual.max_bytes),
        max_memory_bytes: or(config.max_memory_bytes, usual.max_memory_bytes),
    };
    Ok((classifier_config, limits))
}

/// Closes a classifier. NULL is fine.
///
/// # Safety
/// `classifier` is NULL or was not closed, and nobody uses it or its texts afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn resnet50_close(classifier: *mut ClassifierHandle) {
    if !classifier.is_null() {
        // SAFETY: it came from `Box::into_raw`, and the caller gives it up.
        drop(unsafe { Box::from_raw(classifier) });
    }
}

/// The model's name; NULL for NULL. The text lives as long as the classifier.
///
/// # Safety
/// `classifier` is NULL or was not closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn resnet50_model_name(classifier: *const ClassifierHandle) -> *const c_char {
    // SAFETY: the caller's promise.
    unsafe { classifier.as_ref() }.map_or(ptr::null(), |one| one.name.as_ptr())
}

/// How many classes the model tells apart; 0 for NULL.
///
/// # Safety
/// `classifier` is NULL or was not closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn resnet50_class_count(classifier: *const ClassifierHandle) -> usize {
    // SAFETY: the caller's promise.
    unsafe { classifier.as_ref() }.map_or(0, |one| one.labels.len())
}

/// The name of a class; NULL where there is no such class. The text lives as long as the classifier.
///
/// # Safety
/// `classifier` is NULL or was not closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn resnet50_class_label(
    classifier: *const ClassifierHandle,
    index: usize,
) -> *const c_char {
    // SAFETY: the caller's promise.
    let classifier = unsafe { classifier.as_ref() };
    let label = classifier.and_then(|one| one.labels.get(index));
    label.map_or(ptr::null(), |label| label.as_ptr())
}

/// Classifies the image file at `path`: the `top_k` most likely classes.
///
/// # Safety
/// `classifier` is NULL or was not closed, `path` is NULL or ends in a zero, `answer` is NULL or a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn resnet50_classify_file(
    classifier: *const ClassifierHandle,
    path: *const c_char,
    top_k: usize,
    answer: *mut *mut AnswerHandle,
) -> Status {
    // SAFETY: the caller's promise.
    unsafe {
        ask(classifier, top_k, answer, |classifier| {
            let path = input::path(path, "path")?;
            classifier.encoded(top_k, &path.display().to_string(), |config| {
                Ok(read_file(&path, &config.limits)?)
            })
        })
    }
}

/// Classifies the `len` bytes of an image file at `data`: the `top_k` most likely classes.
///
/// # Safety
/// `classifier` is NULL or was not closed, `data` leads to `len` bytes, `answer` is NULL or a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn resnet50_classify_bytes(
    classifier: *const ClassifierHandle,
    data: *const u8,
    len: usize,
    top_k: usize,
    answer: *mut *mut AnswerHandle,
) -> Status {
    // SAFETY: the caller's promise.
    unsafe {
        ask(classifier, top_k, answer, |classifier| {
            let data = input::bytes(data, len, "data")?;
            classifier.encoded(top_k, "the bytes", |_| Ok(data))
        })
    }
}

/// Classifies upright pixels, 3 bytes each in the order red, green, blue: the `top_k` most likely classes. Row `y`
/// begins at `rgb + y * stride_bytes`; `len` bytes may be read.
///
/// # Safety
/// `classifier` is NULL or was not closed, `rgb` leads to `len` bytes, `answer` is NULL or a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn resnet50_classify_pixels(
    classifier: *const ClassifierHandle,
    rgb: *const u8,
    len: usize,
    width: u32,
    height: u32,
    stride_bytes: usize,
    top_k: usize,
    answer: *mut *mut AnswerHandle,
) -> Status {
    // SAFETY: the caller's promise.
    unsafe {
        ask(classifier, top_k, answer, |classifier| {
            let rgb = input::bytes(rgb, len, "rgb")?;
            let image = image(rgb, width, height, stride_bytes)?;
            let answered = classifier.inner.classify(&image, top_k);
            let predictions =
                answered.map_err(|error| Failed::library(Some("the pixels"), &error))?;
            Ok(AnswerHandle::new(predictions, None))
        })
    }
}

/// # Safety
/// `classifier` is NULL or was not closed, `answer` is NULL or a place for a pointer.
unsafe fn ask(
    classifier: *const ClassifierHandle,
    top_k: usize,
    answer: *mut *mut AnswerHandle,
    look: impl FnOnce(&ClassifierHandle) -> Result<Box<AnswerHandle>, Failed>,
) -> Status {
    guard(|| {
        // SAFETY: the caller's promise.
        let place = unsafe { input::place(answer, "answer") }?;
        *place = ptr::null_mut();
        // SAFETY: the caller's promise.
        let classifier = unsafe { input::reference(classifier, "classifier") }?;
        if top_k == 0 {
            return Err(Failed::argument("top_k: expected at least 1, got 0"));
        }
        *place = Box::into_raw(look(classifier)?);
        Ok(())
    })
}

impl ClassifierHandle {
    /// Answers an encoded picture; `name` stands in the message of a failure.
    fn encoded<B: AsRef<[u8]>>(
        &self,
        top_k: usize,
        name: &str,
        read: impl FnOnce(&DecodeConfig) -> Result<B, InferenceError>,
    ) -> Result<Box<AnswerHandle>, Failed> {
        let config = DecodeConfig {
            limits: self.limits,
            ..self.inner.decode_config()
        };
        let answered = read(&config).and_then(|bytes| {
            let decoded = decode_full(bytes.as_ref(), &config)?;
            self.inner.classify_decoded(decoded, top_k)
        });
        let outcome = answered.map_err(|error| Failed::library(Some(name), &error))?;
        Ok(AnswerHandle::of(outcome))
    }
}

/// The pixels without what lies between the rows.
fn image(rgb: &[u8], width: u32, height: u32, stride_bytes: usize) -> Result<RgbImage, Failed> {
    let row = 3 * u64::from(width);
    let stride = stride_bytes as u64;
    if width == 0 || height == 0 || stride < row {
        return Err(Failed::argument(format!(
            "expected at least one pixel and rows of at least {row} bytes, got {width} x {height} and rows of {stride}"
        )));
    }
    // The last row needs no gap behind it.
    let needed = stride
        .checked_mul(u64::from(height) - 1)
        .and_then(|bytes| bytes.checked_add(row));
    if needed.is_none_or(|needed| needed > rgb.len() as u64) {
        return Err(Failed::argument(format!(
            "rgb: {width} x {height} pixels in rows of {stride} bytes take more than the {} bytes given",
            rgb.len()
        )));
    }
    let rows = rgb.chunks(stride_bytes).take(height as usize);
    let data = rows.flat_map(|line| &line[..row as usize]).copied();
    RgbImage::new(width, height, data.collect())
        .map_err(|error| Failed::argument(error.to_string()))
}
