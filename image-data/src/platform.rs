//! What operating systems do differently here: ending a program together with what it started.

use std::io;
use std::process::{Child, Command};

/// Makes the program the head of a group of its own, which [`end_group`] ends. Ctrl-C in a terminal reaches only this
/// process then; the program ends by itself soon after.
pub(crate) fn in_own_group(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(not(unix))]
    let _ = command;
}

/// Ends a program that was started [`in_own_group`], with everything that it started, and waits for it. Where there are no
/// such groups (Windows) the program alone ends.
///
/// # Errors
/// The system's.
pub(crate) fn end_group(child: &mut Child) -> io::Result<()> {
    #[cfg(unix)]
    rustix::process::kill_process_group(
        rustix::process::Pid::from_child(child),
        rustix::process::Signal::KILL,
    )?;
    #[cfg(not(unix))]
    child.kill()?;
    child.wait().map(drop)
}
