//! What the tests over the whole repository (`checks/tests`) share: where it lies, its files, the form of its pages; and
//! reference pages made from definitions. How long tests with damaged input go on is said here, too. Only tests depend on
//! this crate.

pub mod allocations;
pub mod pages;
pub mod reference;

use std::path::{Path, PathBuf};

/// The root of the repository: the folder above the running test's crate that holds `Cargo.lock`.
///
/// # Panics
/// Outside `cargo test`, or where there is no such folder.
pub fn root() -> PathBuf {
    // Asked for when the test runs and not when it is compiled: a build that is kept serves other checkouts, too.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    here.as_deref()
        .and_then(|here| {
            here.ancestors()
                .find(|dir| dir.join("Cargo.lock").is_file())
        })
        .map(Path::to_owned)
        .unwrap_or_else(|| panic!("no Cargo.lock above {here:?}"))
}

/// Every file of the sources whose name ends in one of `extensions`, sorted: what builds and tools leave behind is left out.
pub fn files(extensions: &[&str]) -> Vec<PathBuf> {
    let root = root();
    let mut found = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(folder) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            if kind.is_dir() {
                let left_out = ["target", "runs", "data", "book", "packages"];
                // What others wrote, and what scripts made.
                let foreign = [".git", "node_modules", "dist", "dist-test"];
                let is_left_out = name.starts_with(".libtorch")
                    || foreign.contains(&name.as_ref())
                    || (folder == root && left_out.contains(&name.as_ref()));
                if !is_left_out {
                    open.push(path);
                }
            } else if kind.is_file()
                && path
                    .extension()
                    .is_some_and(|e| extensions.iter().any(|wanted| e == *wanted))
            {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// How many times as many mutations a test with damaged input tries: `FUZZ_TIMES`, which CI sets, or 1.
///
/// # Panics
/// Where it is no number.
pub fn fuzz_times() -> u64 {
    number("FUZZ_TIMES").unwrap_or(1)
}

/// Where the mutations begin: `FUZZ_SEED`, for others than everybody's, or `usual`.
///
/// # Panics
/// Where it is no number.
pub fn fuzz_seed(usual: u64) -> u64 {
    number("FUZZ_SEED").unwrap_or(usual)
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name}: expected a number, got '{text}'")))
}
