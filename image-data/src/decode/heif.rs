//! HEIC and AVIF, what phones make. Their decoders are large, written in C, and (for HEIC) under patents: none is part of
//! this toolkit. Where the system has libheif's `heif-dec` (or `heif-convert`, its older name), that program is asked,
//! once for each picture, in a process of its own: a stream that makes it crash, loop or eat memory costs one picture.
//!
//! Not here: any decoding. The program writes a PNG, with the container's turns and crops applied.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use model_core::text::system_words;

use super::{
    Color, DecodeConfig, DecodeError, DecodeLimits, Decoded, Exif, Format, Header, Notes,
    Orientation, raster,
};
use crate::platform;

/// Where the program lies; empty for none. Overrides the search in `PATH`.
const VARIABLE: &str = "HEIF_DEC";
const NAMES: [&str; 2] = ["heif-dec", "heif-convert"];

/// The longest that one picture may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the program may allocate beyond the limit for a picture: itself and its libraries.
const PROGRAM_BYTES: u64 = 512 << 20;

/// The program that decodes these formats, if the system has one.
pub(crate) fn program() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND
        .get_or_init(|| match std::env::var_os(VARIABLE) {
            // One that is not there decodes nothing, and no photo is damaged for that.
            Some(path) => Some(PathBuf::from(path)).filter(|path| path.is_file()),
            None => search(),
        })
        .as_deref()
}

fn search() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    NAMES.iter().find_map(|name| {
        let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
        // A relative folder would make what is run depend on where one stands.
        std::env::split_paths(&folders)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(&name))
            .find(|path| path.is_file())
    })
}

/// The error of these formats where no program is to be had.
pub(super) fn not_read(format: Format) -> DecodeError {
    DecodeError::Unsupported {
        name: format.to_string(),
    }
}

pub(super) fn probe(
    bytes: &[u8],
    format: Format,
    limits: &DecodeLimits,
) -> Result<Header, DecodeError> {
    let (width, height) = largest_item(bytes).ok_or_else(|| DecodeError::Malformed {
        format,
        reason: "it does not say how large its picture is".to_owned(),
    })?;
    // Two copies of 8-bit RGBA, in the program's PNG and here.
    limits.check(width, height, u64::from(width) * u64::from(height) * 8)?;
    Ok(Header {
        format,
        width,
        height,
        color: Color::Rgb,
    })
}

pub(super) fn decode(
    bytes: &[u8],
    format: Format,
    config: &DecodeConfig,
) -> Result<(Decoded, Notes), DecodeError> {
    let program = program()
        .filter(|_| !config.own_decoders_only)
        .ok_or_else(|| not_read(format))?;
    probe(bytes, format, &config.limits)?;
    let folder = tempfile::tempdir()?;
    let (input, output) = (folder.path().join("in.heif"), folder.path().join("out.png"));
    std::fs::write(&input, bytes)?;
    let memory = config.limits.max_memory_bytes.saturating_add(PROGRAM_BYTES);
    run(program, &input, &output, memory, PATIENCE, format)?;
    // Of a file of several pictures each gets a number; the first is the main one.
    let png = std::fs::read(&output)
        .or_else(|_| std::fs::read(folder.path().join("out-1.png")))
        .map_err(|_| failed(program, format, "wrote no picture"))?;
    // The container's own turn is applied already; EXIF's repeats it.
    let config = DecodeConfig {
        exif: Exif::Ignore,
        ..*config
    };
    let (mut decoded, mut notes) =
        raster::decode(&png, Format::Png, &config).map_err(|error| match error {
            DecodeError::Malformed { .. }
            | DecodeError::Truncated { .. }
            | DecodeError::Unsupported { .. } => failed(program, format, "wrote no picture"),
            limit => limit,
        })?;
    decoded.format = format;
    notes.orientation = Orientation::NoTransforms;
    Ok((decoded, notes))
}

fn failed(program: &Path, format: Format, what: &str) -> DecodeError {
    let name = program.file_name().unwrap_or(program.as_os_str());
    DecodeError::Malformed {
        format,
        reason: format!("{} {what}", name.to_string_lossy()),
    }
}

fn run(
    program: &Path,
    input: &Path,
    output: &Path,
    memory_bytes: u64,
    patience: Duration,
    format: Format,
) -> Result<(), DecodeError> {
    let mut command = bounded(program, memory_bytes, patience);
    platform::in_own_group(&mut command);
    command
        .arg(input)
        .arg(output)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| {
        failed(
            program,
            format,
            &format!("could not be started: {}", system_words(error)),
        )
    })?;
    match wait(&mut child, patience)? {
        Some(true) => Ok(()),
        Some(false) => Err(failed(program, format, "could not decode it")),
        None => Err(failed(program, format, "took longer than a minute")),
    }
}

/// The program under limits of memory and processor time, where the system has them.
fn bounded(program: &Path, memory_bytes: u64, patience: Duration) -> Command {
    if cfg!(unix) {
        let mut command = Command::new("/bin/sh");
        command
            .arg("-c")
            .arg("ulimit -v \"$1\"; ulimit -t \"$2\"; shift 2; exec \"$@\"")
            .arg("sh")
            .arg((memory_bytes / 1024).to_string())
            .arg(patience.as_secs().to_string())
            .arg(program);
        command
    } else {
        Command::new(program)
    }
}

