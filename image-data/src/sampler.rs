//! Which sample comes when: a permutation per (seed, epoch), dealt to ranks without duplicates, cut into batches.
//! Pure arithmetic: any position of any epoch can be asked for, so resuming needs no state.

use std::collections::BTreeMap;

use crate::random::{Key, Purpose};

/// One place in an epoch: a sample and which of its augmented copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SampleRef {
    /// Index into the data set.
    pub index: usize,
    /// 0 unless augmentation is repeated.
    pub repeat: u8,
}

/// How an epoch is dealt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampler {
    /// Samples in the data set.
    pub samples: usize,
    /// The run's seed.
    pub seed: u64,
    /// A new permutation every epoch, or the data set's own order.
    pub shuffle: bool,
    /// This process's place among `world_size`.
    pub rank: usize,
    /// Number of processes, at least 1.
    pub world_size: usize,
    /// Copies of each drawn sample (repeated augmentation, Hoffer et al. 2020; torchvision's `RASampler`): the epoch
    /// keeps its length, so it sees `samples / repeats` different images. 1 to 16.
    pub repeats: u8,
    /// Images a step, on this rank.
    pub batch_size: usize,
    /// Leave out what does not fill a batch on every rank. Training sets it; validation must not, so that every image
    /// counts exactly once.
    pub drop_last: bool,
}

impl Sampler {
    /// Every sample once, in order, on one process: validation.
    pub fn sequential(samples: usize, batch_size: usize) -> Self {
        Self {
            samples,
            seed: 0,
            shuffle: false,
            rank: 0,
            world_size: 1,
            repeats: 1,
            batch_size,
            drop_last: false,
        }
    }

    /// A shuffled epoch of full batches on one process: training.
    pub fn shuffled(samples: usize, batch_size: usize, seed: u64) -> Self {
        Self {
            seed,
            shuffle: true,
            drop_last: true,
            ..Self::sequential(samples, batch_size)
        }
    }

    /// The same epoch, dealt to `world_size` processes.
    pub fn sharded(self, rank: usize, world_size: usize) -> Self {
        Self {
            rank,
            world_size,
            ..self
        }
    }

    /// Batches an epoch on this rank. With `drop_last` the same on every rank.
    pub fn batches(&self) -> usize {
        let (world_size, batch) = (self.world_size.max(1), self.batch_size.max(1));
        if self.drop_last {
            self.samples / (world_size * batch)
        } else {
            self.items().div_ceil(batch)
        }
    }

    /// Items an epoch on this rank, before `drop_last`.
    fn items(&self) -> usize {
        let world_size = self.world_size.max(1);
        (self.samples + world_size - 1 - self.rank.min(world_size - 1)) / world_size
    }

    /// Items of an epoch on this rank: the length of [`Sampler::epoch`].
    pub fn epoch_len(&self) -> usize {
        if self.drop_last {
            self.batches() * self.batch_size.max(1)
        } else {
            self.items()
        }
    }

    /// The whole epoch of this rank, batch after batch: `items[b * batch_size..]` is batch b.
    ///
    /// The global order is dealt like cards: position `p` goes to rank `p % world_size`. So the union of the ranks' batch
    /// `b` is the same set of samples for any number of processes that keeps `world_size * batch_size`.
    pub fn epoch(&self, epoch: u32) -> Vec<SampleRef> {
        let mut order: Vec<u32> = (0..self.samples as u32).collect();
        if self.shuffle {
            self.shuffle(epoch, 0, &mut order);
        }
        self.deal(&order)
    }

    /// An epoch of the same length in which every class comes equally often (to within one image), `labels` being the
    /// samples' classes: small classes are gone through several times, of large ones each epoch takes others.
    pub fn balanced_epoch(&self, epoch: u32, labels: &[u32]) -> Vec<SampleRef> {
        let mut by_class: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (index, &class) in labels.iter().enumerate() {
            by_class.entry(class).or_default().push(index as u32);
        }
        let classes = by_class.len().max(1);
        let mut order = Vec::with_capacity(labels.len());
        for (place, (class, mut images)) in by_class.into_iter().enumerate() {
            self.shuffle(epoch, u64::from(class) + 1, &mut images);
            // The remainder goes to other classes each epoch.
            let is_extra = (place + epoch as usize) % classes < labels.len() % classes;
            let quota = labels.len() / classes + usize::from(is_extra);
            order.extend(images.iter().cycle().take(quota));
        }
        self.shuffle(epoch, 0, &mut order);
        self.deal(&order)
    }

    fn shuffle(&self, epoch: u32, index: u64, order: &mut [u32]) {
        let key = Key::new(self.seed, epoch, index, Purpose::Shuffle);
        key.stream().shuffle(order);
    }

