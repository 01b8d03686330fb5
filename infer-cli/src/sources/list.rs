//! Paths from a list (`--files-from`), read as they come: a path a line, or ended by zero bytes. A byte order mark is
//! skipped, and a list in UTF-16, as PowerShell's `>` writes it, is read.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use inference::stream::Source;
use model_core::platform::path_from_bytes_lossy;

use super::{Several, is_stdin, listed, one};

/// A list in UTF-16 is converted whole, so it is bounded.
const MAX_UTF16_BYTES: u64 = 256 << 20;

type Reader = Box<dyn BufRead + Send>;

pub(super) fn paths(path: &Path, null: bool) -> Result<Several> {
    let reader: Reader = if is_stdin(path) {
        Box::new(BufReader::new(io::stdin()))
    } else {
        let file =
            File::open(path).with_context(|| format!("cannot read the list {}", path.display()))?;
        Box::new(BufReader::new(file))
    };
    let lines = Lines {
        reader,
        started: false,
        end: if null { 0 } else { b'\n' },
        name: path.display().to_string(),
    };
    Ok(Box::new(lines.flat_map(|line| match line {
        // A listed path is a file or a folder, never a glob or stdin.
        Ok(path) => listed(path),
        Err(failed) => one(failed),
    })))
}

struct Lines {
    reader: Reader,
    started: bool,
    end: u8,
    name: String,
}

impl Lines {
    fn start(&mut self) -> io::Result<()> {
        let head = self.reader.fill_buf()?;
        match head {
            [0xEF, 0xBB, 0xBF, ..] => self.reader.consume(3),
            [0xFF, 0xFE, ..] => self.convert(u16::from_le_bytes)?,
            [0xFE, 0xFF, ..] => self.convert(u16::from_be_bytes)?,
            _ => {}
        }
        Ok(())
    }

    fn convert(&mut self, unit: fn([u8; 2]) -> u16) -> io::Result<()> {
        let mut bytes = Vec::new();
        let reader = std::mem::replace(&mut self.reader, Box::new(io::empty()));
        reader.take(MAX_UTF16_BYTES).read_to_end(&mut bytes)?;
        let units = bytes.as_chunks::<2>().0.iter().map(|two| unit(*two));
        let text: String = char::decode_utf16(units.skip(1))
            .collect::<Result<_, _>>()
            .map_err(|_| io::Error::other("it begins as UTF-16 and does not go on as such"))?;
        self.reader = Box::new(Cursor::new(text.into_bytes()));
        Ok(())
    }

    /// Ends the list: nothing more can be read from it.
    fn give_up(&mut self, error: String) -> Source {
        self.reader = Box::new(io::empty());
        Source::Failed {
            name: self.name.clone(),
            error,
        }
    }
}

impl Iterator for Lines {
    type Item = Result<PathBuf, Source>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = Vec::new();
        loop {
            let begun = if self.started { Ok(()) } else { self.start() };
            self.started = true;
            line.clear();
            match begun.and_then(|()| self.reader.read_until(self.end, &mut line)) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) => {
                    let text = format!("the list cannot be read further: {error}");
                    return Some(Err(self.give_up(text)));
                }
            }
            if line.last() == Some(&self.end) {
                line.pop();
            }
            if self.end == b'\n' && line.last() == Some(&b'\r') {
                line.pop();
            }
            if line.contains(&0) {
                let text = "expected a path a line, got zero bytes: paths that end in zero bytes need -0, UTF-16 its \
                    mark at the start, and a photo is named without --files-from";
                return Some(Err(self.give_up(text.to_owned())));
            }
            if !line.is_empty() {
                return Some(Ok(path_from_bytes_lossy(&line)));
            }
        }
    }
}
