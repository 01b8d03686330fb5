//! What ranks say of themselves in the store, and whom that makes the cause when an exchange fails. `heartbeat` tells it
//! and looks at it.

use serde::{Deserialize, Serialize};
use torch_ext::c10d::Store;

/// Where one rank says it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Status {
    /// Heartbeats before: two looks that find the same status find a silent rank.
    pub count: u64,
    /// From 1.
    pub epoch: u64,
    /// From 1, within the epoch; 0 before the first.
    pub step: u64,
    /// Inside an exchange, waiting for the others.
    pub waiting: bool,
    /// It failed, and why.
    pub failure: Option<RankFailure>,
}

/// Why a rank failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RankFailure {
    /// In one line.
    pub reason: String,
    /// It only noticed that another was missing: no cause.
    pub is_reaction: bool,
}

impl Status {
    pub fn encode(&self) -> Vec<u8> {
        // Numbers, flags and text always make JSON.
        serde_json::to_vec(self).unwrap_or_default()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    pub fn place(&self) -> String {
        match (self.epoch, self.step) {
            (0, _) => "before the first step".into(),
            (epoch, step) => format!("at epoch {epoch} step {step}"),
        }
    }
}

/// Where a rank last said it was, in words; none: it has said nothing yet.
pub(super) fn place_of(store: &Store, rank: usize) -> Option<String> {
    let bytes = store.try_get(&key(rank)).ok().flatten()?;
    Some(Status::decode(&bytes)?.place())
}

/// Whether a rank has begun a step.
pub(super) fn has_begun(store: &Store, rank: usize) -> bool {
    let bytes = store.try_get(&key(rank)).ok().flatten();
    bytes
        .and_then(|bytes| Status::decode(&bytes))
        .is_some_and(|status| status.epoch > 0)
}

/// Where a rank's status is.
pub(super) fn key(rank: usize) -> String {
    format!("life/{rank}")
}

/// The present status of every rank.
pub(super) fn statuses(store: &Store, size: usize) -> Vec<Option<Status>> {
    (0..size)
        .map(|rank| {
            store
                .try_get(&key(rank))
                .ok()
                .flatten()
                .and_then(|bytes| Status::decode(&bytes))
        })
        .collect()
}

/// Ranks that failed by themselves, else those that gave no heartbeat between the two looks.
pub(super) fn missing(
    before: &[Option<Status>],
    after: &[Option<Status>],
    rank: usize,
) -> Option<String> {
    let mut failed = Vec::new();
    let mut silent = Vec::new();
    for (other, (before, after)) in before
        .iter()
        .zip(after)
        .enumerate()
        .filter(|(other, _)| *other != rank)
    {
        match after {
            None => silent.push(format!("rank {other} never came")),
            Some(Status {
                failure: Some(failure),
                ..
            }) if !failure.is_reaction => {
                failed.push(format!("rank {other} failed ({})", failure.reason));
            }
            // It reacts to the same loss as this rank.
            Some(Status {
                failure: Some(_), ..
            }) => {}
            Some(status) if before.as_ref() == Some(status) => {
                silent.push(format!(
                    "rank {other} gives no sign of life, last seen {}",
                    status.place()
                ));
            }
            Some(_) => {}
        }
    }
    let all = if failed.is_empty() { silent } else { failed };
    (!all.is_empty()).then(|| all.join("; "))
}

/// Alive, but not where the others wait.
pub(super) fn behind(statuses: &[Option<Status>], rank: usize) -> Option<String> {
    let all = statuses
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != rank);
    let busy: Vec<String> = all
        .filter_map(|(other, status)| Some((other, status.as_ref()?)))
        .filter(|(_, status)| !status.waiting && status.failure.is_none())
        .map(|(other, status)| format!("rank {other} is alive but hangs {}", status.place()))
        .collect();
    (!busy.is_empty()).then(|| busy.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(count: u64, waiting: bool) -> Option<Status> {
        Some(Status {
            count,
            epoch: 2,
            step: 7,
            waiting,
            failure: None,
        })
    }

    #[test]
    fn a_status_survives_the_store() {
        let failure = RankFailure {
            reason: "out of memory: try less".into(),
            is_reaction: false,
        };
        for failure in [None, Some(failure)] {
            let status = Status {
                count: 3,
                epoch: 1,
                step: 9,
                waiting: true,
                failure,
            };
            assert_eq!(Status::decode(&status.encode()), Some(status));
        }
        assert_eq!(Status::decode(b"nonsense"), None);
    }

    #[test]
    fn the_silent_rank_is_named_with_its_step() {
        let before = [at(1, true), at(5, false), at(1, true)];
        let after = [at(4, true), at(5, false), at(4, true)];
        let text = missing(&before, &after, 0).unwrap();
        assert_eq!(
            text,
            "rank 1 gives no sign of life, last seen at epoch 2 step 7"
        );
        assert_eq!(
            missing(&before, &[at(4, true), at(8, false), at(4, true)], 0),
            None
        );
    }

    #[test]
    fn a_failure_of_its_own_comes_first_and_reactions_are_not_blamed() {
        let failed = |reason: &str, is_reaction: bool| {
            let mut status = at(9, false).unwrap();
            status.failure = Some(RankFailure {
                reason: reason.into(),
                is_reaction,
            });
            Some(status)
        };
        let before = [at(1, true), at(5, true), at(5, true)];
        let after = [at(2, true), failed("out of memory", false), at(5, true)];
        assert_eq!(
            missing(&before, &after, 0).unwrap(),
            "rank 1 failed (out of memory)"
        );
        let after = [
            at(2, true),
            failed("rank 1 stopped at epoch 2 step 7", true),
            at(5, true),
        ];
        assert!(
            missing(&before, &after, 0)
                .unwrap()
                .starts_with("rank 2 gives no sign")
        );
    }

    #[test]
    fn a_rank_that_hangs_outside_the_exchange_is_named() {
        let statuses = [at(4, true), at(8, false)];
        assert_eq!(
            behind(&statuses, 0).unwrap(),
            "rank 1 is alive but hangs at epoch 2 step 7"
        );
        assert_eq!(behind(&[at(4, true), at(8, true)], 0), None);
    }
}
