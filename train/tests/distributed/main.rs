//! Several processes on this machine, started by the program itself or by the variables of other launchers: the same
//! result as one process, and what happens when one of them dies, hangs or is asked to stop.

#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod equality;
mod failures;
mod launchers;
mod runs;
