//! `--num-gpus N`, `--num-processes N`: starts the ranks of one machine, and ends them together. A rank's output is
//! prefixed with its number; signals are passed on; when one rank fails the others end with it; with `--max-restarts`
//! all start again from the last saved state.

mod supervise;

use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use rustix::process::{Pid, Signal};
use signal_hook::iterator::Signals;
use torch_ext::c10d::Store;

use super::status;
use crate::say;
use supervise::{Rank, end_all, exit_code, supervise};

/// Flags of training with several processes.
#[derive(Clone, Debug, Default, Args)]
pub struct LaunchArgs {
    /// Train on so many GPUs of this machine, one process each
    #[arg(long, value_name = "N", conflicts_with = "num_processes")]
    pub num_gpus: Option<usize>,
    /// Train with so many processes on this machine's CPU
    #[arg(long, value_name = "N")]
    pub num_processes: Option<usize>,
    /// Start again from the last saved state when a process fails, at most so often
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub max_restarts: u32,
    /// A process that keeps the others waiting longer than this is given up
    #[arg(long, value_name = "SECONDS", default_value_t = 35, value_parser = clap::value_parser!(u64).range(1..))]
    pub rank_timeout_secs: u64,
}

impl LaunchArgs {
    /// How long a process may keep the others waiting.
    pub fn rank_timeout(&self) -> Duration {
        Duration::from_secs(self.rank_timeout_secs)
    }

    /// Processes to start here; none: train in this one. A number that is asked for, 1 too, also asks for a kind of device.
    pub fn processes(&self) -> Option<usize> {
        let count = self.num_gpus.or(self.num_processes);
        count.or((self.max_restarts > 0).then_some(1))
    }
}

/// How one attempt ended.
enum Attempt {
    Ended(u8),
    Failed {
        code: u8,
        /// At least one step was begun, so that a restart may go further.
        has_begun: bool,
        /// The directory of the run, once the ranks agreed on it.
        run_dir: Option<String>,
    },
}

/// Starts this program again, once for each rank, and waits.
///
/// # Errors
/// A process cannot be started, the store cannot be served.
pub fn launch(args: &LaunchArgs, count: usize) -> Result<ExitCode> {
    if count == 0 {
        bail!("--num-gpus or --num-processes: expected at least 1, got 0");
    }
    if let Some(gpus) = args.num_gpus {
        let (found, reason) = match crate::device::gpus() {
            Ok(found) => (found, String::new()),
            Err(why) => (0, format!(" ({why})")),
        };
        if gpus > found {
            bail!(
                "--num-gpus {gpus}: {found} GPUs are usable here{reason}; `train doctor` tells more. For the CPU: --num-processes"
            );
        }
    }
    let mut signals = Signals::new(crate::signals::to_listen_to())?;
    let mut command_line: Vec<String> = own_arguments()?;
    for attempt in 0.. {
        match run(args, count, attempt, &command_line, &mut signals)? {
            Attempt::Ended(code) => return Ok(ExitCode::from(code)),
            Attempt::Failed {
                code,
                has_begun,
                run_dir,
            } => {
                if attempt >= args.max_restarts {
                    return Ok(ExitCode::from(code));
                }
                let (true, Some(run_dir)) = (has_begun, run_dir) else {
                    say!("not restarted: it failed before the first step, and would again");
                    return Ok(ExitCode::from(code));
                };
                command_line = resuming(&command_line, &run_dir);
                say!(
                    "restart {} of {} from the last saved state",
                    attempt + 1,
                    args.max_restarts
                );
            }
        }
    }
    Ok(ExitCode::FAILURE)
}

/// A rank that our launcher started dies with it, whatever ends the launcher.
///
/// # Errors
/// The launcher is already gone.
pub fn end_with_launcher() -> Result<()> {
    let Ok(launcher) = std::env::var("TRAIN_LAUNCHER_PID") else {
        return Ok(());
    };
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().to_string());
    if parent.as_deref() != Some(launcher.as_str()) {
        bail!("the launcher (process {launcher}) is gone");
    }
    Ok(())
}

fn own_arguments() -> Result<Vec<String>> {
    std::env::args_os()
        .skip(1)
        .map(|argument| match argument.into_string() {
            Ok(text) => Ok(text),
            Err(argument) => bail!("{}: expected UTF-8", argument.display()),
        })
        .collect()
}

/// The same command line, going on in `run_dir` from its last state.
fn resuming(command_line: &[String], run_dir: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut rest = command_line.iter().peekable();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--overwrite" => {}
            // What it began from: now it goes on with what it saved since.
            "--resume" => {
                rest.next_if(|next| !next.starts_with('-'));
            }
            other if other.starts_with("--resume=") => {}
            _ => all.push(argument.clone()),
        }
    }
    all.push("--resume".into());
    let names_output =
        |a: &String| a == "--output" || a.starts_with("--output=") || a.starts_with("-o");
    if !all.iter().any(names_output) {
        all.extend(["--output".into(), run_dir.to_owned()]);
    }
    all
}

