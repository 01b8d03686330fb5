//! Finds the libtorch that torch-sys will use, by the same variables, and checks its version.

use std::path::{Path, PathBuf};
use std::{env, fs, process};

/// What tch 0.26 is generated for, and what the shim's symbols were checked against.
const EXPECTED: &str = "2.13.0";

fn main() {
    for name in [
        "LIBTORCH",
        "LIBTORCH_INCLUDE",
        "LIBTORCH_LIB",
        "LIBTORCH_USE_PYTORCH",
        "LIBTORCH_BYPASS_VERSION_CHECK",
    ] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    // torch-sys asks Python itself, and checks the version there.
    if env::var_os("LIBTORCH_USE_PYTORCH").is_some() {
        return;
    }
    let Some(root) = env::var_os("LIBTORCH").map(PathBuf::from) else {
        return stop("LIBTORCH is not set".to_string());
    };
    let include = env::var_os("LIBTORCH_INCLUDE")
        .map_or_else(|| root.clone(), PathBuf::from)
        .join("include");
    let library = env::var_os("LIBTORCH_LIB")
        .map_or_else(|| root.clone(), PathBuf::from)
        .join("lib");
    let header = include.join("torch/headeronly/version.h");
    let library_file = library.join("libtorch_cpu.so");
    println!("cargo:rerun-if-changed={}", header.display());
    println!("cargo:rerun-if-changed={}", library_file.display());
    if !library_file.is_file() {
        return stop(format!(
            "libtorch is missing: there is no {}",
            library_file.display()
        ));
    }
    match version(&header) {
        None => stop(format!(
            "libtorch's headers are missing or older than {EXPECTED}: cannot read {}",
            header.display()
        )),
        Some(found)
            if found != EXPECTED && env::var_os("LIBTORCH_BYPASS_VERSION_CHECK").is_none() =>
        {
            stop(format!(
                "libtorch {found} found under {}, but {EXPECTED} is needed",
                root.display()
            ));
        }
        Some(_) => {}
    }
}

/// The string that follows `#define TORCH_VERSION`, without a local part such as `+cpu`.
fn version(header: &Path) -> Option<String> {
    let text = fs::read_to_string(header).ok()?;
    let (_, rest) = text.split_once("#define TORCH_VERSION \\")?;
    let quoted = rest.split('"').nth(1)?;
    Some(quoted.split('+').next().unwrap_or(quoted).to_string())
}

fn stop(reason: String) {
    eprintln!("{reason}");
    eprintln!(
        "run scripts/setup to fetch libtorch {EXPECTED}, or set LIBTORCH to a copy of your own"
    );
    process::exit(1);
}
