//! What a person sees: a bar on a terminal, plain lines in a pipe, everything said also in `train.log`.

use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::device::Memory;
use crate::metrics::EpochRecord;
use crate::metrics::table::METRICS;
use crate::say;

/// In a pipe, the state of an epoch is said this often.
const PLAIN_INTERVAL: Duration = Duration::from_secs(30);
/// On a terminal, numbers are refreshed this often; each refresh waits for the device.
const BAR_INTERVAL: Duration = Duration::from_millis(250);

/// Speaks for one process; silent on all but the first.
pub struct Reporter {
    log: Log,
    bar: Option<ProgressBar>,
    terminal: bool,
    silent: bool,
    label: String,
    last: Instant,
}

/// The file beside the terminal.
enum Log {
    /// Not opened yet: what was said so far.
    Waiting(Vec<String>),
    Open(File),
    /// It could not be written any more, or this process has none.
    None,
}

/// A moment within an epoch.
pub struct Moment {
    /// Steps done.
    pub step: u64,
    /// Mean loss so far.
    pub loss: f64,
    /// Percent so far.
    pub top1: f64,
    /// Throughput over the epoch so far.
    pub images_per_sec: f64,
    /// Share of time spent waiting for data.
    pub data_wait_percent: f64,
    /// Present rate.
    pub learning_rate: f64,
    /// Of the device, where it tells.
    pub memory: Option<Memory>,
    /// Seconds to the end of the run, as it went so far.
    pub left_secs: Option<f64>,
}

impl Reporter {
    /// Speaks to the terminal, unless `silent`; what it says is kept for a log that may be opened later.
    pub fn new(silent: bool) -> Self {
        Self {
            log: if silent {
                Log::None
            } else {
                Log::Waiting(Vec::new())
            },
            bar: None,
            terminal: std::io::stderr().is_terminal(),
            silent,
            label: String::new(),
            last: Instant::now(),
        }
    }

    /// From now on, and with all that was said before, everything also goes to the end of the file `path`.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn open_log(&mut self, path: &Path) -> Result<()> {
        let cannot = || format!("cannot write {}", path.display());
        let file = OpenOptions::new().create(true).append(true).open(path);
        let mut file = file.with_context(cannot)?;
        if let Log::Waiting(lines) = &self.log {
            for line in lines {
                writeln!(file, "{line}").with_context(cannot)?;
            }
        }
        self.log = Log::Open(file);
        Ok(())
    }

    /// Says one line. A terminal that is gone does not matter: the log has it.
    pub fn line(&mut self, text: impl AsRef<str>) {
        let text = text.as_ref();
        if self.silent {
            return;
        }
        match &self.bar {
            Some(bar) => bar.suspend(|| say!("{text}")),
            None => say!("{text}"),
        }
        self.note(text);
    }

    /// Writes one line to the log only.
    pub fn note(&mut self, text: &str) {
        let now = humantime::format_rfc3339_seconds(SystemTime::now());
        let line = format!("{now} {text}");
        match &mut self.log {
            Log::None => {}
            Log::Waiting(lines) => lines.push(line),
            Log::Open(file) => {
                if let Err(error) = writeln!(file, "{line}") {
                    let reason = model_core::text::system_words(error);
                    say!("train.log: {reason}; going on without it");
                    self.log = Log::None;
                }
            }
        }
    }

    /// Begins a phase of `total` steps (or batches), `done` of them already behind.
    pub fn begin(&mut self, label: String, total: u64, done: u64) {
        self.end();
        self.label = label;
        self.last = Instant::now();
        if self.silent || !self.terminal {
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(8));
        let style = "{prefix} {bar:28.cyan/blue} {pos}/{len} {msg} [{elapsed}<{eta}]";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        bar.set_prefix(self.label.clone());
        bar.set_position(done);
        bar.reset_eta();
        self.bar = Some(bar);
    }

    /// Whether numbers should be collected for [`Reporter::show`] now.
    pub fn is_due(&self) -> bool {
        let interval = if self.bar.is_some() {
            BAR_INTERVAL
        } else {
            PLAIN_INTERVAL
        };
        !self.silent && self.last.elapsed() >= interval
    }

    /// Shows where an epoch is.
    pub fn show(&mut self, moment: &Moment) {
        self.last = Instant::now();
        let memory = moment.memory.map_or(String::new(), |memory| {
            let [used, peak] = [memory.used_bytes, memory.peak_bytes].map(|bytes| bytes >> 20);
            format!(" mem {used}/{peak} MiB")
        });
        let left = moment.left_secs.map_or(String::new(), |secs| {
            // To the minute, but for the last one.
            let secs = if secs < 60.0 {
                secs
            } else {
                (secs / 60.0).round() * 60.0
            };
            let left = std::time::Duration::from_secs(secs as u64);
            format!(" {} left", humantime::format_duration(left))
        });
        let text = format!(
            "loss {:.4} top-1 {:5.2} % {:.0} img/s wait {:.0} % lr {:.2e}{memory}{left}",
            moment.loss,
            moment.top1,
            moment.images_per_sec,
            moment.data_wait_percent,
            moment.learning_rate
        );
        match &self.bar {
            Some(bar) => {
                bar.set_position(moment.step);
                bar.set_message(text);
            }
            None => {
                let line = format!("{} step {}: {text}", self.label, moment.step);
                self.line(line);
            }
        }
    }

    /// One step further, without numbers.
    pub fn advance(&self) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    /// Ends the phase.
    pub fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// The head of the table of epochs.
    pub fn table_head(&mut self) {
        let columns = METRICS
            .iter()
            .filter_map(|m| Some((m.title, m.column?.width)));
        let columns: Vec<String> = columns
            .map(|(title, width)| format!("{title:>width$}"))
            .collect();
        self.line(format!("{:>9} {}", "epoch", columns.join(" ")));
    }

    /// A row of the table of epochs.
    pub fn table_row(&mut self, record: &EpochRecord, epochs: u32, is_best: bool) {
        let columns = METRICS
            .iter()
            .filter_map(|m| Some(m.column?.show((m.value)(record))));
        let columns: Vec<String> = columns.collect();
        let best = if is_best { "  best" } else { "" };
        self.line(format!(
            "{:>4}/{epochs:<4} {}{best}",
            record.epoch,
            columns.join(" ")
        ));
    }
}
