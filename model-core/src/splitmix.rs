//! SplitMix64 (Steele, Lea and Flood 2014): numbers without any relation to their neighbors, each named by its place in a
//! sequence. Made-up inputs, pictures and weights come from it, the same on every machine.
//!
//! Not here: the numbers of augmentation, which have more than one thing in their name (`image_data::random`).

/// Number `index` of the sequence that `seed` begins.
pub fn splitmix64(seed: u64, index: u64) -> u64 {
    let step = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut z = seed.wrapping_add(step);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::splitmix64;

    /// The authors' `splitmix64.c` gives these numbers for this seed.
    #[test]
    fn the_published_sequence() {
        let numbers = [0, 1, 2].map(|index| splitmix64(1_234_567, index));
        let published = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        assert_eq!(numbers, published);
    }
}
