//! Arguments, folders, globs, lists and stdin become images to classify, in a stable order and one at a time: a list
//! of a million paths is never held in memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use image_data::formats;
use inference::stream::Source;
use walkdir::WalkDir;

use crate::UsageError;
use crate::args::InputArgs;

/// Image bytes accepted on stdin.
const MAX_STDIN_BYTES: u64 = 512 << 20;

/// What answers call the image on stdin.
pub const STDIN_NAME: &str = "-";

/// Where images come from.
pub struct Sources {
    iterator: Box<dyn Iterator<Item = Source> + Send>,
    /// Whether there may be more than one image, so that answers name theirs.
    pub several: bool,
    /// How many there are, where that is known without looking.
    pub count: Option<u64>,
}

impl Sources {
    /// Every image the command line names.
    ///
    /// # Errors
    /// [`UsageError`] when it names none or stdin twice; an I/O error when the list cannot be opened.
    pub fn new(images: &[PathBuf], input: &InputArgs) -> Result<Self> {
        let list = input.files_from.as_deref();
        let stdin = images.iter().filter(|path| is_stdin(path)).count()
            + usize::from(list.is_some_and(is_stdin));
        if stdin > 1 {
            return Err(
                UsageError("stdin can be read only once: give - a single time".to_owned()).into(),
            );
        }
        if images.is_empty() && list.is_none() {
            let text = "no image given: name a file, a folder, a glob, or - for stdin (see --help)";
            return Err(UsageError(text.to_owned()).into());
        }
        let several =
            list.is_some() || images.len() > 1 || images.iter().any(|path| !is_single(path));
        let count = (list.is_none() && images.iter().all(|path| is_single(path)))
            .then_some(images.len() as u64);
        let images: Vec<PathBuf> = images.to_vec();
        let named = images.into_iter().flat_map(expand);
        let iterator: Box<dyn Iterator<Item = Source> + Send> = match list {
            None => Box::new(named),
            Some(path) => Box::new(named.chain(listed(path, input.null)?)),
        };
        Ok(Self {
            iterator,
            several,
            count,
        })
    }
}

impl Iterator for Sources {
    type Item = Source;

    fn next(&mut self) -> Option<Source> {
        self.iterator.next()
    }
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == STDIN_NAME
}

fn is_single(path: &Path) -> bool {
    is_stdin(path) || path.is_file() || (!path.exists() && !is_glob(path))
}

fn is_glob(path: &Path) -> bool {
    path.to_string_lossy().contains(['*', '?', '['])
}

/// One argument: stdin, a file, a folder or a glob. A file whose name looks like a glob is that file.
fn expand(path: PathBuf) -> Box<dyn Iterator<Item = Source> + Send> {
    if is_stdin(&path) {
        return Box::new(std::iter::once(read_stdin()));
    }
    if path.is_dir() {
        return walk(path);
    }
    if !path.exists() && is_glob(&path) {
        return globbed(&path);
    }
    Box::new(std::iter::once(Source::File(path)))
}

fn read_stdin() -> Source {
    let name = STDIN_NAME.to_owned();
    let mut bytes = Vec::new();
    match io::stdin()
        .lock()
        .take(MAX_STDIN_BYTES + 1)
        .read_to_end(&mut bytes)
    {
        Ok(_) if bytes.len() as u64 > MAX_STDIN_BYTES => Source::Failed {
            name,
            error: format!("expected at most {MAX_STDIN_BYTES} bytes on stdin"),
        },
        Ok(_) => Source::Bytes { name, bytes },
        Err(error) => Source::Failed {
            name,
            error: format!("cannot read stdin: {error}"),
        },
    }
}

