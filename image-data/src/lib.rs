//! Image files to pixels to samples: decoding, data sets on disk, augmentation, and the loader that feeds training.
//! Shared by training and inference; knows no tensor library and no network.
//!
//! ```
//! use image_data::decode::{DecodeConfig, decode};
//!
//! // A red pixel beside a blue one. Files of any format are read the same way.
//! let file = b"P6 2 1 255\n\xff\x00\x00\x00\x00\xff";
//! let picture = decode(file, &DecodeConfig::default())?;
//! assert_eq!((picture.width, picture.height), (2, 1));
//! assert_eq!(picture.data, [255, 0, 0, 0, 0, 255]);
//! # Ok::<(), image_data::decode::DecodeError>(())
//! ```
//!
//! | module | idea |
//! |---|---|
//! | [`decode`] | bytes of any common format to RGB, hostile input included |
//! | [`formats`] | the picture formats, decoded or known by name |
//! | [`dataset`] | data sets as people have them: folders, tars, shards, tables |
//! | [`folder`] | labeled files on disk: ImageFolder, ImageNet's flat `val/` |
//! | [`source`] | where samples come from |
//! | [`random`] | numbers named by (seed, epoch, index), so nothing depends on threads |
//! | [`sampler`] | which sample comes when, on which rank |
//! | [`augment`] | one picture to one training sample |
//! | [`loader`] | worker threads that make batches |
//! | [`check`] | what is wrong with a data set, before training |
//! | [`sandbox`] | third-party code that panics gives an error |
//! | [`pack`] | a data set as tar shards of resized images, with an index |
//! | [`preview`] | a contact sheet of augmented samples |
//! | [`remote`] | data sets in an object store, seen as a folder |
//!
//! Without the feature `data-sets` only [`decode`], [`formats`] and [`sandbox`] are there: what classifying a photo needs.

#[cfg(feature = "data-sets")]
pub mod augment;
#[cfg(feature = "data-sets")]
pub mod check;
#[cfg(feature = "data-sets")]
pub mod dataset;
pub mod decode;
#[cfg(feature = "data-sets")]
pub mod folder;
pub mod formats;
mod jpeg;
#[cfg(feature = "data-sets")]
pub mod loader;
#[cfg(feature = "data-sets")]
pub mod pack;
mod platform;
#[cfg(feature = "data-sets")]
pub mod preview;
#[cfg(feature = "data-sets")]
pub mod random;
#[cfg(feature = "data-sets")]
pub mod remote;
#[cfg(feature = "data-sets")]
pub mod sampler;
pub mod sandbox;
#[cfg(feature = "data-sets")]
pub mod source;
