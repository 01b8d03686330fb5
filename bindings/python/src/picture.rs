//! What Python code hands in as a picture: a path, the bytes of a file, a Pillow image, or an array of pixels.

use std::path::PathBuf;

use inference::RgbImage;
use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

/// Pillow's modes that a PNG holds as they are.
const PNG_MODES: [&str; 8] = ["1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA"];

/// A picture that needs Python no longer.
pub enum Picture {
    /// An image file.
    File(PathBuf),
    /// The content of one.
    Encoded(Vec<u8>),
    /// Its pixels.
    Pixels(RgbImage),
}

impl Picture {
    /// What messages call it.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Encoded(_) => "the bytes".to_owned(),
            Self::Pixels(_) => "the pixels".to_owned(),
        }
    }

    /// Takes what Python code handed in; pixels and bytes are copied.
    ///
    /// # Errors
    /// `TypeError` for what is none of these, `ValueError` for an array of another shape.
    pub fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = object.cast::<PyBytes>() {
            return Ok(Self::Encoded(bytes.as_bytes().to_vec()));
        }
        if object.is_instance_of::<PyString>() || object.hasattr("__fspath__")? {
            return Ok(Self::File(object.extract()?));
        }
        if is_pillow(object)? {
            return Ok(Self::Encoded(png(object)?));
        }
        match PyUntypedBuffer::get(object) {
            Ok(buffer) => from_buffer(object.py(), &buffer),
            Err(_) => Err(PyTypeError::new_err(format!(
                "expected a path, bytes, a PIL.Image.Image or a uint8 array [H, W, 3], got {}",
                object.get_type().fully_qualified_name()?
            ))),
        }
    }
}

/// Whether it is an image of Pillow. Without Pillow loaded there is none.
fn is_pillow(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    let modules = object.py().import("sys")?.getattr("modules")?;
    match modules.cast::<PyDict>()?.get_item("PIL.Image")? {
        Some(module) => object.is_instance(&module.getattr("Image")?),
        None => Ok(false),
    }
}

/// The image as the PNG that Pillow saves of it, its orientation and color profile included: so it is read by the same
/// rules as any file, transparency and 16 bits included.
fn png(image: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let py = image.py();
    let mode: String = image.getattr("mode")?.extract()?;
    let exif = image.call_method0("getexif")?.call_method0("tobytes")?;
    let profile = image
        .getattr("info")?
        .call_method1("get", ("icc_profile",))?;
    let options = PyDict::new(py);
    options.set_item("exif", exif)?;
    // It is read at once: packing it well would only take time.
    options.set_item("compress_level", 0)?;
    let (image, profile) = match mode.as_str() {
        mode if PNG_MODES.contains(&mode) => (image.clone(), profile),
        "F" => {
            return Err(PyValueError::new_err(
                "expected an image of 8 or 16 bits a channel, got mode 'F', whose range nobody knows",
            ));
        }
        mode => {
            let target = match mode {
                "La" => "LA",
                "PA" | "RGBa" => "RGBA",
                _ => "RGB",
            };
            // A profile of other colors says nothing about these.
            let converted = image.call_method1("convert", (target,))?;
            (converted, py.None().into_bound(py))
        }
    };
    options.set_item("icc_profile", profile)?;
    let file = py.import("io")?.call_method0("BytesIO")?;
    image.call_method("save", (&file, "PNG"), Some(&options))?;
    file.call_method0("getvalue")?.extract()
}

fn from_buffer(py: Python<'_>, buffer: &PyUntypedBuffer) -> PyResult<Picture> {
    let shape = buffer.shape();
    let Ok(bytes) = buffer.as_typed::<u8>() else {
        return Err(PyTypeError::new_err(format!(
            "expected an array [H, W, 3] of uint8, got one of shape {shape:?} and format '{}'",
            buffer.format().to_string_lossy()
        )));
    };
    match *shape {
        [_] => Ok(Picture::Encoded(bytes.to_vec(py)?)),
        [height, width, 3] => {
            let side = |side: usize| {
                u32::try_from(side).map_err(|_| PyValueError::new_err("the array is too large"))
            };
            let image = RgbImage::new(side(width)?, side(height)?, bytes.to_vec(py)?)
                .map_err(|error| PyValueError::new_err(error.to_string()))?;
            Ok(Picture::Pixels(image))
        }
        _ => Err(PyValueError::new_err(format!(
            "expected a uint8 array [H, W, 3], got shape {shape:?}"
        ))),
    }
}
