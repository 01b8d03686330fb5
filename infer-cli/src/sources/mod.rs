//! Arguments, folders, globs, lists and stdin become images to classify, in a stable order and one at a time: a list
//! of a million paths is never held in memory. `folder`, `pattern` and `list` are the three that look at the disk.

mod folder;
mod list;
mod pattern;

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use image_data::decode::DecodeLimits;
use inference::stream::Source;
use model_core::text::system_words;

use crate::UsageError;
use crate::args::InputArgs;

/// What answers call the image on stdin.
pub const STDIN_NAME: &str = "-";

type Several = Box<dyn Iterator<Item = Source> + Send>;

/// How many files in folders were passed over so far: hidden, or no pictures.
#[derive(Clone, Debug, Default)]
pub struct PassedOver(Arc<AtomicUsize>);

impl PassedOver {
    /// One more.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// All of them, once the last image was taken.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Where images come from.
pub struct Sources {
    iterator: Several,
    /// What the folders hold besides.
    pub passed_over: PassedOver,
    /// Whether there may be more than one image, so that answers name theirs.
    pub several: bool,
    /// How many there are, where that is known without looking.
    pub count: Option<u64>,
}

impl Sources {
    /// Every image the command line names. `limits` bound what is read from stdin.
    ///
    /// # Errors
    /// [`UsageError`] when it names none or stdin twice; an I/O error when the list cannot be opened.
    pub fn new(images: &[PathBuf], input: &InputArgs, limits: DecodeLimits) -> Result<Self> {
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
        let passed_over = PassedOver::default();
        let counter = passed_over.clone();
        let named = images
            .into_iter()
            .flat_map(move |path| expand(path, limits, &counter));
        let iterator: Several = match list {
            None => Box::new(named),
            Some(path) => Box::new(named.chain(list::paths(path, input.null, &passed_over)?)),
        };
        Ok(Self {
            iterator,
            passed_over,
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

/// Whether an argument is one image. A named pipe is: whoever names it wants it read.
fn is_single(path: &Path) -> bool {
    is_stdin(path) || (path.exists() && !path.is_dir()) || (!path.exists() && !pattern::is(path))
}

/// What arguments name, patterns matched, for a command that searches folders in a way of its own: files and folders as
/// [`Source::File`].
pub fn named(paths: &[PathBuf], passed_over: &PassedOver) -> impl Iterator<Item = Source> {
    paths.iter().flat_map(|path| {
        if !path.exists() && pattern::is(path) {
            return pattern::images(path, passed_over);
        }
        one(Source::File(path.clone()))
    })
}

fn one(source: Source) -> Several {
    Box::new(std::iter::once(source))
}

/// One argument: stdin, a file, a folder or a glob. A file whose name looks like a glob is that file.
fn expand(path: PathBuf, limits: DecodeLimits, passed_over: &PassedOver) -> Several {
    if is_stdin(&path) {
        return one(read_stdin(limits));
    }
    if path.is_dir() {
        return folder::images(&path, passed_over);
    }
    if !path.exists() && pattern::is(&path) {
        return pattern::images(&path, passed_over);
    }
    one(Source::File(path))
}

/// A path that a glob or a list gave: a folder is searched, a file is taken, and a pipe or device is refused, because
/// reading it might wait for ever.
fn listed(path: PathBuf, passed_over: &PassedOver) -> Several {
    match std::fs::metadata(&path) {
        Ok(found) if found.is_dir() => folder::images(&path, passed_over),
        Ok(found) if !found.is_file() => one(Source::Failed {
            name: path.display().to_string(),
            error:
                "expected a file, got a pipe or a device; only one that is named by itself is read"
                    .to_owned(),
        }),
        // What is not there is reported when it is opened.
        _ => one(Source::File(path)),
    }
}

fn read_stdin(limits: DecodeLimits) -> Source {
    let name = STDIN_NAME.to_owned();
    let mut bytes = Vec::new();
    // One byte more than allowed, so that the decoder sees that it is too much.
    let most = limits.max_bytes.saturating_add(1);
    match io::stdin().lock().take(most).read_to_end(&mut bytes) {
        Ok(_) => Source::Bytes { name, bytes },
        Err(error) => Source::Failed {
            name,
            error: format!("cannot read stdin: {}", system_words(error)),
        },
    }
}
