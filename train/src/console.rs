//! Lines for the terminal. A terminal or pipe that goes away never ends a run: `println!` and `eprintln!` panic then, so
//! nothing in this program uses them.

use std::fmt::Arguments;
use std::io::Write;

/// Writes one line to stderr; false where nobody can read it any more.
pub fn to_stderr(line: Arguments<'_>) -> bool {
    write_line(&mut std::io::stderr().lock(), line)
}

/// Writes one line to stdout; false where nobody can read it any more.
pub fn to_stdout(line: Arguments<'_>) -> bool {
    write_line(&mut std::io::stdout().lock(), line)
}

/// In one write, so that lines of several processes do not mix.
fn write_line(to: &mut dyn Write, line: Arguments<'_>) -> bool {
    to.write_all(format!("{line}\n").as_bytes()).is_ok()
}

/// `eprintln!` that cannot panic.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => {{
        // A lost terminal is no failure of what is being said.
        let _ = $crate::console::to_stderr(format_args!($($text)*));
    }};
}

/// `println!` that cannot panic.
#[macro_export]
macro_rules! answer {
    ($($text:tt)*) => {{
        // A closed pipe (`train recipes | head -1`) has read enough.
        let _ = $crate::console::to_stdout(format_args!($($text)*));
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_lost_reader_is_an_answer_not_a_panic() {
        assert!(!write_line(&mut Gone, format_args!("x")));
        let mut there = Vec::new();
        assert!(write_line(&mut there, format_args!("a {}", 1)));
        assert_eq!(there, b"a 1\n");
    }
}
