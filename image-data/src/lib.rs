//! Image files to pixels to samples: decoding, data sets on disk, augmentation, and the loader that feeds training.
//! Shared by training and inference; knows no tensor library and no network.

pub mod decode;
pub mod folder;
pub mod random;
pub mod sampler;
