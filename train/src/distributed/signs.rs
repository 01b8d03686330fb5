//! What ranks say of themselves in the store, and whom that makes the cause when an exchange fails. `beacon` gives the
//! signs and looks at them.

use torch_ext::c10d::Store;

/// Where one rank says it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sign {
    /// Signs given before: two looks that find the same sign find a silent rank.
    pub count: u64,
    /// From 1.
    pub epoch: u64,
    /// From 1, within the epoch; 0 before the first.
    pub step: u64,
    /// Inside an exchange, waiting for the others.
    pub waiting: bool,
    /// It failed by itself, and why.
    pub failure: Option<String>,
}

impl Sign {
    pub fn encode(&self) -> Vec<u8> {
        let Self {
            count,
            epoch,
            step,
            waiting,
            ..
        } = self;
        let failure = self.failure.as_deref().unwrap_or_default();
        format!("{count} {epoch} {step} {} {failure}", u8::from(*waiting)).into_bytes()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut parts = text.splitn(5, ' ');
        let mut number = || parts.next()?.parse::<u64>().ok();
        let (count, epoch, step, waiting) = (number()?, number()?, number()?, number()?);
        let failure = parts
            .next()
            .filter(|text| !text.is_empty())
            .map(str::to_owned);
        Some(Self {
            count,
            epoch,
            step,
            waiting: waiting == 1,
            failure,
        })
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
    Some(Sign::decode(&bytes)?.place())
}

/// Whether a rank has begun a step.
pub(super) fn has_begun(store: &Store, rank: usize) -> bool {
    let bytes = store.try_get(&key(rank)).ok().flatten();
    bytes
        .and_then(|bytes| Sign::decode(&bytes))
        .is_some_and(|sign| sign.epoch > 0)
}

/// Where a rank's sign is.
pub(super) fn key(rank: usize) -> String {
    format!("life/{rank}")
}

/// The present sign of every rank.
pub(super) fn signs(store: &Store, size: usize) -> Vec<Option<Sign>> {
    (0..size)
        .map(|rank| {
            store
                .try_get(&key(rank))
                .ok()
                .flatten()
                .and_then(|bytes| Sign::decode(&bytes))
        })
        .collect()
}

/// Ranks that failed by themselves, else those that gave no sign between the two looks.
pub(super) fn missing(
    before: &[Option<Sign>],
    after: &[Option<Sign>],
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
            Some(Sign {
                failure: Some(reason),
                ..
            }) if !reason.starts_with("rank ") => {
                failed.push(format!("rank {other} failed ({reason})"));
            }
            // It reacts to the same loss as this rank.
            Some(Sign {
                failure: Some(_), ..
            }) => {}
            Some(sign) if before.as_ref() == Some(sign) => {
                silent.push(format!(
                    "rank {other} gives no sign of life, last seen {}",
                    sign.place()
                ));
            }
            Some(_) => {}
        }
    }
    let all = if failed.is_empty() { silent } else { failed };
    (!all.is_empty()).then(|| all.join("; "))
}

/// Alive, but not where the others wait.
pub(super) fn behind(signs: &[Option<Sign>], rank: usize) -> Option<String> {
    let all = signs.iter().enumerate().filter(|(other, _)| *other != rank);
    let busy: Vec<String> = all
        .filter_map(|(other, sign)| Some((other, sign.as_ref()?)))
        .filter(|(_, sign)| !sign.waiting && sign.failure.is_none())
        .map(|(other, sign)| format!("rank {other} is alive but hangs {}", sign.place()))
        .collect();
    (!busy.is_empty()).then(|| busy.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(count: u64, waiting: bool) -> Option<Sign> {
        Some(Sign {
            count,
            epoch: 2,
            step: 7,
            waiting,
            failure: None,
        })
    }

    #[test]
    fn signs_survive_the_store() {
        for failure in [None, Some("out of memory: try less".to_owned())] {
            let sign = Sign {
                count: 3,
                epoch: 1,
                step: 9,
                waiting: true,
                failure,
            };
            assert_eq!(Sign::decode(&sign.encode()), Some(sign));
        }
        assert_eq!(Sign::decode(b"nonsense"), None);
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
        let failed = |reason: &str| {
            let mut sign = at(9, false).unwrap();
            sign.failure = Some(reason.into());
            Some(sign)
        };
        let before = [at(1, true), at(5, true), at(5, true)];
        let after = [at(2, true), failed("out of memory"), at(5, true)];
        assert_eq!(
            missing(&before, &after, 0).unwrap(),
            "rank 1 failed (out of memory)"
        );
        let after = [
            at(2, true),
            failed("rank 1 stopped at epoch 2 step 7"),
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
        let signs = [at(4, true), at(8, false)];
        assert_eq!(
            behind(&signs, 0).unwrap(),
            "rank 1 is alive but hangs at epoch 2 step 7"
        );
        assert_eq!(behind(&[at(4, true), at(8, true)], 0), None);
    }
}
