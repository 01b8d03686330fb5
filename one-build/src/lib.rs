//! No code: its dependencies name, in one place, the features of crates that several programs share. See `Cargo.toml`.
