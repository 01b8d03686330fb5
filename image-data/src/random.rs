//! Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", 2011).
//! A stream is named by (seed, epoch, index, purpose), so whoever asks, in whatever order, on whatever thread or rank,
//! gets the same numbers, and a resumed run needs no generator state.

/// What a stream is for. Streams of different purposes are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    /// The order of an epoch.
    Shuffle = 1,
    /// Augmentation of one sample; the index is the sample's, the repeat its number under repeated augmentation.
    Augment = 2,
    /// Mixup and CutMix of one batch; the index is the batch's place in the epoch.
    Mix = 3,
    /// Which sample stands in for an unreadable one.
    Replace = 4,
    /// Initial weights and other uses outside the data path.
    Other = 5,
    /// Whether a sample is mirrored in even epochs, where flips alternate.
    Flip = 6,
}

/// Where a purpose stands in the last word of a stream's name.
const PURPOSE_BITS: u32 = 0xF << 28;

impl Purpose {
    fn word(self) -> u32 {
        u32::from(self as u8) << PURPOSE_BITS.trailing_zeros()
    }
}

/// Names a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The run's seed.
    pub seed: u64,
    /// Counted from 0.
    pub epoch: u32,
    /// Sample or batch; the low 56 bits count.
    pub index: u64,
    /// What for.
    pub purpose: Purpose,
    /// 0 to 15: the copy under repeated augmentation.
    pub repeat: u8,
}

impl Key {
    /// The first copy of (`seed`, `epoch`, `index`) for `purpose`.
    pub fn new(seed: u64, epoch: u32, index: u64, purpose: Purpose) -> Self {
        Self {
            seed,
            epoch,
            index,
            purpose,
            repeat: 0,
        }
    }

    /// The stream of this name, from its start.
    pub fn stream(self) -> Random {
        // Word 0 counts blocks; 1 is the index; 2 the epoch; 3 the purpose, the repeat and the index's high 24 bits.
        let high = (self.index >> 32) as u32 & 0xFF_FFFF;
        let last = self.purpose.word() | (u32::from(self.repeat) & 15) << 24 | high;
        let key = [self.seed as u32, (self.seed >> 32) as u32];
        Random::new(key, [0, self.index as u32, self.epoch, last])
    }
}

/// One stream of numbers.
#[derive(Clone, Debug)]
pub struct Random {
    key: [u32; 2],
    counter: [u32; 4],
    block: [u32; 4],
    used: usize,
}

impl Random {
    fn new(key: [u32; 2], counter: [u32; 4]) -> Self {
        Self {
            key,
            counter,
            block: [0; 4],
            used: 4,
        }
    }

    /// The epoch of its name.
    pub fn epoch(&self) -> u32 {
        self.counter[2]
    }

    /// Another stream of the same seed, index and repeat, from its start: the same one in every epoch.
    pub fn of_every_epoch(&self, purpose: Purpose) -> Self {
        let last = self.counter[3] & !PURPOSE_BITS | purpose.word();
        Self::new(self.key, [0, self.counter[1], 0, last])
    }

    /// The next 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            self.block = philox4x32_10(self.counter, self.key);
            self.counter[0] = self.counter[0].wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let low = u64::from(self.next_u32());
        low | u64::from(self.next_u32()) << 32
    }

    /// Uniform in `[0, 1)` with 53 bits.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Uniform in `[low, high)`; `low` when they are equal.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// Uniform in `0..n` without bias (Lemire, "Fast Random Integer Generation in an Interval", 2019); 0 for n = 0.
    pub fn below(&mut self, n: u64) -> u64 {
        if n <= 1 {
            return 0;
        }
        let threshold = n.wrapping_neg() % n;
        loop {
            let wide = u128::from(self.next_u64()) * u128::from(n);
            if wide as u64 >= threshold {
                return (wide >> 64) as u64;
            }
        }
    }

    /// Standard normal (Box and Muller, 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Gamma with the given shape and scale 1 (Marsaglia and Tsang, "A Simple Method for Generating Gamma Variables", 2000).
    pub fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let u = 1.0 - self.unit();
            return self.gamma(shape + 1.0) * u.powf(1.0 / shape);
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            let u = 1.0 - self.unit();
            if v > 0.0 && u.ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }

    /// Beta(`a`, `b`) in `[0, 1]`.
    pub fn beta(&mut self, a: f64, b: f64) -> f64 {
        let (x, y) = (self.gamma(a), self.gamma(b));
        // Both vanish only for tiny parameters, where the mass sits at the two ends.
        if x + y > 0.0 {
            x / (x + y)
        } else {
            f64::from(u8::from(self.chance(0.5)))
        }
    }

    /// Shuffles in place (Fisher and Yates, Durstenfeld's form).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            items.swap(last, other);
        }
    }
}

/// Ten rounds of Philox on four words.
fn philox4x32_10(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let first = u64::from(counter[0]) * 0xD251_1F53;
        let second = u64::from(counter[2]) * 0xCD9E_8D57;
        counter = [
            (second >> 32) as u32 ^ counter[1] ^ key[0],
            second as u32,
            (first >> 32) as u32 ^ counter[3] ^ key[1],
            first as u32,
        ];
        key = [
            key[0].wrapping_add(0x9E37_79B9),
            key[1].wrapping_add(0xBB67_AE85),
        ];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_known_answers() {
        // Random123's kat_vectors for philox4x32 10.
        assert_eq!(
            philox4x32_10([0; 4], [0; 2]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox4x32_10([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox4x32_10(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn every_part_of_the_name_counts() {
        let base = Key {
            seed: 7,
            epoch: 3,
            index: 11,
            purpose: Purpose::Augment,
            repeat: 0,
        };
        let first = |key: Key| key.stream().next_u64();
        let others = [
            Key { seed: 8, ..base },
            Key {
                seed: 7 | 1 << 40,
                ..base
            },
            Key { epoch: 4, ..base },
            Key { index: 12, ..base },
            Key {
                index: 11 | 1 << 55,
                ..base
            },
            Key {
                purpose: Purpose::Mix,
                ..base
            },
            Key { repeat: 1, ..base },
        ];
        assert_eq!(first(base), first(base));
        for other in others {
            assert_ne!(first(base), first(other), "{other:?}");
        }
    }

    #[test]
    fn distributions_have_their_moments() {
        let mut random = Key::new(1, 0, 0, Purpose::Other).stream();
        let n = 200_000;
        let moments = |draw: &mut dyn FnMut() -> f64| {
            let values: Vec<f64> = (0..n).map(|_| draw()).collect();
            let mean = values.iter().sum::<f64>() / n as f64;
            (
                mean,
                values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64,
            )
        };
        let close = |(mean, variance): (f64, f64), m: f64, v: f64| {
            assert!(
                (mean - m).abs() < 0.01 && (variance - v).abs() < 0.02,
                "{mean} {variance}, expected {m} {v}"
            );
        };
        close(moments(&mut || random.unit()), 0.5, 1.0 / 12.0);
        close(moments(&mut || random.normal()), 0.0, 1.0);
        close(moments(&mut || random.beta(0.2, 0.2)), 0.5, 0.25 / 1.4);
        close(moments(&mut || random.beta(1.0, 1.0)), 0.5, 1.0 / 12.0);
        close(moments(&mut || random.beta(2.0, 3.0)), 0.4, 0.04);
        let mut counts = [0; 7];
        for _ in 0..70_000 {
            counts[random.below(7) as usize] += 1;
        }
        assert!(
            counts.iter().all(|&c| (9_600..10_400).contains(&c)),
            "{counts:?}"
        );
    }
}
