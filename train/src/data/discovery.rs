//! The data of a run that names none: looked for in the usual places of a prepared machine.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use image_data::dataset::Discovery;

/// The environment variable that says where the data is.
const VARIABLE: &str = "TRAIN_DATA";

/// The data set of this machine, and a line that says where it was found.
///
/// # Errors
/// There is none; the error lists the places.
pub fn discover() -> Result<(PathBuf, String)> {
    let named = std::env::var_os(VARIABLE).map(PathBuf::from);
    let home = std::env::var_os("HOME");
    let here = std::env::current_dir().context("the working directory")?;
    if let Some(url) = named
        .as_deref()
        .filter(|named| image_data::remote::is_url(named))
    {
        let line = format!("data of {} (${VARIABLE})", url.display());
        return Ok((url.to_owned(), line));
    }
    let Discovery { found, looked } = image_data::dataset::discover(
        named.as_deref(),
        Path::new("."),
        home.as_deref().map(Path::new),
    );
    if let Some(found) = found {
        let line = format!("data found in {} (--data takes another)", found.display());
        return Ok((found, line));
    }
    let places: Vec<String> = looked
        .iter()
        .map(|place| format!("  {}", place.display()))
        .collect();
    bail!(
        "no data: expected --data DIR, or a data set in one of the usual places, got none. Looked in (from {}):\n  ${VARIABLE}\n{}\n\
         --synthetic 1000 tries the program without any",
        here.display(),
        places.join("\n")
    )
}
