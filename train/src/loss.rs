//! What is minimized: softmax or binary cross-entropy of logits against labels or mixtures of labels.

use anyhow::{Context, Result, bail};
use tch::{Kind, Reduction, Tensor};

use crate::recipe::{ClassWeights, LossConfig, LossKind, WeightRule};

/// What the network should have said.
#[derive(Debug)]
pub enum Targets {
    /// A class each, `[N]` i64.
    Classes(Tensor),
    /// A distribution over classes each, `[N, C]` f32 (mixup, cutmix).
    Mixed(Tensor),
}

/// The mean loss of a batch, a 0-d tensor. `logits` `[N, C]` may be bf16 or fp16; the loss is computed in fp32 (in fp64
/// where the logits are). `weights` `[C]` say how much each class counts; PyTorch's mean is then over the weights of the
/// batch.
///
/// Softmax is `torch.nn.functional.cross_entropy(logits, targets, label_smoothing=...)`. Binary is timm's
/// `BinaryCrossEntropy`: one-hot targets smoothed to `off = s / C`, `on = 1 - s + off`, cut at the threshold if there is
/// one, and the mean over images and classes.
pub fn loss(
    logits: &Tensor,
    targets: &Targets,
    settings: &LossConfig,
    weights: Option<&Tensor>,
) -> Result<Tensor> {
    let logits = match logits.kind() {
        Kind::Double => logits.shallow_clone(),
        _ => logits.f_to_kind(Kind::Float)?,
    };
    match settings.kind {
        LossKind::CrossEntropy => {
            let target = match targets {
                Targets::Classes(target) | Targets::Mixed(target) => target,
            };
            Ok(logits.f_cross_entropy_loss(
                target,
                weights,
                Reduction::Mean,
                -100,
                settings.label_smoothing,
            )?)
        }
        LossKind::BinaryCrossEntropy => {
            let classes = logits.size2()?.1;
            let smoothing = settings.label_smoothing;
            let soft = match targets {
                Targets::Classes(labels) => one_hot(labels, classes)?,
                Targets::Mixed(mixed) => mixed.shallow_clone(),
            };
            let mut soft = soft
                .f_mul_scalar(1.0 - smoothing)?
                .f_add_scalar(smoothing / classes as f64)?;
            if let Some(threshold) = settings.target_threshold {
                soft = soft.f_gt(threshold)?.f_to_kind(Kind::Float)?;
            }
            Ok(logits.f_binary_cross_entropy_with_logits(
                &soft,
                weights,
                None::<&Tensor>,
                Reduction::Mean,
            )?)
        }
    }
}

/// How much each class counts, `[C]`, where the recipe weighs them. `counts` are the training images of each class.
///
/// # Errors
/// A class that is not there, or balanced weights without counts.
pub fn class_weights(
    settings: &LossConfig,
    classes: &[String],
    counts: Option<&[usize]>,
) -> Result<Option<Vec<f32>>> {
    Ok(match &settings.class_weights {
        None => None,
        Some(ClassWeights::Rule(WeightRule::Balanced)) => {
            let counts = counts
                .context("loss.class_weights: balanced needs images of classes that are counted")?;
            let images: usize = counts.iter().sum();
            let share = images as f64 / counts.len().max(1) as f64;
            Some(
                counts
                    .iter()
                    .map(|&n| (share / n.max(1) as f64) as f32)
                    .collect(),
            )
        }
        Some(ClassWeights::Each(given)) => {
            if let Some(unknown) = given.keys().find(|name| !classes.contains(name)) {
                bail!("loss.class_weights: expected names of classes, got {unknown}");
            }
            let weight = |class: &String| given.get(class).map_or(1.0, |&weight| weight as f32);
            Some(classes.iter().map(weight).collect())
        }
    })
}

/// Labels `[N]` as rows of zeros with a one, `[N, classes]` f32.
pub fn one_hot(labels: &Tensor, classes: i64) -> Result<Tensor> {
    let rows = labels.size1()?;
    let mut out = Tensor::f_zeros([rows, classes], (Kind::Float, labels.device()))?;
    Ok(out.f_scatter_value_(1, &labels.f_unsqueeze(1)?, 1.0)?)
}

/// Whether each row's label is its best, second best ... fifth best class: bool `[N, min(5, C)]` on the device.
pub fn hits(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let classes = logits.size2()?.1;
    let (_, best) = logits.f_topk(classes.min(5), 1, true, true)?;
    Ok(best.f_eq_tensor(&labels.f_unsqueeze(1)?)?)
}

