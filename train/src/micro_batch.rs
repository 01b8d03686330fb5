//! How many images of a batch are computed at a time: all of them, or fewer where memory does not hold them. What is
//! computed in parts is in `engine::batch`; when a step is tried again, in `trainer::step`.

use crate::failure::MemoryRemedy;
use crate::recipe::{MicroBatchRule, MicroBatchSize, Recipe};

/// The size in use, the same on every process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MicroBatches {
    batch: usize,
    /// BatchNorm learns from no fewer.
    least: usize,
    size: usize,
    is_auto: bool,
    /// The side of the images that memory was seen to hold so many of, in pixels.
    held: Option<u32>,
}

impl MicroBatches {
    /// As the recipe begins; `least` images is the smallest there may be.
    pub fn new(recipe: &Recipe, least: usize) -> Self {
        let batch = recipe.batch_size;
        let (size, is_auto) = match recipe.micro_batch_size {
            MicroBatchSize::Rule(MicroBatchRule::Auto) => (batch, true),
            MicroBatchSize::Rule(MicroBatchRule::Off) => (batch, false),
            MicroBatchSize::Images(size) => (size.clamp(least.min(batch), batch), false),
        };
        Self {
            batch,
            least,
            size,
            is_auto,
            held: None,
        }
    }

    /// Goes on with what a saved run found, 0 for nothing; whether that changes anything.
    pub fn take_up(&mut self, found: usize) -> bool {
        let is_smaller = self.is_auto && found > 0 && found < self.size;
        if is_smaller {
            self.size = found;
        }
        is_smaller
    }

    /// Images at a time.
    pub fn size(&self) -> usize {
        self.size
    }

    /// How many parts a batch is computed in.
    pub fn parts(&self) -> usize {
        self.batch.div_ceil(self.size.max(1))
    }

    /// Whether a batch is computed in more than one part.
    pub fn is_split(&self) -> bool {
        self.parts() > 1
    }

    /// Whether the size follows the memory.
    pub fn is_auto(&self) -> bool {
        self.is_auto
    }

    /// Whether validation may be computed in parts where memory asks for it: nothing hangs on how many there are.
    pub fn may_split(&self) -> bool {
        self.is_auto || self.is_split()
    }

    /// Half as many from now on; false: there are no fewer.
    pub fn halve(&mut self) -> bool {
        let half = self.size.div_ceil(2);
        let is_possible = self.is_auto && half < self.size && half >= self.least;
        if is_possible {
            self.size = half;
        }
        is_possible
    }

    /// Whether memory was seen to hold so many images of `side` pixels, or need not be asked.
    pub fn is_held(&self, side: u32) -> bool {
        !self.is_auto || self.held.is_some_and(|held| side <= held)
    }

    /// Memory holds so many images of `side` pixels.
    pub fn set_held(&mut self, side: u32) {
        self.held = self.held.max(Some(side));
    }

    /// What helps when memory runs out with this size.
    pub fn remedy(&self) -> MemoryRemedy {
        let half = self.size.div_ceil(2);
        if half == self.size || half < self.least {
            MemoryRemedy::LessPerImage
        } else if self.is_auto {
            MemoryRemedy::SmallerMicroBatch(half)
        } else {
            MemoryRemedy::FindMicroBatch
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(batch_size: usize, micro_batch_size: MicroBatchSize, least: usize) -> MicroBatches {
        let recipe = Recipe {
            batch_size,
            micro_batch_size,
            ..Recipe::default()
        };
        MicroBatches::new(&recipe, least)
    }

    const AUTO: MicroBatchSize = MicroBatchSize::Rule(MicroBatchRule::Auto);
    const OFF: MicroBatchSize = MicroBatchSize::Rule(MicroBatchRule::Off);

    #[test]
    fn it_is_halved_down_to_what_batch_norm_needs() {
        let mut sizes = of(20, AUTO, 2);
        let mut seen = vec![(sizes.size(), sizes.parts())];
        while sizes.halve() {
            seen.push((sizes.size(), sizes.parts()));
        }
        assert_eq!(seen, [(20, 1), (10, 2), (5, 4), (3, 7), (2, 10)]);
        assert_eq!(sizes.remedy(), MemoryRemedy::LessPerImage);
        let mut alone = of(3, AUTO, 1);
        while alone.halve() {}
        assert_eq!(alone.size(), 1);
    }

    #[test]
    fn what_is_given_stays() {
        for (given, size) in [
            (OFF, 20),
            (MicroBatchSize::Images(7), 7),
            (MicroBatchSize::Images(99), 20),
        ] {
            let mut sizes = of(20, given, 1);
            assert!(!sizes.halve() && !sizes.take_up(5) && sizes.is_held(1000));
            assert_eq!(sizes.size(), size);
            assert_eq!(sizes.remedy(), MemoryRemedy::FindMicroBatch);
        }
        assert_eq!(of(20, MicroBatchSize::Images(1), 2).size(), 2);
    }

    #[test]
    fn what_was_found_is_kept_and_larger_images_are_asked_for_again() {
        let mut sizes = of(20, AUTO, 1);
        assert!(!sizes.take_up(0) && !sizes.take_up(20) && sizes.take_up(5));
        assert_eq!(
            (sizes.size(), sizes.remedy()),
            (5, MemoryRemedy::SmallerMicroBatch(3))
        );
        assert!(!sizes.is_held(128));
        sizes.set_held(160);
        sizes.set_held(128);
        assert!(sizes.is_held(128) && sizes.is_held(160) && !sizes.is_held(161));
    }
}
