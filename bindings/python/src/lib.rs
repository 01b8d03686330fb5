//! The classifier for Python: the module `resnet50_toolkit._native`, which the package `resnet50_toolkit` shows. Built
//! into a wheel by maturin.
//!
//! | module | idea |
//! |---|---|
//! | `classifier` | the class `Classifier` |
//! | `answers` | what it answers, and what is known of its model |
//! | `picture` | a path, bytes, a Pillow image or an array become a picture |
//! | `errors` | the library's errors as Python exceptions, its remedies in Python's words |
//!
//! Not here: any reading, preparing or computing. That is `inference`, so that Python gets the terminal's own numbers.

mod answers;
mod classifier;
mod errors;
mod picture;

use pyo3::pymodule;

/// What the package `resnet50_toolkit` is made of.
#[pymodule(name = "_native")]
mod native {
    use pyo3::types::{PyModule, PyModuleMethods};
    use pyo3::{Bound, PyResult};

    #[pymodule_export]
    use super::answers::{PyEverydayAnswer, PyModelInfo, PyPrediction};
    #[pymodule_export]
    use super::classifier::PyClassifier;
    #[pymodule_export]
    use super::errors::{ModelError, PictureError, PictureWarning, ToolkitError};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
