//! The default model that travels inside the program: EfficientNet-Lite0, ImageNet's 1,000 classes, Apache-2.0.

/// The ONNX file. Empty in a program that is built without it (the feature `embedded-model`).
#[cfg(not(feature = "embedded-model"))]
pub static MODEL: &[u8] = &[];
/// The ONNX file.
#[cfg(feature = "embedded-model")]
pub static MODEL: &[u8] = include_bytes!("../../models/efficientnet-lite0/model.onnx");

/// Its name on the command line and in messages.
pub const NAME: &str = "efficientnet-lite0";
