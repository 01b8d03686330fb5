//! What is said where the loader cannot keep up with the network: how much of the time was waiting, and what to do.

use crate::data::Loading;
use crate::metrics::Running;
use crate::progress::Reporter;

/// Waiting up to this share of an epoch is not worth a word.
const REMARKED_PERCENT: f64 = 10.0;
/// Steps of the first epoch after which it is said early: the first batches have filled the pipeline by then.
pub(super) const EARLY_STEPS: u64 = 50;

/// Says it once on the terminal; every later epoch that waits is in the log only.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    is_said: bool,
}

impl Waiting {
    /// Looks at `running`, what has been measured of the epoch called `epoch`. Made-up images (`loading` none) are never
    /// remarked: no setting of a loader makes them faster.
    pub(super) fn remark(
        &mut self,
        reporter: &mut Reporter,
        epoch: &str,
        running: &Running,
        loading: Option<&Loading>,
    ) {
        let percent = running.data_wait_percent();
        let Some(text) = loading.and_then(|loading| remark(percent, epoch, loading)) else {
            return;
        };
        match std::mem::replace(&mut self.is_said, true) {
            false => reporter.line(text),
            true => reporter.note(&text),
        }
    }
}

/// The line, where `percent` of the epoch was waiting; only advice that still applies.
fn remark(percent: f64, epoch: &str, loading: &Loading) -> Option<String> {
    if percent <= REMARKED_PERCENT {
        return None;
    }
    let Loading {
        workers,
        cores,
        is_pack,
        is_exact,
    } = *loading;
    let mut advice = Vec::new();
    if workers < cores {
        advice.push(format!("--workers {cores} (now {workers})"));
    }
    if !is_pack {
        advice.push("`train pack` once, then train from its shards".to_owned());
    }
    if is_exact {
        advice.push("--decode fast".to_owned());
    }
    advice.push("`train bench data` to see the stages".to_owned());
    Some(format!(
        "note       the loader is the bottleneck: {percent:.0} % of {epoch} was waiting for images; try {}",
        advice.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: Loading = Loading {
        workers: 2,
        cores: 8,
        is_pack: false,
        is_exact: true,
    };

    fn waited(percent: f64) -> Running {
        Running {
            secs: 100.0,
            data_secs: percent,
            ..Running::default()
        }
    }

    #[test]
    fn only_advice_that_still_applies_is_given() {
        assert_eq!(
            remark(37.4, "epoch 3", &SLOW).unwrap(),
            "note       the loader is the bottleneck: 37 % of epoch 3 was waiting for images; try --workers 8 (now 2), \
             `train pack` once, then train from its shards, --decode fast, `train bench data` to see the stages"
        );
        let tuned = Loading {
            workers: 8,
            cores: 8,
            is_pack: true,
            is_exact: false,
        };
        assert_eq!(
            remark(90.0, "epoch 1", &tuned).unwrap(),
            "note       the loader is the bottleneck: 90 % of epoch 1 was waiting for images; try `train bench data` to see \
             the stages"
        );
        assert_eq!(remark(10.0, "epoch 1", &SLOW), None);
        assert_eq!(remark(0.0, "epoch 1", &SLOW), None);
    }

    #[test]
    fn it_is_said_once_and_every_epoch_is_in_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("train.log");
        let mut reporter = Reporter::new(false);
        reporter.open_log(&path).unwrap();
        let mut waiting = Waiting::default();
        waiting.remark(&mut reporter, "epoch 1", &waited(9.0), Some(&SLOW));
        waiting.remark(&mut reporter, "epoch 1", &waited(90.0), None);
        assert!(!waiting.is_said);
        for epoch in ["epoch 2", "epoch 3"] {
            waiting.remark(&mut reporter, epoch, &waited(42.0), Some(&SLOW));
            assert!(waiting.is_said);
        }
        let log = std::fs::read_to_string(&path).unwrap();
        assert_eq!(log.lines().count(), 2, "{log}");
        for epoch in ["epoch 2", "epoch 3"] {
            assert!(
                log.contains(&format!("42 % of {epoch} was waiting")),
                "{log}"
            );
        }
    }
}
