//! A run that is stopped and goes on under other circumstances: another batch, more epochs, other images, renamed classes,
//! an earlier checkpoint, a directory that is in use.

#![cfg(unix)]
#![allow(clippy::unwrap_used)] // helpers of a test may fail it

#[path = "../common/mod.rs"]
mod common;
mod directory;
mod faults;
mod plans;
mod runs;
mod signals;