    /// Deals a global order like cards.
    fn deal(&self, order: &[u32]) -> Vec<SampleRef> {
        let world_size = self.world_size.max(1);
        let repeats = usize::from(self.repeats.clamp(1, 16));
        (0..self.epoch_len())
            .map(|place| {
                let position = place * world_size + self.rank;
                SampleRef {
                    index: order[position / repeats] as usize,
                    repeat: (position % repeats) as u8,
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_sample_once_on_any_number_of_ranks() {
        for world_size in 1..=5 {
            let ranks: Vec<Sampler> = (0..world_size)
                .map(|rank| Sampler {
                    drop_last: false,
                    ..Sampler::shuffled(103, 8, 9).sharded(rank, world_size)
                })
                .collect();
            let all: Vec<SampleRef> = ranks.iter().flat_map(|s| s.epoch(2)).collect();
            assert_eq!(all.len(), 103);
            assert_eq!(all.iter().collect::<HashSet<_>>().len(), 103);
            assert!(
                ranks
                    .iter()
                    .all(|s| s.epoch(2).len().div_ceil(8) == s.batches())
            );
        }
    }

    #[test]
    fn epochs_and_seeds_differ_and_repeat_exactly() {
        let sampler = Sampler::shuffled(1000, 10, 1);
        assert_eq!(sampler.epoch(0), sampler.epoch(0));
        assert_ne!(sampler.epoch(0), sampler.epoch(1));
        assert_ne!(sampler.epoch(0), Sampler::shuffled(1000, 10, 2).epoch(0));
        assert_ne!(sampler.epoch(0), Sampler::sequential(1000, 10).epoch(0));
    }

    #[test]
    fn a_step_sees_the_same_images_whatever_the_world() {
        let step = |world_size: usize, b: usize| -> HashSet<SampleRef> {
            let batch = 24 / world_size;
            (0..world_size)
                .flat_map(|rank| {
                    Sampler::shuffled(100, batch, 5)
                        .sharded(rank, world_size)
                        .epoch(1)[b * batch..(b + 1) * batch]
                        .to_vec()
                })
                .collect()
        };
        for b in 0..4 {
            assert_eq!(step(1, b), step(2, b));
            assert_eq!(step(1, b), step(4, b));
        }
        assert!((0..4).all(|rank| Sampler::shuffled(100, 6, 5).sharded(rank, 4).batches() == 4));
    }

    #[test]
    fn repeats_are_dealt_apart() {
        let sampler = Sampler {
            repeats: 4,
            ..Sampler::shuffled(100, 5, 3)
        };
        let all: Vec<SampleRef> = (0..4)
            .flat_map(|rank| sampler.sharded(rank, 4).epoch(0))
            .collect();
        assert_eq!(all.len(), 100);
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 100);
        assert_eq!(
            all.iter().map(|i| i.index).collect::<HashSet<_>>().len(),
            25
        );
        // One rank never sees two copies of an image.
        let one = sampler.sharded(2, 4).epoch(0);
        assert_eq!(
            one.iter().map(|i| i.index).collect::<HashSet<_>>().len(),
            one.len()
        );
    }

    #[test]
    fn balanced_epochs_take_every_class_equally_often() {
        // 80, 15 and 5 images of three classes.
        let labels: Vec<u32> = (0..100)
            .map(|i| u32::from(i >= 80) + u32::from(i >= 95))
            .collect();
        let sampler = Sampler {
            drop_last: false,
            ..Sampler::shuffled(100, 10, 4)
        };
        let mut seen = HashSet::new();
        for epoch in 0..40 {
            let items = sampler.balanced_epoch(epoch, &labels);
            assert_eq!(items.len(), 100);
            for class in 0..3 {
                let count = items
                    .iter()
                    .filter(|item| labels[item.index] == class)
                    .count();
                assert!((33..=34).contains(&count), "{count} of class {class}");
            }
            let small: HashSet<usize> =
                items.iter().map(|i| i.index).filter(|&i| i >= 95).collect();
            assert_eq!(small.len(), 5, "every image of a small class comes");
            seen.extend(items.iter().map(|item| item.index));
        }
        assert_eq!(
            seen.len(),
            100,
            "no image of a large class is left out for good"
        );
        assert_eq!(
            sampler.balanced_epoch(3, &labels),
            sampler.balanced_epoch(3, &labels)
        );
        let halves: Vec<SampleRef> = (0..2)
            .flat_map(|rank| sampler.sharded(rank, 2).balanced_epoch(3, &labels))
            .collect();
        let (mut whole, mut both) = (sampler.balanced_epoch(3, &labels), halves);
        whole.sort_by_key(|item| item.index);
        both.sort_by_key(|item| item.index);
        assert_eq!(whole, both);
    }

    #[test]
    fn small_sets_do_not_panic() {
        for samples in 0..4 {
            for world_size in 1..4 {
                for rank in 0..world_size {
                    let sampler = Sampler::shuffled(samples, 3, 0).sharded(rank, world_size);
                    assert_eq!(sampler.epoch(0).len(), sampler.batches() * 3);
                    let all = Sampler {
                        drop_last: false,
                        ..sampler
                    };
                    assert_eq!(all.epoch(0).len().div_ceil(3), all.batches());
                }
            }
        }
    }
}
