//! Mixup and cutmix: a batch blended with itself, rolled by one, as torchvision's `v2.MixUp` and `v2.CutMix`. What is
//! drawn is drawn for the whole batch, whether it is computed at once or in parts.

use anyhow::Result;
use image_data::augment::mix::{cutmix_area, mixup_lambda};
use image_data::augment::{Area, AugmentConfig};
use image_data::random::{self, Purpose, Random};
use tch::Tensor;

use crate::ema::copy_of;
use crate::loss::{Targets, one_hot};

/// What the random numbers of a batch depend on.
#[derive(Clone, Copy, Debug)]
pub struct MixKey {
    /// The run's.
    pub seed: u64,
    /// From 0.
    pub epoch: u32,
    /// Optimizer steps of the epoch before this one.
    pub step: u64,
    /// Which of the step's micro-batches, from 0.
    pub micro: usize,
    /// The process.
    pub rank: usize,
}

impl MixKey {
    fn stream(self) -> Random {
        // 56 bits: 32 of the step, 12 of the micro-batch, 12 of the process.
        let index = (self.step << 24) | ((self.micro as u64 & 0xFFF) << 12) | self.rank as u64;
        random::Key::new(self.seed, self.epoch, index, Purpose::Mix).stream()
    }
}

/// How the images of a batch are blended with their neighbors, each with the one before it and the first with the last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Blend {
    /// `lambda * x + (1 - lambda) * neighbor`.
    Mixup {
        /// The share that stays.
        lambda: f64,
    },
    /// A box of the neighbor's lies over `x`.
    Cutmix {
        /// The box.
        area: Area,
        /// The share of the area that stays.
        lambda: f64,
    },
}

impl Blend {
    /// Draws for a batch of images of `width` x `height`; none: they stay as they are.
    ///
    /// Mixup: `lambda ~ Beta(a, a)`. Cutmix: a box of area `1 - lambda` around a uniform center, clipped at the border;
    /// lambda is then the share that stayed. With both on, each batch takes one of them. Whether a batch is mixed at
    /// all follows `mix_probability` and `mix_off_epoch`.
    pub fn draw(augment: &AugmentConfig, key: MixKey, width: u32, height: u32) -> Option<Self> {
        let (mixup, cutmix) = (augment.mixup_alpha, augment.cutmix_alpha);
        if !augment.is_mixing_at(key.epoch) {
            return None;
        }
        let mut random = key.stream();
        let takes_mixup =
            cutmix == 0.0 || (mixup > 0.0 && random.chance(1.0 - augment.cutmix_share));
        if augment.mix_probability < 1.0 && !random.chance(augment.mix_probability) {
            return None;
        }
        Some(if takes_mixup {
            let lambda = mixup_lambda(mixup, &mut random);
            Self::Mixup { lambda }
        } else {
            let (area, lambda) = cutmix_area(cutmix, width, height, &mut random);
            Self::Cutmix { area, lambda }
        })
    }

    /// Images `[N, 3, H, W]` blended with their `neighbors` of the same shape.
    ///
    /// # Errors
    /// Only what libtorch itself reports.
    pub fn images(self, images: &Tensor, neighbors: &Tensor) -> Result<Tensor> {
        match self {
            Self::Mixup { lambda } => Ok(images.f_lerp(neighbors, 1.0 - lambda)?),
            Self::Cutmix { area, .. } => {
                let mixed = copy_of(images)?;
                if area.width > 0 && area.height > 0 {
                    let [x, y, w, h] = [area.x, area.y, area.width, area.height].map(i64::from);
                    let part = |t: &Tensor| t.f_narrow(2, y, h)?.f_narrow(3, x, w);
                    part(&mixed)?.f_copy_(&part(neighbors)?)?;
                }
                Ok(mixed)
            }
        }
    }

