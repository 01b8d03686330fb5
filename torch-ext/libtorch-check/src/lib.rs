//! Holds nothing: the crate's build script looks for libtorch and says what to do when it is missing or too old.
//!
//! It is a crate of its own because cargo runs a build script only after those of its `links` dependencies: torch-sys
//! would otherwise fail first, with a C++ compiler's message. This one depends on nothing, so it is the first to speak.
