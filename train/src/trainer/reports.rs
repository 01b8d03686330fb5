//! What rank 0 leaves for others while it trains: records of steps and epochs, TensorBoard events, plots. None of it is
//! worth a run: what cannot be written is left out, and said once.

use anyhow::Result;

use crate::checkpoint::state::Progress;
use crate::failure::describe;
use crate::metrics::{self, EpochRecord, Running, StepRecord, unix_secs};
use crate::report;
use crate::report::tensorboard::EventFile;
use crate::run_dir::RunDir;
use crate::schedule::Schedule;

/// The open reports of a run.
#[derive(Default)]
pub(super) struct Reports {
    files: Option<Files>,
    /// The sums at the record before.
    before: Running,
    has_warned: bool,
}

struct Files {
    run: RunDir,
    events: EventFile,
}

impl Reports {
    /// Begins to write, after `step` optimizer steps of the run.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn open(run: &RunDir, step: u64) -> Result<Self> {
        metrics::keep_steps_until(&run.steps(), step)?;
        Ok(Self {
            files: Some(Files {
                run: run.clone(),
                events: EventFile::begin(&run.tensorboard(), step)?,
            }),
            ..Self::default()
        })
    }

    /// A new part of an epoch begins with these sums.
    pub fn begin_part(&mut self, running: &Running) {
        self.before = *running;
    }

    /// Records the step that began at `at_epochs` and the steps since the record before; the warning, if one is due.
    pub fn add_step(
        &mut self,
        at_epochs: f64,
        progress: &Progress,
        processes: usize,
        memory_bytes: Option<u64>,
    ) -> Option<String> {
        let part = progress.running.since(&self.before);
        self.before = progress.running;
        let (loss, top1, _) = part.means();
        let has_images = part.images > 0.0;
        let record = StepRecord {
            epoch: at_epochs,
            step: progress.step,
            learning_rate: progress.learning_rate,
            loss: has_images.then_some(loss),
            top1_percent: has_images.then_some(top1),
            images_per_sec: part.images * processes as f64 / part.secs.max(1e-9),
            data_wait_percent: part.data_wait_percent(),
            memory_bytes,
            unix_secs: unix_secs(),
        };
        let files = self.files.as_mut()?;
        let written = metrics::append_step(&files.run.steps(), &record)
            .and_then(|()| files.events.add_step(&record));
        self.warn(written)
    }

    /// Writes and draws what an epoch leaves; the warning, if one is due.
    pub fn add_epoch(
        &mut self,
        history: &[EpochRecord],
        schedule: &Schedule,
        now: f64,
        run: &RunDir,
    ) -> Option<String> {
        let files = self.files.as_mut()?;
        let mut write = || -> Result<()> {
            metrics::write(history, &run.jsonl(), &run.npz())?;
            if let Some(last) = history.last() {
                files.events.add_epoch(last)?;
            }
            report::draw(history, schedule, now, run)
        };
        let written = write();
        self.warn(written)
    }

    fn warn(&mut self, written: Result<()>) -> Option<String> {
        let error = written.err()?;
        (!std::mem::replace(&mut self.has_warned, true)).then(|| describe(&error))
    }
}
