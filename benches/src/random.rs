//! A small seeded generator of pseudo random numbers: the same on every machine and in every version.

/// The `SplitMix64` generator. Not for secrets.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator whose numbers depend on `seed` and `stream` alone. Two streams of one seed are unrelated.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut random = Self(seed ^ stream.wrapping_mul(0xA24B_AED4_963E_E407));
        // One round takes neighbouring seeds apart.
        random.0 = random.bits();
        random
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number of `0..bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// A number of `low..=high`.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1).max(1) as u64) as i64
    }

    /// A number of `0.0..1.0`.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of `values`, all alike.
    ///
    /// # Panics
    /// When `values` is empty.
    pub fn pick<'a, T>(&mut self, values: &'a [T]) -> &'a T {
        &values[self.below(values.len() as u64) as usize]
    }

    /// A number of `0..bound` of which the small ones are far more frequent, about as in Zipf's law: a few heavy
    /// users, a long tail.
    pub fn skewed(&mut self, bound: u64) -> u64 {
        let unit = self.unit();
        ((unit * unit * unit) * bound as f64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_depend_on_seed_and_stream_alone() {
        let draw = |seed, stream| {
            let mut random = Random::new(seed, stream);
            (0..4).map(|_| random.bits()).collect::<Vec<_>>()
        };
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
        assert_ne!(draw(1, 2), draw(2, 2));
    }

    #[test]
    fn bounds_hold_and_skew_favours_the_small() {
        let mut random = Random::new(7, 0);
        let (mut small, mut all) = (0, 0);
        for _ in 0..10_000 {
            assert!((3..=9).contains(&random.between(3, 9)));
            let value = random.skewed(1_000);
            assert!(value < 1_000);
            small += u32::from(value < 125);
            all += 1;
        }
        assert!(small * 10 > all * 4, "{small} of {all} below an eighth");
    }
}
