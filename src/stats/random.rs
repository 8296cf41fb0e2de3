//! Random numbers that depend on a name or on numbers, and a seed only: first values of
//! weights, masks, augmentation, the order of examples.
//!
//! Who needs several independent streams asks for them by name, by key or by
//! [`SplitMix64::fork`], so that one may draw more numbers without moving the others.

use std::f64::consts::TAU;

/// A generator of random numbers whose state is one word.
///
/// # Source
/// Steele, Lea and Flood (2014), "Fast splittable pseudorandom number generators",
/// doi:10.1145/2660193.2660195, figure 17.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// Returns the stream of a name: the name's FNV-1a hash, offset by the seed.
    pub fn named(name: &str, seed: u64) -> Self {
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        SplitMix64(hash ^ SplitMix64(seed).word())
    }

    /// Returns the stream of a name and a key of numbers, such as a step and a place in its
    /// batch.
    pub fn keyed(name: &str, seed: u64, key: &[u64]) -> Self {
        let start = SplitMix64::named(name, seed);
        key.iter().fold(start, |mut stream, part| SplitMix64(stream.word() ^ part)).fork()
    }

    /// Returns a new stream, and moves this one by one number.
    pub fn fork(&mut self) -> Self {
        SplitMix64(self.word())
    }

    /// Returns the next number of 64 bits.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Returns a number in [low, high), or `low` where both are equal.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Returns true with a probability, 0 to 1.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Returns a whole number in [0, `count`), 0 where `count` is 0. The upper half of a
    /// product of 128 bits: what it favours some numbers by is below `count`/2⁶⁴.
    pub fn below(&mut self, count: u64) -> u64 {
        ((u128::from(self.word()) * u128::from(count)) >> 64) as u64
    }

    /// Puts elements into a random order, every order with the same probability.
    ///
    /// # Source
    /// Durstenfeld (1964), "Algorithm 235: Random permutation", doi:10.1145/364520.364540.
    pub fn shuffle<T>(&mut self, elements: &mut [T]) {
        for last in (1..elements.len()).rev() {
            elements.swap(last, self.below(last as u64 + 1) as usize);
        }
    }

    /// Returns a number from the standard normal distribution, by Box and Muller's transform.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (TAU * self.unit()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_told_apart_by_every_part_of_their_key() {
        let first = |key: &[u64]| SplitMix64::keyed("order", 7, key).word();
        let keys: [&[u64]; 6] = [&[], &[0], &[1], &[0, 0], &[0, 1], &[1, 0]];
        let mut words: Vec<u64> = keys.iter().map(|key| first(key)).collect();
        words.push(SplitMix64::keyed("order", 8, &[0]).word());
        words.push(SplitMix64::keyed("orders", 7, &[0]).word());
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), 8);
    }

    #[test]
    fn shuffles_reach_every_order_equally_often() {
        let mut random = SplitMix64::named("shuffle", 0);
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..6000 {
            let mut order = [0, 1, 2];
            random.shuffle(&mut order);
            *counts.entry(order).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 6);
        // Binomial: 1000 ± 29; five deviations.
        assert!(counts.values().all(|count| (855..1145).contains(count)), "{counts:?}");
    }

    #[test]
    fn numbers_below_stay_below() {
        let mut random = SplitMix64::named("below", 0);
        let mut seen = [false; 7];
        (0..200).for_each(|_| seen[random.below(7) as usize] = true);
        assert_eq!(seen, [true; 7]);
        assert_eq!(random.below(0), 0);
        assert_eq!(random.uniform(3.0, 3.0), 3.0);
    }
}
