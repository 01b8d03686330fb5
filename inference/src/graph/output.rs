//! What the numbers of an answer are, decided by structure and by what two runs show, and why.

use model_core::manifest::Output;

use super::ending::Ending;

/// What the output is, and how that was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub output: Output,
    /// Half a sentence for `info`: "the graph ends in Softmax, and two runs sum to 1".
    pub because: String,
    /// Worth telling every user: structure or values leave room for doubt.
    pub doubt: Option<String>,
}

/// What the values of two runs have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Values {
    /// None below 0, and they sum to 1.
    SumToOne,
    /// None above 0, and their exponentials sum to 1.
    LogsOfSumToOne,
    /// From 0 to 1.
    Unit,
    /// Anything else.
    Free,
}

/// How far a sum may be from 1: float16 and int8 networks round each of a thousand probabilities.
const SUM_TOLERANCE: f64 = 2e-3;

impl Values {
    fn of(run: &[f32]) -> Self {
        let sum: f64 = run.iter().copied().map(f64::from).sum();
        let of_exponentials: f64 = run.iter().map(|value| f64::from(*value).exp()).sum();
        let within = |low: f32, high: f32| run.iter().all(|value| (low..=high).contains(value));
        if within(-1e-6, f32::INFINITY) && (sum - 1.0).abs() <= SUM_TOLERANCE {
            Self::SumToOne
        } else if within(f32::NEG_INFINITY, 1e-6) && (of_exponentials - 1.0).abs() <= SUM_TOLERANCE
        {
            Self::LogsOfSumToOne
        } else if within(-1e-6, 1.0 + 1e-6) {
            Self::Unit
        } else {
            Self::Free
        }
    }
}

/// Decides by structure and by the outputs of two runs (none where they could not be made).
pub(crate) fn decide(ending: &Ending, runs: &[Vec<f32>]) -> Decision {
    let mut shown = runs.iter().map(|run| Values::of(run));
    let values = match shown.next() {
        Some(first) if shown.all(|other| other == first) => Some(first),
        Some(_) if runs.iter().all(|run| Values::of(run) != Values::Free) => Some(Values::Unit),
        Some(_) => Some(Values::Free),
        None => None,
    };
    let outputs = runs.first().map_or(0, Vec::len);
    let plain = |output, because: &str| Decision {
        output,
        because: because.to_owned(),
        doubt: None,
    };
    let doubtful = |output: Output, because: String| Decision {
        output,
        doubt: Some(format!("{because}: taken as {output}")),
        because,
    };
    match (ending, values) {
        (Ending::Softmax, None | Some(Values::SumToOne)) => plain(
            Output::Probabilities,
            "the graph ends in Softmax, and two runs sum to 1",
        ),
        (Ending::Softmax, Some(Values::Unit)) => {
            let sum: f32 = runs.iter().flatten().sum::<f32>() / runs.len().max(1) as f32;
            doubtful(
                Output::Probabilities,
                format!("the graph ends in Softmax, but its outputs sum to {sum:.3}, not to 1"),
            )
        }
        (Ending::LogSoftmax, None | Some(Values::LogsOfSumToOne)) => plain(
            Output::LogProbabilities,
            "the graph ends in the logarithm of a softmax",
        ),
        // One number between 0 and 1 sums to 1 only by being 1.
        (Ending::Sigmoid, _) if outputs <= 1 => plain(
            Output::SigmoidScores,
            "the graph ends in a sigmoid over one number: a binary classifier",
        ),
        (Ending::Sigmoid, None | Some(Values::Unit)) => plain(
            Output::SigmoidScores,
            "the graph ends in a sigmoid: each class has a score of its own",
        ),
        (Ending::Softmax | Ending::LogSoftmax, Some(_)) => doubtful(
            Output::Logits,
            "the graph holds a softmax near its end, but two runs give no probabilities".to_owned(),
        ),
        (_, Some(Values::SumToOne)) if outputs > 1 => plain(
            Output::Probabilities,
            "the outputs of two runs are at least 0 and sum to 1",
        ),
        (_, Some(Values::LogsOfSumToOne)) if outputs > 1 => plain(
            Output::LogProbabilities,
            "the exponentials of two runs' outputs sum to 1",
        ),
        (Ending::Linear, _) if outputs == 1 => doubtful(
            Output::SigmoidLogits,
            "the network gives one number an image and no sigmoid over it".to_owned(),
        ),
        (Ending::Linear, _) => plain(Output::Logits, "the graph ends in a linear layer"),
        (Ending::Sigmoid, Some(_)) => doubtful(
            Output::Logits,
            "the graph holds a sigmoid near its end, but two runs give values outside 0 to 1"
                .to_owned(),
        ),
        (Ending::Other(op), Some(Values::Unit)) => doubtful(
            Output::SigmoidScores,
            format!(
                "the graph ends in {op}, and two runs give values from 0 to 1 that do not sum to 1"
            ),
        ),
        (Ending::Other(op), _) => doubtful(Output::Logits, format!("the graph ends in {op}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two(values: &[f32]) -> Vec<Vec<f32>> {
        vec![values.to_vec(), values.to_vec()]
    }

    #[test]
    fn structure_and_values_decide_together() {
        let of = |ending: Ending, values: &[f32]| decide(&ending, &two(values));
        let open = || Ending::Other("Clip".to_owned());
        assert_eq!(
            of(Ending::Softmax, &[0.1, 0.9]).output,
            Output::Probabilities
        );
        assert_eq!(of(open(), &[0.1, 0.9]).output, Output::Probabilities);
        assert_eq!(
            of(Ending::Linear, &[0.1, 0.9]).output,
            Output::Probabilities
        );
        assert_eq!(of(Ending::Linear, &[0.1, 0.8]).output, Output::Logits);
        assert_eq!(of(Ending::Linear, &[0.1]).output, Output::SigmoidLogits);
        assert_eq!(
            of(Ending::Sigmoid, &[0.1, 0.8]).output,
            Output::SigmoidScores
        );
        assert_eq!(of(Ending::Sigmoid, &[1.0]).output, Output::SigmoidScores);
        let logs = [0.25f32.ln(), 0.75f32.ln()];
        assert_eq!(
            of(Ending::LogSoftmax, &logs).output,
            Output::LogProbabilities
        );
        assert_eq!(of(open(), &logs).output, Output::LogProbabilities);
        assert!(of(Ending::Softmax, &[0.1, 0.2]).doubt.is_some());
        assert!(of(Ending::Softmax, &[3.0, 0.2]).doubt.is_some());
        assert!(of(open(), &[0.1, 0.2]).doubt.is_some());
        assert!(of(Ending::Linear, &[3.0, -1.0]).doubt.is_none());
    }

    #[test]
    fn one_run_that_sums_to_one_by_chance_is_not_enough() {
        let runs = [vec![0.4, 0.6], vec![0.4, 0.7]];
        assert_eq!(decide(&Ending::Linear, &runs).output, Output::Logits);
    }
}
