//! Paths from a list (`--files-from`), read as they come: a path a line, or ended by zero bytes. A byte order mark is
//! skipped, and a list in UTF-16, as PowerShell's `>` writes it, or in UTF-32 is read.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use inference::stream::Source;
use model_core::platform::path_from_bytes_lossy;
use model_core::text::system_words;

use super::{PassedOver, Several, is_stdin, listed, one};

/// A list in UTF-16 or UTF-32 is converted whole, so it is bounded.
const MAX_WIDE_BYTES: u64 = 256 << 20;

type Reader = Box<dyn BufRead + Send>;

pub(super) fn paths(path: &Path, null: bool, passed_over: &PassedOver) -> Result<Several> {
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
    let passed_over = passed_over.clone();
    Ok(Box::new(lines.flat_map(move |line| match line {
        // A listed path is a file or a folder, never a glob or stdin.
        Ok(path) => listed(path, &passed_over),
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
        if head.starts_with(b"\xEF\xBB\xBF") {
            self.reader.consume(3);
        } else if let Some(unit) = Unit::of(head, self.end == 0) {
            let mut bytes = Vec::new();
            let reader = std::mem::replace(&mut self.reader, Box::new(io::empty()));
            reader.take(MAX_WIDE_BYTES + 1).read_to_end(&mut bytes)?;
            if bytes.len() as u64 > MAX_WIDE_BYTES {
                return Err(io::Error::other(format!(
                    "expected at most {} MiB of {}, got more: UTF-8 has no limit",
                    MAX_WIDE_BYTES >> 20,
                    unit.name()
                )));
            }
            let text = unit.text(&bytes).ok_or_else(|| {
                let name = unit.name();
                io::Error::other(format!("it begins as {name} and does not go on as such"))
            })?;
            self.reader = Box::new(Cursor::new(text.into_bytes()));
        }
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

/// What a character is made of in a list that is not UTF-8.
#[derive(Clone, Copy)]
enum Unit {
    Little16,
    Big16,
    Little32,
    Big32,
}

impl Unit {
    /// By the byte order mark; or by its first two characters, as no path holds a zero byte. Where zero bytes end paths,
    /// only a mark tells.
    fn of(head: &[u8], null: bool) -> Option<Self> {
        let by_mark = match head {
            [0xFF, 0xFE, 0, 0, ..] => Some(Self::Little32),
            [0, 0, 0xFE, 0xFF, ..] => Some(Self::Big32),
            [0xFF, 0xFE, ..] => Some(Self::Little16),
            [0xFE, 0xFF, ..] => Some(Self::Big16),
            _ => None,
        };
        if by_mark.is_some() || null {
            return by_mark;
        }
        let zeros: Vec<bool> = head.iter().take(8).map(|byte| *byte == 0).collect();
        match zeros[..] {
            [false, true, true, true, false, true, true, true] => Some(Self::Little32),
            [true, true, true, false, true, true, true, false] => Some(Self::Big32),
            [false, true, false, true, ..] => Some(Self::Little16),
            [true, false, true, false, ..] => Some(Self::Big16),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Little16 | Self::Big16 => "UTF-16",
            Self::Little32 | Self::Big32 => "UTF-32",
        }
    }

    /// Without the mark. None where it is no text, or ends within a character.
    fn text(self, bytes: &[u8]) -> Option<String> {
        let sixteen = |unit: fn([u8; 2]) -> u16| {
            let (units, rest) = bytes.as_chunks::<2>();
            let text: Result<String, _> =
                char::decode_utf16(units.iter().map(|bytes| unit(*bytes))).collect();
            text.ok().filter(|_| rest.is_empty())
        };
        let thirty_two = |unit: fn([u8; 4]) -> u32| {
            let (units, rest) = bytes.as_chunks::<4>();
            let text: Option<String> = units
                .iter()
                .map(|bytes| char::from_u32(unit(*bytes)))
                .collect();
            text.filter(|_| rest.is_empty())
        };
        let text = match self {
            Self::Little16 => sixteen(u16::from_le_bytes),
            Self::Big16 => sixteen(u16::from_be_bytes),
            Self::Little32 => thirty_two(u32::from_le_bytes),
            Self::Big32 => thirty_two(u32::from_be_bytes),
        }?;
        Some(match text.strip_prefix('\u{feff}') {
            Some(rest) => rest.to_owned(),
            None => text,
        })
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
                    let text = format!("the list cannot be read further: {}", system_words(error));
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
                let text = "expected a path a line, got zero bytes: paths that end in zero bytes need -0, and a photo is \
                    named without --files-from";
                return Some(Err(self.give_up(text.to_owned())));
            }
            if !line.is_empty() {
                return Some(Ok(path_from_bytes_lossy(&line)));
            }
        }
    }
}
