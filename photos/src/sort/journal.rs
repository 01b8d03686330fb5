//! The plan on the disk, before anything is done: one line a folder and a step.
//!
//! Paths are written byte by byte, all but letters, digits and a few signs as `%2F`, because a file's name need not be
//! text. A journal has its name once it is whole and on the disk; it goes away when all of it is undone.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Mode, Plan, SortError, Step, problem};
use model_core::atomic_file::{self, WriteFileError};
use model_core::platform::path_from_bytes;

/// The folder in the target folder that holds journals.
pub(super) const FOLDER: &str = ".infer-cli";
const KIND: &str = "sort";
const HEADER: &str = "infer-cli sort 1";

/// A journal and what it says.
pub(super) struct Journal {
    pub path: PathBuf,
    pub mode: Mode,
    pub folders: Vec<PathBuf>,
    pub steps: Vec<Step>,
}

/// Writes the plan, and gives the journal's path.
pub(super) fn write(plan: &Plan) -> Result<PathBuf, SortError> {
    let path = next(&plan.into, KIND)?;
    let mode = match plan.mode {
        Mode::Copy => "copy",
        Mode::Move => "move",
        Mode::Link => "link",
    };
    let written = atomic_file::write_with(&path, |file| {
        writeln!(file, "{HEADER} {mode}")?;
        for folder in &plan.folders {
            writeln!(file, "folder {}", encode(folder))?;
        }
        for step in &plan.steps {
            writeln!(file, "step {} {}", encode(&step.from), encode(&step.to))?;
        }
        // Without this line a journal was cut short by something that is not this program.
        writeln!(file, "end")
    });
    written.map_err(not_written)?;
    Ok(path)
}

pub(super) fn not_written(error: WriteFileError) -> SortError {
    SortError::File {
        action: "write",
        path: error.path,
        reason: error.reason,
    }
}

/// The path of the next journal of a kind; makes the folder that holds it.
pub(super) fn next(into: &Path, kind: &str) -> Result<PathBuf, SortError> {
    let folder = into.join(FOLDER);
    fs::create_dir_all(&folder).map_err(problem("make the folder", &folder))?;
    let last = numbers(&folder, kind)?.into_iter().max().unwrap_or(0);
    Ok(folder.join(format!("{kind}-{:06}.journal", last + 1)))
}

/// The newest journal of a sorting.
pub(super) fn newest(into: &Path) -> Result<Journal, SortError> {
    let (path, text) = newest_text(into, KIND)?;
    parse(&text)
        .map(|(mode, folders, steps)| Journal {
            path: path.clone(),
            mode,
            folders,
            steps,
        })
        .map_err(|line| SortError::Journal { path, line })
}

/// The newest journal of a kind, and what is in it.
pub(super) fn newest_text(into: &Path, kind: &str) -> Result<(PathBuf, String), SortError> {
    let folder = into.join(FOLDER);
    let none = || SortError::NothingToUndo {
        path: into.to_owned(),
    };
    if !folder.is_dir() {
        return Err(none());
    }
    let Some(number) = numbers(&folder, kind)?.into_iter().max() else {
        // Broken off before the plan was on the disk, so before anything was done.
        atomic_file::remove_leftovers(&folder).map_err(problem("clear", &folder))?;
        for empty in [folder.as_path(), into] {
            let _ = fs::remove_dir(empty);
        }
        return Err(none());
    };
    let path = folder.join(format!("{kind}-{number:06}.journal"));
    let text = fs::read_to_string(&path).map_err(problem("read", &path))?;
    Ok((path, text))
}

/// Removes the journal, and its folder once it is empty.
pub(super) fn remove(journal: &Path) -> Result<(), SortError> {
    fs::remove_file(journal).map_err(problem("remove", journal))?;
    if let Some(folder) = journal.parent() {
        // Older journals may lie there.
        let _ = fs::remove_dir(folder);
    }
    Ok(())
}

fn numbers(folder: &Path, kind: &str) -> Result<Vec<u64>, SortError> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder).map_err(problem("read", folder))? {
        let name = entry.map_err(problem("read", folder))?.file_name();
        let name = name.to_string_lossy();
        let number = name
            .strip_prefix(kind)
            .and_then(|rest| rest.strip_prefix('-'))
            .and_then(|rest| rest.strip_suffix(".journal"));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    Ok(numbers)
}

type Parsed = (Mode, Vec<PathBuf>, Vec<Step>);

/// The number of the line at fault, counted from 1, is the error.
fn parse(text: &str) -> Result<Parsed, usize> {
    let mut lines = text.lines().enumerate();
    let header = lines
        .next()
        .and_then(|(_, line)| line.strip_prefix(HEADER))
        .ok_or(1usize)?;
    let mode = match header.trim() {
        "copy" => Mode::Copy,
        "move" => Mode::Move,
        "link" => Mode::Link,
        _ => return Err(1),
    };
    let (mut folders, mut steps, mut ended) = (Vec::new(), Vec::new(), false);
    let mut count = 1;
    for (index, line) in lines {
        count = index + 1;
        let fields: Vec<&str> = line.split(' ').collect();
        match fields[..] {
            _ if ended => return Err(count),
            ["folder", path] => folders.push(decode(path).ok_or(count)?),
            ["step", from, to] => steps.push(Step {
                from: decode(from).ok_or(count)?,
                to: decode(to).ok_or(count)?,
            }),
            ["end"] => ended = true,
            _ => return Err(count),
        }
    }
    if ended {
        Ok((mode, folders, steps))
    } else {
        Err(count)
    }
}

pub(super) fn encode(path: &Path) -> String {
    let mut text = String::new();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                text.push(char::from(*byte));
            }
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}

pub(super) fn decode(text: &str) -> Option<PathBuf> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    path_from_bytes(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_any_bytes_come_back() {
        #[cfg(unix)]
        let odd = {
            use std::os::unix::ffi::OsStrExt;
            PathBuf::from(std::ffi::OsStr::from_bytes(b"/a b/\xff\n%41/\xe2\x82\xac"))
        };
        #[cfg(not(unix))]
        let odd = PathBuf::from("/a b/%41/\u{20ac}");
        let text = encode(&odd);
        assert!(text.is_ascii() && !text.contains([' ', '\n']));
        assert_eq!(decode(&text), Some(odd));
        assert_eq!(decode("%4"), None);
    }

    #[test]
    fn a_journal_that_was_cut_or_added_to_is_damaged() {
        let good = "infer-cli sort 1 move\nfolder /x\nstep /a /b\nend\n";
        assert!(parse(good).is_ok());
        assert_eq!(parse(good.trim_end_matches("end\n")).err(), Some(3));
        assert_eq!(parse(&good.replace("/a /b", "/a")).err(), Some(3));
        assert_eq!(parse(&format!("{good}more\n")).err(), Some(5));
        assert_eq!(parse("").err(), Some(1));
    }
}
