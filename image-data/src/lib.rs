//! Image files to pixels to samples: decoding, data sets on disk, augmentation, and the loader that feeds training.
//! Shared by training and inference; knows no tensor library and no network.
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

pub mod augment;
pub mod check;
pub mod dataset;
pub mod decode;
pub mod folder;
pub mod formats;
mod jpeg;
pub mod loader;
pub mod pack;
pub mod preview;
pub mod random;
pub mod remote;
pub mod sampler;
pub mod sandbox;
pub mod source;
