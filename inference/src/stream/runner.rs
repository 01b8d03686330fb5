//! Runs the network on what the workers prepared, in order.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::mpsc;
use std::time::Duration;

use super::{Answer, Failure, Item, Outcome, Prepared, StreamConfig};
use crate::classifier::check_numbers;
use crate::{Classifier, InferenceError};

/// Puts the workers' results back in order, runs the network on what is ready, and answers.
pub(super) struct Runner<'a> {
    pub(super) classifier: &'a Classifier,
    pub(super) config: &'a StreamConfig,
    pub(super) waiting: BTreeMap<usize, Item>,
    pub(super) next: usize,
}

impl Runner<'_> {
    pub(super) fn run(
        &mut self,
        receiver: &mpsc::Receiver<(usize, Item)>,
        batch: usize,
        on_answer: &mut impl FnMut(Answer) -> ControlFlow<()>,
        emitted: impl Fn(usize),
    ) -> Result<(), InferenceError> {
        loop {
            while let Ok((index, item)) = receiver.try_recv() {
                self.waiting.insert(index, item);
            }
            self.config.cancel.check()?;
            if !self.waiting.contains_key(&self.next) {
                match receiver.recv_timeout(Duration::from_millis(50)) {
                    Ok((index, item)) => {
                        self.waiting.insert(index, item);
                    }
                    Err(mpsc::RecvTimeoutError::Timeout) => {}
                    Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(()),
                }
                continue;
            }
            let mut ready = Vec::with_capacity(batch);
            while ready.len() < batch
                && let Some(item) = self.waiting.remove(&(self.next + ready.len()))
            {
                ready.push(item);
            }
            if self.answer(ready, on_answer)?.is_break() {
                return Ok(());
            }
            emitted(self.next);
        }
    }

    pub(super) fn answer(
        &mut self,
        ready: Vec<Item>,
        on_answer: &mut impl FnMut(Answer) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, InferenceError> {
        let classifier = self.classifier;
        let mut input = Vec::with_capacity(ready.len() * classifier.input_len());
        let mut output = Vec::new();
        for prepared in ready.iter().filter_map(|item| item.result.as_ref().ok()) {
            match &prepared.picture {
                Some(picture) => output.extend(classifier.logits(picture)?),
                None => input.extend_from_slice(&prepared.input),
            }
        }
        if !input.is_empty() {
            output = classifier.logits_of(&input)?;
        }
        let mut outputs = output.chunks_exact(classifier.model().outputs);
        for item in ready {
            let result = match item.result {
                Ok(prepared) => self.outcome(prepared, outputs.next().unwrap_or_default()),
                Err(failure) => Err(failure),
            };
            let answer = Answer {
                index: self.next,
                name: item.name,
                path: item.path,
                result,
            };
            self.next += 1;
            if on_answer(answer).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    pub(super) fn outcome(&self, prepared: Prepared, output: &[f32]) -> Result<Outcome, Failure> {
        check_numbers(output)?;
        let probabilities = self.classifier.probabilities(output);
        Ok(Outcome {
            predictions: self
                .classifier
                .predictions(&probabilities, self.config.top_k),
            probabilities,
            output: output.to_vec(),
            size: prepared.size,
            format: prepared.format,
            damage: prepared.damage,
            input: prepared.crop.map(|crop| (crop, prepared.input)),
        })
    }
}
