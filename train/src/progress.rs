//! What a person sees: a bar on a terminal, plain lines in a pipe, everything said also in `train.log`.

use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::device::Memory;
use crate::metrics::EpochRecord;

/// In a pipe, the state of an epoch is said this often.
const PLAIN_INTERVAL: Duration = Duration::from_secs(30);
/// On a terminal, numbers are refreshed this often; each refresh waits for the device.
const BAR_INTERVAL: Duration = Duration::from_millis(250);

/// Speaks for one process; silent on all but the first.
pub struct Reporter {
    log: Option<File>,
    bar: Option<ProgressBar>,
    terminal: bool,
    silent: bool,
    label: String,
    last: Instant,
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
}

impl Reporter {
    /// Appends to `log` where given.
    pub fn new(log: Option<&Path>, silent: bool) -> Result<Self> {
        let open = |path: &Path| {
            let file = OpenOptions::new().create(true).append(true).open(path);
            file.with_context(|| format!("cannot write {}", path.display()))
        };
        Ok(Self {
            log: log.map(open).transpose()?,
            bar: None,
            terminal: std::io::stderr().is_terminal(),
            silent,
            label: String::new(),
            last: Instant::now(),
        })
    }

    /// Says one line.
    pub fn line(&mut self, text: impl AsRef<str>) {
        let text = text.as_ref();
        if self.silent {
            return;
        }
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
        self.note(text);
    }

    /// Writes one line to the log only.
    pub fn note(&mut self, text: &str) {
        let now = humantime::format_rfc3339_seconds(SystemTime::now());
        if let Some(file) = &mut self.log
            && let Err(error) = writeln!(file, "{now} {text}")
        {
            eprintln!("train.log: {error}; going on without it");
            self.log = None;
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
        let text = format!(
            "loss {:.4} top-1 {:5.2} % {:.0} img/s wait {:.0} % lr {:.2e}{memory}",
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
        self.line("   epoch       lr  train loss  top-1 %  val loss  top-1 %  top-5 %    img/s  wait %    secs  peak MiB");
    }

    /// A row of the table of epochs.
    pub fn table_row(&mut self, record: &EpochRecord, epochs: u32, is_best: bool) {
        let number = |value: Option<f64>, width: usize, digits: usize| match value {
            Some(value) => format!("{value:width$.digits$}"),
            None => format!("{:>width$}", "-"),
        };
        let row = format!(
            "{:>4}/{:<4} {:8.2e} {:10.4} {:8.2} {} {} {} {:8.1} {:7.1} {:7.1} {}{}",
            record.epoch,
            epochs,
            record.learning_rate,
            record.train_loss,
            record.train_top1_percent,
            number(record.val_loss, 9, 4),
            number(record.val_top1_percent, 8, 2),
            number(record.val_top5_percent, 8, 2),
            record.images_per_sec,
            record.data_wait_percent,
            record.train_secs + record.val_secs,
            number(record.peak_memory_bytes.map(|b| (b >> 20) as f64), 9, 0),
            if is_best { "  best" } else { "" }
        );
        self.line(row);
    }
}