/// Whether the program succeeded; none when it took too long and was ended, with whatever it had started: a wrapper's
/// own child would go on eating memory.
fn wait(child: &mut Child, patience: Duration) -> Result<Option<bool>, DecodeError> {
    let started = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status.success()));
        }
        if started.elapsed() > patience {
            platform::end_group(child)?;
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (2 * pause).min(Duration::from_millis(20));
    }
}

/// Width and height of the largest item: the `ispe` boxes in `meta/iprp/ipco` (ISO/IEC 23008-12). A large photo is made
/// of tiles, and has a size of its own beside theirs.
fn largest_item(bytes: &[u8]) -> Option<(u32, u32)> {
    // `meta` is a full box: four bytes of version and flags come first.
    let meta = child_box(bytes, b"meta")?.get(4..)?;
    let properties = child_box(child_box(meta, b"iprp")?, b"ipco")?;
    boxes(properties)
        .filter(|(kind, _)| *kind == b"ispe")
        .filter_map(|(_, content)| {
            let number = |at: usize| {
                let four = content.get(at..at + 4)?;
                Some(u32::from_be_bytes(four.try_into().ok()?))
            };
            Some((number(4)?, number(8)?))
        })
        .max_by_key(|(width, height)| u64::from(*width) * u64::from(*height))
}

fn child_box<'a>(bytes: &'a [u8], wanted: &[u8; 4]) -> Option<&'a [u8]> {
    boxes(bytes)
        .find(|(kind, _)| *kind == wanted)
        .map(|(_, content)| content)
}

/// The boxes that lie one after the other: their kinds and contents.
fn boxes(bytes: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (size, after) = rest.split_first_chunk::<4>()?;
        let (kind, after) = after.split_first_chunk::<4>()?;
        let (header, size) = match u32::from_be_bytes(*size) {
            0 => (8, rest.len()),
            1 => {
                let long = u64::from_be_bytes(*after.first_chunk::<8>()?);
                (16, usize::try_from(long).ok()?)
            }
            size => (8, size as usize),
        };
        let content = rest.get(header..size)?;
        rest = rest.get(size..)?;
        Some((kind, content))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let size = (content.len() as u32 + 8).to_be_bytes();
        [&size[..], kind, content].concat()
    }

    fn size(width: u32, height: u32) -> Vec<u8> {
        let numbers = [
            0_u32.to_be_bytes(),
            width.to_be_bytes(),
            height.to_be_bytes(),
        ];
        boxed(b"ispe", &numbers.concat())
    }

    fn container(sizes: &[Vec<u8>]) -> Vec<u8> {
        let properties = boxed(b"iprp", &boxed(b"ipco", &sizes.concat()));
        let meta = boxed(b"meta", &[&[0; 4][..], &properties].concat());
        [boxed(b"ftyp", b"heic\0\0\0\0mif1heic"), meta].concat()
    }

    #[test]
    fn the_size_of_a_photo_of_tiles_is_that_of_the_whole() {
        let file = container(&[size(512, 512), size(4032, 3024), size(320, 240)]);
        assert_eq!(largest_item(&file), Some((4032, 3024)));
        for end in 0..file.len() {
            largest_item(&file[..end]);
        }
        let endless = [&[0, 0, 0, 0][..], b"meta"].concat();
        assert_eq!(largest_item(&endless), None);
        assert_eq!(largest_item(&[0; 64]), None);
    }

    #[test]
    fn limits_hold_before_any_program_runs() {
        let file = container(&[size(60_000, 60_000)]);
        let refused = probe(&file, Format::Heic, &DecodeLimits::default());
        assert!(matches!(refused, Err(DecodeError::TooManyPixels { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn a_program_that_crashes_or_loops_costs_one_picture() {
        let folder = tempfile::tempdir().unwrap();
        let script = |name: &str, text: &str| {
            use std::os::unix::fs::PermissionsExt as _;
            let path = folder.path().join(name);
            std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        let (input, output) = (folder.path().join("in"), folder.path().join("out.png"));
        std::fs::write(&input, b"picture").unwrap();
        let ask_for = |program: &Path, patience| {
            run(program, &input, &output, 1 << 30, patience, Format::Heic)
        };
        let ask = |program: &Path| ask_for(program, PATIENCE);
        let says = |error: Result<(), DecodeError>| error.unwrap_err().to_string();
        assert!(ask(&script("good", "cp \"$1\" \"$2\"")).is_ok());
        assert_eq!(std::fs::read(&output).unwrap(), b"picture");
        assert!(
            says(ask(&script("crashes", "kill -SEGV $$"))).contains("crashes could not decode")
        );
        assert!(says(ask(&script("refuses", "exit 1"))).contains("refuses could not decode"));
        // More memory than it may have.
        let eats = "a=x; while true; do a=$a$a; done";
        assert!(says(ask(&script("eats", eats))).contains("eats could not decode"));
        assert!(says(ask(&folder.path().join("missing"))).contains("missing could not"));
        // What it started ends with it, and writes nothing afterwards.
        let leaves = script("leaves", "(sleep 2; echo late > \"$2.late\") &\nsleep 30");
        let error = says(ask_for(&leaves, Duration::from_secs(1)));
        assert!(error.contains("leaves took longer"), "{error}");
        std::thread::sleep(Duration::from_millis(1500));
        assert!(!folder.path().join("out.png.late").exists());
    }
}
