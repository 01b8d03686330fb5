//! Finds the libtorch that torch-sys will use, by the same variables, and checks its version.

use std::path::{Path, PathBuf};
use std::{env, fs, process};

/// The libtorch that each release of tch builds against; the shim builds against these and no other. No tch was released
/// for 2.12: the one for 2.11 calls nothing that 2.12 has changed.
const SUPPORTED: [(&str, &[&str]); 2] = [("0.24", &["2.11.0", "2.12.0"]), ("0.26", &["2.13.0"])];

fn main() {
    // Asked when it runs, not when it was compiled: a kept build may serve a checkout that has moved.
    let Some(package) = env::var_os("CARGO_MANIFEST_DIR") else {
        eprintln!("expected CARGO_MANIFEST_DIR, which cargo sets");
        process::exit(1);
    };
    let lock = Path::new(&package).join("../../Cargo.lock");
    println!("cargo:rerun-if-changed={}", lock.display());
    let Some(expected) = expected(&fs::read_to_string(&lock).unwrap_or_default()) else {
        eprintln!(
            "{}: expected tch {}",
            lock.display(),
            SUPPORTED.map(|(tch, _)| tch).join(", ")
        );
        process::exit(1);
    };
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
        return stop(expected, "LIBTORCH is not set".to_string());
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
        let reason = format!(
            "libtorch is missing: there is no {}",
            library_file.display()
        );
        return stop(expected, reason);
    }
    match version(&header) {
        None => {
            let header = header.display();
            let reason = format!(
                "libtorch's headers are missing or older than {}: cannot read {header}",
                expected[0]
            );
            stop(expected, reason);
        }
        Some(found)
            if !expected.contains(&found.as_str())
                && env::var_os("LIBTORCH_BYPASS_VERSION_CHECK").is_none() =>
        {
            let (root, needed) = (root.display(), expected.join(" or "));
            let reason = format!("libtorch {found} found under {root}, but {needed} is needed");
            stop(expected, reason);
        }
        Some(_) => {}
    }
}

/// What the tch of a lock file builds against, the oldest first.
fn expected(lock: &str) -> Option<&'static [&'static str]> {
    let (_, rest) = lock.split_once("name = \"tch\"\nversion = \"")?;
    let found = SUPPORTED
        .iter()
        .find(|(tch, _)| rest.starts_with(&format!("{tch}.")));
    found.map(|(_, libtorch)| *libtorch)
}

/// The string that follows `#define TORCH_VERSION`, without a local part such as `+cpu`.
fn version(header: &Path) -> Option<String> {
    let text = fs::read_to_string(header).ok()?;
    let (_, rest) = text.split_once("#define TORCH_VERSION \\")?;
    let quoted = rest.split('"').nth(1)?;
    Some(quoted.split('+').next().unwrap_or(quoted).to_string())
}

fn stop(expected: &[&str], reason: String) {
    let expected = expected.join(" or ");
    eprintln!("{reason}");
    eprintln!(
        "run scripts/setup to fetch libtorch 2.13.0, or set LIBTORCH to a copy of {expected}; \
         scripts/build-train-for builds against the libtorch of an older PyTorch"
    );
    process::exit(1);
}