fn run(
    args: &LaunchArgs,
    count: usize,
    attempt: u32,
    command_line: &[String],
    signals: &mut Signals,
) -> Result<Attempt> {
    // Served here, so that it outlives any rank, and on a port that the system found free.
    let store = Store::serve(0, Duration::from_secs(60))?;
    let keys = store.prefixed(&format!("train/attempt-{attempt}"))?;
    let mut ranks = Vec::with_capacity(count);
    for number in 0..count {
        match start(args, number, count, attempt, store.port(), command_line) {
            Ok(rank) => ranks.push(rank),
            Err(error) => {
                end_all(&mut ranks, Duration::ZERO);
                return Err(error);
            }
        }
    }
    let mut stopped_by = None;
    let outcome = supervise(&mut ranks, &keys, signals, &mut stopped_by);
    end_all(&mut ranks, Duration::ZERO);
    for rank in &mut ranks {
        for reader in rank.readers.drain(..) {
            // A reader that panicked has lost its terminal; the rank's exit code stands.
            reader.join().ok();
        }
    }
    let failure = outcome?;
    let codes: Vec<u8> = ranks
        .iter()
        .map(|rank| rank.status.map_or(1, exit_code))
        .collect();
    Ok(match failure {
        None => Attempt::Ended(ended_with(&codes, stopped_by)),
        Some(code) => Attempt::Failed {
            code,
            has_begun: (0..count).any(|rank| status::has_begun(&keys, rank)),
            run_dir: keys
                .try_get("run_dir")?
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        },
    })
}

/// The run's code from its ranks': of a run that was stopped, the signal that the launcher received. A rank that heard of
/// it from the others does not know which it was.
fn ended_with(codes: &[u8], stopped_by: Option<i32>) -> u8 {
    let most = codes.iter().copied().max().unwrap_or(0);
    match stopped_by {
        Some(signal) if most > 128 => 128 + u8::try_from(signal).unwrap_or(0),
        _ => most,
    }
}

fn start(
    args: &LaunchArgs,
    number: usize,
    count: usize,
    attempt: u32,
    port: u16,
    command_line: &[String],
) -> Result<Rank> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut command = Command::new(&program);
    command
        .args(command_line)
        .env("RANK", number.to_string())
        .env("LOCAL_RANK", number.to_string())
        .env("WORLD_SIZE", count.to_string())
        .env("LOCAL_WORLD_SIZE", count.to_string())
        .env("MASTER_ADDR", "127.0.0.1")
        .env("MASTER_PORT", port.to_string())
        .env("TORCHELASTIC_USE_AGENT_STORE", "True")
        .env("TORCHELASTIC_RESTART_COUNT", attempt.to_string())
        .env("TRAIN_LAUNCHER_PID", std::process::id().to_string())
        .stdin(Stdio::null())
        // A group of its own: Ctrl-C reaches the launcher alone, which passes it on once.
        .process_group(0);
    if std::env::var_os("OMP_NUM_THREADS").is_none() {
        command.env("OMP_NUM_THREADS", (cores / count).max(1).to_string());
    }
    if args.num_processes.is_some() {
        command.env("TRAIN_DEVICE_DEFAULT", "cpu");
    } else if args.num_gpus.is_some() {
        command.env("TRAIN_DEVICE_DEFAULT", "cuda");
    }
    // Rank 0's progress bar needs the terminal itself.
    let direct = number == 0 && std::io::stderr().is_terminal();
    if !direct {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
    }
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let mut readers = Vec::new();
    if let Some(output) = child.stdout.take() {
        readers.push(prefix(number, output, std::io::stdout())?);
    }
    if let Some(output) = child.stderr.take() {
        readers.push(prefix(number, output, std::io::stderr())?);
    }
    let pid = i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .context("a process without a number")?;
    Ok(Rank {
        number,
        child,
        pid,
        status: None,
        readers,
    })
}

/// Copies lines, each with the rank before it, until the pipe closes.
fn prefix(
    number: usize,
    from: impl Read + Send + 'static,
    mut to: impl Write + Send + 'static,
) -> Result<JoinHandle<()>> {
    let copy = move || {
        let mut reader = BufReader::new(from);
        let mut line = Vec::new();
        loop {
            line.clear();
            match reader.read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let mut text = format!("[{number}] ").into_bytes();
            text.extend_from_slice(&line);
            if !text.ends_with(b"\n") {
                text.push(b'\n');
            }
            // One write a line, so that ranks do not mix. A closed terminal must not end the training.
            to.write_all(&text).ok();
        }
    };
    Ok(std::thread::Builder::new()
        .name(format!("output of rank {number}"))
        .spawn(copy)?)
}

#[cfg(test)]
mod tests;
