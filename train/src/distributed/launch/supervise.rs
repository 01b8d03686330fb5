//! The processes that were started: waited for, ended together, and what their exit states mean.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT};
use signal_hook::iterator::Signals;
use torch_ext::c10d::Store;

use crate::distributed::status;
use crate::say;

/// After the first failure the others have so long to notice and to say what they know.
const GRACE: Duration = Duration::from_secs(5);
/// Between the signal that asks a rank to end and the one that ends it.
const KILL_AFTER: Duration = Duration::from_secs(3);
/// Between two looks at the ranks.
const POLL: Duration = Duration::from_millis(50);
/// A run that was asked to stop may take so long to save.
const STOP_PATIENCE: Duration = Duration::from_secs(120);

/// One process of the run.
pub(super) struct Rank {
    pub(super) number: usize,
    pub(super) child: Child,
    pub(super) pid: Pid,
    pub(super) status: Option<ExitStatus>,
    pub(super) readers: Vec<JoinHandle<()>>,
}

impl Rank {
    fn signal(&self, signal: Signal) {
        if self.status.is_none() {
            // It may just have ended: then there is nobody left to tell.
            kill_process(self.pid, signal).ok();
        }
    }
}

/// Waits for the ranks; the exit code of the first that failed, if one did.
pub(super) fn supervise(
    ranks: &mut [Rank],
    keys: &Store,
    signals: &mut Signals,
    stopped_by: &mut Option<i32>,
) -> Result<Option<u8>> {
    let mut asked_to_stop: Option<Instant> = None;
    let mut failed: Option<(u8, Instant)> = None;
    loop {
        for rank in ranks.iter_mut().filter(|rank| rank.status.is_none()) {
            let Some(status) = rank.child.try_wait()? else {
                continue;
            };
            rank.status = Some(status);
            let code = exit_code(status);
            if is_failure(status, asked_to_stop.is_some()) {
                let place =
                    status::place_of(keys, rank.number).unwrap_or_else(|| "before it began".into());
                let what = describe(status);
                say!(
                    "rank {} (process {}) {what} {place}",
                    rank.number,
                    rank.child.id()
                );
                failed.get_or_insert((code, Instant::now()));
            }
        }
        if ranks.iter().all(|rank| rank.status.is_some()) {
            return Ok(failed.map(|(code, _)| code));
        }
        if let Some((code, since)) = failed
            && since.elapsed() > GRACE
        {
            end_all(ranks, KILL_AFTER);
            return Ok(Some(code));
        }
        for received in signals.pending() {
            asked_to_stop.get_or_insert_with(Instant::now);
            stopped_by.get_or_insert(received);
            // A closed terminal, too, is a request to save and end.
            let signal = match received {
                SIGINT => Signal::INT,
                SIGHUP => Signal::HUP,
                _ => Signal::TERM,
            };
            ranks.iter().for_each(|rank| rank.signal(signal));
        }
        if asked_to_stop.is_some_and(|since| since.elapsed() > STOP_PATIENCE) {
            say!(
                "the ranks did not end {} s after they were asked to",
                STOP_PATIENCE.as_secs()
            );
            end_all(ranks, KILL_AFTER);
            return Ok(Some(1));
        }
        std::thread::sleep(POLL);
    }
}

/// Ends what still runs: asks first, then (frozen processes too) kills.
pub(super) fn end_all(ranks: &mut [Rank], patience: Duration) {
    if !patience.is_zero() {
        ranks.iter().for_each(|rank| rank.signal(Signal::TERM));
        let begin = Instant::now();
        while begin.elapsed() < patience && ranks.iter().any(|rank| rank.status.is_none()) {
            for rank in ranks.iter_mut().filter(|rank| rank.status.is_none()) {
                rank.status = rank.child.try_wait().ok().flatten();
            }
            std::thread::sleep(POLL);
        }
    }
    for rank in ranks.iter_mut().filter(|rank| rank.status.is_none()) {
        say!(
            "rank {} (process {}) is killed: it did not end with the others",
            rank.number,
            rank.child.id()
        );
        rank.signal(Signal::KILL);
        rank.status = rank.child.wait().ok();
    }
}

/// 0 and 3 (done, but some images were unreadable) are not; neither is 128 + N after a signal that was passed on.
pub(super) fn is_failure(status: ExitStatus, asked_to_stop: bool) -> bool {
    match status.code() {
        Some(0 | 3) => false,
        Some(code) => !(asked_to_stop && code > 128),
        None => !asked_to_stop,
    }
}

pub(super) fn exit_code(status: ExitStatus) -> u8 {
    match (status.code(), status.signal()) {
        (Some(code), _) => u8::try_from(code).unwrap_or(1),
        (None, Some(signal)) => 128 + u8::try_from(signal).unwrap_or(0),
        (None, None) => 1,
    }
}

pub(super) fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with code {code}"),
        (None, Some(signal)) => {
            let name = signal_hook::low_level::signal_name(signal).unwrap_or("unknown");
            format!("was ended by signal {signal} ({name})")
        }
        (None, None) => "ended".into(),
    }
}
