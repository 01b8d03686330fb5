//! A data set under the labels of a run that was begun with its classes in another order or under other names.

use std::rc::Rc;

use anyhow::Result;
use tch::Tensor;

use super::fingerprint::DataFingerprint;
use super::{BatchIter, DataSource, Loading, TensorBatch};

/// Another source, its labels exchanged.
pub struct Relabeled {
    inner: Rc<dyn DataSource>,
    classes: Vec<String>,
    class_counts: Option<Vec<usize>>,
    /// i64 `[classes]`: the label to use, by the label that `inner` gives.
    labels: Tensor,
}

impl Relabeled {
    /// `labels[i]` is the place in `classes` of the class that `inner` calls `i`.
    ///
    /// # Errors
    /// Only what libtorch itself reports.
    pub fn new(inner: Rc<dyn DataSource>, classes: Vec<String>, labels: &[i64]) -> Result<Self> {
        let class_counts = inner.class_counts().map(|counts| {
            let mut moved = vec![0; counts.len()];
            for (label, count) in labels.iter().zip(counts) {
                moved[*label as usize] = *count;
            }
            moved
        });
        Ok(Self {
            inner,
            class_counts,
            classes,
            labels: Tensor::f_from_slice(labels)?,
        })
    }

    fn relabel<'a>(&'a self, batches: BatchIter<'a>) -> BatchIter<'a> {
        Box::new(batches.map(move |batch| {
            let batch = batch?;
            Ok(TensorBatch {
                labels: self.labels.f_index_select(0, &batch.labels)?,
                pixels: batch.pixels,
            })
        }))
    }
}

impl DataSource for Relabeled {
    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn class_counts(&self) -> Option<&[usize]> {
        self.class_counts.as_deref()
    }

    fn hints(&self) -> Vec<String> {
        self.inner.hints()
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn name(&self) -> String {
        self.inner.name()
    }

    fn train_images(&self) -> u64 {
        self.inner.train_images()
    }

    fn val_images(&self) -> u64 {
        self.inner.val_images()
    }

    fn train(&self, epoch: u32, first: u64, side: u32) -> Result<BatchIter<'_>> {
        Ok(self.relabel(self.inner.train(epoch, first, side)?))
    }

    fn look(&self, side: u32) -> Result<BatchIter<'_>> {
        Ok(self.relabel(self.inner.look(side)?))
    }

    fn val(&self) -> Result<BatchIter<'_>> {
        Ok(self.relabel(self.inner.val()?))
    }

    fn unreadable(&self) -> Vec<String> {
        self.inner.unreadable()
    }

    fn loading(&self) -> Option<Loading> {
        self.inner.loading()
    }

    fn fingerprint(&self) -> DataFingerprint {
        DataFingerprint {
            classes: self.classes.clone(),
            ..self.inner.fingerprint()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::synthetic::Synthetic;

    #[test]
    fn labels_follow_the_names() {
        let plain: Rc<dyn DataSource> = Rc::new(Synthetic::new(12, 3, 6, 8, 1));
        let labels = |source: &dyn DataSource| -> Vec<i64> {
            let batch = source.val().unwrap().next().unwrap().unwrap();
            Vec::try_from(&batch.labels).unwrap()
        };
        let before = labels(plain.as_ref());
        let names = ["two", "zero", "one"].map(str::to_owned).to_vec();
        let other = Relabeled::new(Rc::clone(&plain), names, &[1, 2, 0]).unwrap();
        let expected: Vec<i64> = before.iter().map(|&l| [1, 2, 0][l as usize]).collect();
        assert_eq!(labels(&other), expected);
        assert_eq!(other.classes()[0], "two");
    }
}