/// The images under a folder, sorted by name within each folder. Hidden files and files that are no image by content
/// or by name are left out; a broken image that is called `.jpg` stays in and is reported.
fn walk(dir: PathBuf) -> Box<dyn Iterator<Item = Source> + Send> {
    let entries = WalkDir::new(dir)
        .follow_links(true)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| entry.depth() == 0 || !hidden(entry.file_name()));
    Box::new(entries.filter_map(|entry| {
        match entry {
            Ok(entry)
                if entry.file_type().is_file() && formats::looks_like_picture(entry.path()) =>
            {
                Some(Source::File(entry.into_path()))
            }
            Ok(_) => None,
            Err(error) => Some(Source::Failed {
                name: error
                    .path()
                    .map_or_else(String::new, |path| path.display().to_string()),
                error: error
                    .io_error()
                    .map_or_else(|| "a circle of links".to_owned(), ToString::to_string),
            }),
        }
    }))
}

fn hidden(name: &std::ffi::OsStr) -> bool {
    name.to_string_lossy().starts_with('.')
}

fn globbed(pattern: &Path) -> Box<dyn Iterator<Item = Source> + Send> {
    let text = pattern.to_string_lossy().into_owned();
    let failed = |error: String| -> Box<dyn Iterator<Item = Source> + Send> {
        Box::new(std::iter::once(Source::Failed {
            name: pattern.display().to_string(),
            error,
        }))
    };
    // As in a shell, `*` does not match a leading dot.
    let options = glob::MatchOptions {
        require_literal_leading_dot: true,
        ..glob::MatchOptions::default()
    };
    let paths = match glob::glob_with(&text, options) {
        Ok(paths) => paths,
        Err(error) => return failed(format!("not a glob: {error}")),
    };
    let mut found = paths
        .filter(|path| !path.as_ref().is_ok_and(|path| path.is_dir()))
        .map(|path| match path {
            Ok(path) => Source::File(path),
            Err(error) => Source::Failed {
                name: error.path().display().to_string(),
                error: error.error().to_string(),
            },
        })
        .peekable();
    if found.peek().is_none() {
        return failed("no file matches".to_owned());
    }
    Box::new(found)
}

/// Paths from a list, read as they come.
fn listed(path: &Path, null: bool) -> Result<Box<dyn Iterator<Item = Source> + Send>> {
    let reader: Box<dyn BufRead + Send> = if is_stdin(path) {
        Box::new(BufReader::new(io::stdin()))
    } else {
        let file =
            File::open(path).with_context(|| format!("cannot read the list {}", path.display()))?;
        Box::new(BufReader::new(file))
    };
    let name = path.display().to_string();
    let end = if null { 0 } else { b'\n' };
    Ok(Box::new(Lines { reader, end, name }.flat_map(
        |line| match line {
            Ok(path) => expand_listed(path),
            Err(failed) => Box::new(std::iter::once(failed)),
        },
    )))
}

/// A listed path is a file or a folder, never a glob or stdin.
fn expand_listed(path: PathBuf) -> Box<dyn Iterator<Item = Source> + Send> {
    if path.is_dir() {
        walk(path)
    } else {
        Box::new(std::iter::once(Source::File(path)))
    }
}

struct Lines {
    reader: Box<dyn BufRead + Send>,
    end: u8,
    name: String,
}

impl Iterator for Lines {
    type Item = Result<PathBuf, Source>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut line = Vec::new();
            match self.reader.read_until(self.end, &mut line) {
                Ok(0) => return None,
                Ok(_) => {
                    if line.last() == Some(&self.end) {
                        line.pop();
                    }
                    if self.end == b'\n' && line.last() == Some(&b'\r') {
                        line.pop();
                    }
                    if !line.is_empty() {
                        return Some(Ok(path_from_bytes(line)));
                    }
                }
                Err(error) => {
                    // Nothing more can be read from it.
                    self.reader = Box::new(io::empty());
                    return Some(Err(Source::Failed {
                        name: self.name.clone(),
                        error: format!("the list cannot be read further: {error}"),
                    }));
                }
            }
        }
    }
}

#[cfg(unix)]
fn path_from_bytes(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(not(unix))]
fn path_from_bytes(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}