    /// Labels `[N]` blended with those of the `neighbors`, `[N, classes]`.
    ///
    /// # Errors
    /// Only what libtorch itself reports.
    pub fn targets(self, labels: &Tensor, neighbors: &Tensor, classes: i64) -> Result<Targets> {
        let (Self::Mixup { lambda } | Self::Cutmix { lambda, .. }) = self;
        let (own, other) = (one_hot(labels, classes)?, one_hot(neighbors, classes)?);
        Ok(Targets::Mixed(own.f_lerp(&other, 1.0 - lambda)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    fn key(step: u64) -> MixKey {
        MixKey {
            seed: 1,
            epoch: 0,
            step,
            micro: 0,
            rank: 0,
        }
    }

    /// A whole batch, blended as the recipe says.
    fn mix(
        augment: &AugmentConfig,
        key: MixKey,
        images: &Tensor,
        labels: &Tensor,
        classes: i64,
    ) -> Result<(Tensor, Targets)> {
        let (_, _, height, width) = images.size4()?;
        let Some(blend) = Blend::draw(augment, key, width as u32, height as u32) else {
            let targets = Targets::Classes(labels.shallow_clone());
            return Ok((images.shallow_clone(), targets));
        };
        let mixed = blend.images(images, &images.f_roll([1], [0])?)?;
        let targets = blend.targets(labels, &labels.f_roll([1], [0])?, classes)?;
        Ok((mixed, targets))
    }

    fn batch() -> (Tensor, Tensor) {
        let images = Tensor::arange(4, (Kind::Float, Device::Cpu)).view([4, 1, 1, 1]);
        let labels = Tensor::from_slice(&[0_i64, 1, 2, 2]);
        (images.expand([4, 3, 8, 8], false).contiguous(), labels)
    }

    #[test]
    fn labels_are_mixed_in_the_proportion_of_the_pixels() {
        let (images, labels) = batch();
        for (mixup_alpha, cutmix_alpha) in [(0.8, 0.0), (0.0, 1.0)] {
            let augment = AugmentConfig {
                mixup_alpha,
                cutmix_alpha,
                ..AugmentConfig::default()
            };
            for step in 0..20 {
                let (mixed, targets) = mix(&augment, key(step), &images, &labels, 3).unwrap();
                let Targets::Mixed(targets) = targets else {
                    panic!("mixing is on")
                };
                // Image 1 is all ones, its partner image 0 all zeros: its mean is lambda.
                let lambda = mixed.get(1).mean(Kind::Float).double_value(&[]);
                assert!((targets.double_value(&[1, 1]) - lambda).abs() < 1e-6);
                assert!((targets.double_value(&[1, 0]) - (1.0 - lambda)).abs() < 1e-6);
                assert!((targets.sum(Kind::Float).double_value(&[]) - 4.0).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn a_share_of_the_batches_is_mixed_until_it_is_switched_off() {
        let (images, labels) = batch();
        let augment = AugmentConfig {
            mixup_alpha: 0.8,
            cutmix_alpha: 1.0,
            mix_probability: 0.3,
            mix_off_epoch: Some(1),
            ..AugmentConfig::default()
        };
        let mixed_in = |epoch| {
            (0..400)
                .filter(|&step| {
                    let key = MixKey { epoch, ..key(step) };
                    let (_, targets) = mix(&augment, key, &images, &labels, 3).unwrap();
                    matches!(targets, Targets::Mixed(_))
                })
                .count()
        };
        // 120 expected, 9 the standard deviation.
        assert!((75..165).contains(&mixed_in(0)), "{}", mixed_in(0));
        assert_eq!(mixed_in(1), 0);
    }

    #[test]
    fn a_step_mixes_the_same_way_every_time() {
        let (images, labels) = batch();
        let augment = AugmentConfig {
            mixup_alpha: 0.2,
            cutmix_alpha: 1.0,
            ..AugmentConfig::default()
        };
        let once = |step| mix(&augment, key(step), &images, &labels, 3).unwrap().0;
        assert_eq!(once(3), once(3));
        assert_ne!(once(3), once(4));
        let second = MixKey { micro: 1, ..key(3) };
        assert_ne!(
            once(3),
            mix(&augment, second, &images, &labels, 3).unwrap().0
        );
    }
}