/// How many labels are the best, and among the best five, of each row: two i64 0-d tensors on the device.
pub fn correct(logits: &Tensor, labels: &Tensor) -> Result<(Tensor, Tensor)> {
    let hits = hits(logits, labels)?;
    let top1 = hits.f_narrow(1, 0, 1)?.f_sum(Kind::Int64)?;
    let top5 = hits.f_sum(Kind::Int64)?;
    Ok((top1, top5))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logits() -> Tensor {
        Tensor::from_slice(&[2.0_f32, 0.5, -1.0, 0.0, 1.0, 3.0]).view([2, 3])
    }

    fn value(settings: &LossConfig, targets: &Targets) -> f64 {
        loss(&logits(), targets, settings, None)
            .unwrap()
            .double_value(&[])
    }

    #[test]
    fn balanced_weights_are_scikit_learns() {
        let classes: Vec<String> = ["a", "b", "c"].map(str::to_owned).into();
        let settings = |class_weights| LossConfig {
            class_weights: Some(class_weights),
            ..LossConfig::default()
        };
        let balanced = settings(ClassWeights::Rule(WeightRule::Balanced));
        let weights = class_weights(&balanced, &classes, Some(&[10, 20, 30]))
            .unwrap()
            .unwrap();
        assert_eq!(weights, [2.0, 1.0, 2.0 / 3.0]);
        let each = |name: &str| settings(ClassWeights::Each([(name.to_owned(), 4.0)].into()));
        let weights = class_weights(&each("b"), &classes, None).unwrap().unwrap();
        assert_eq!(weights, [1.0, 4.0, 1.0]);
        let error = class_weights(&each("d"), &classes, None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "loss.class_weights: expected names of classes, got d"
        );
    }

    /// `F.cross_entropy(x, y, weight=torch.tensor([1., 3., 2.]))`: the mean over weights, (1 a + 3 b) / 4.
    #[test]
    fn weighted_classes_count_as_pytorch_counts_them() {
        let weights = Tensor::from_slice(&[1.0_f32, 3.0, 2.0]);
        let classes = Targets::Classes(Tensor::from_slice(&[0_i64, 1]));
        let got = loss(&logits(), &classes, &LossConfig::default(), Some(&weights)).unwrap();
        let each = |row: [f64; 3], class: usize| {
            row.iter().map(|x| x.exp()).sum::<f64>().ln() - row[class]
        };
        let expected = (each([2.0, 0.5, -1.0], 0) + 3.0 * each([0.0, 1.0, 3.0], 1)) / 4.0;
        assert!((got.double_value(&[]) - expected).abs() < 1e-6);
    }

    const GOLDEN: [f64; 5] = [1.20557868, 1.26391196, 1.01641202, 0.93098831, 0.91154391];

    // GOLDEN: torch 2.13
    //   x = torch.tensor([[2., .5, -1.], [0., 1., 3.]]); y = torch.tensor([0, 1])
    //   F.cross_entropy(x, y); F.cross_entropy(x, y, label_smoothing=.1)
    //   F.cross_entropy(x, torch.tensor([[.7, .3, 0.], [0., .5, .5]]), label_smoothing=.1)
    //   timm.loss.BinaryCrossEntropy(smoothing=.1)(x, y); BinaryCrossEntropy(smoothing=.1, target_threshold=.2)(x, y)
    #[test]
    fn equal_to_pytorch_and_timm() {
        let classes = || Targets::Classes(Tensor::from_slice(&[0_i64, 1]));
        let mixed =
            Targets::Mixed(Tensor::from_slice(&[0.7_f32, 0.3, 0.0, 0.0, 0.5, 0.5]).view([2, 3]));
        let softmax = |label_smoothing| LossConfig {
            label_smoothing,
            ..LossConfig::default()
        };
        let binary = |target_threshold| LossConfig {
            kind: LossKind::BinaryCrossEntropy,
            label_smoothing: 0.1,
            target_threshold,
            class_weights: None,
        };
        for (got, expected) in [
            (value(&softmax(0.0), &classes()), GOLDEN[0]),
            (value(&softmax(0.1), &classes()), GOLDEN[1]),
            (value(&softmax(0.1), &mixed), GOLDEN[2]),
            (value(&binary(None), &classes()), GOLDEN[3]),
            (value(&binary(Some(0.2)), &classes()), GOLDEN[4]),
        ] {
            assert!((got - expected).abs() < 2e-7, "{got} {expected}");
        }
    }

    #[test]
    fn counts_of_correct_rows() {
        let labels = Tensor::from_slice(&[0_i64, 1]);
        let (top1, top5) = correct(&logits(), &labels).unwrap();
        assert_eq!((top1.int64_value(&[]), top5.int64_value(&[])), (1, 2));
    }
}
