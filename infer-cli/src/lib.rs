//! The terminal classifier as a library, so that its parts are tested without a process. The binary only parses and
//! calls; the network is `inference`'s.
//!
//! | module | idea |
//! |---|---|
//! | [`advice`] | what to do about an error, in this program's options |
//! | [`args`] | what can be typed |
//! | [`commands`] | one file for each thing the program does |
//! | [`sources`] | arguments, folders, globs, lists and stdin become images to classify |
//! | [`output`] | answers as table, JSON lines or CSV |
//! | [`metrics`] | accuracy, confusion, calibration: numbers only, no files |
//! | [`samples`] | images with their true classes, and what a model says of them |
//! | [`words`] | everyday words: which are asked for, and how often they hold |
//! | [`serve`] | the HTTP service |

pub mod advice;
pub mod args;
pub mod commands;
pub mod exit;
pub mod interrupt;
pub mod metrics;
pub mod model;
pub mod output;
pub mod picture;
pub mod report;
pub mod samples;
pub mod serve;
pub mod sources;
pub mod words;

pub use exit::{Exit, ModelFileError, UsageError};
