//! The classifier for C: a handle over `inference`, and the functions that `include/resnet50.h` declares.
//!
//! | module | idea |
//! |---|---|
//! | `classifier` | opening a model, asking it, closing it |
//! | `answer` | what it answered |
//! | `error` | status, text, code and remedy of the last failure on a thread |
//! | `input` | pointers and lengths from C, checked |
//!
//! No panic leaves a function, and no pointer is used unchecked for NULL. Not here: any reading, preparing or
//! computing.

pub mod answer;
pub mod classifier;
pub mod error;
mod input;
