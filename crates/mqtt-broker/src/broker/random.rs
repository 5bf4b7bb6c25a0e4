//! Numbers that look random and follow from the seed: SplitMix64.

use std::hash::{DefaultHasher, Hasher};

#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    /// A number that clients may see: it tells neither the seed nor what comes next, which [`next`](Self::next) does.
    pub(crate) fn next_public(&mut self) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.next());
        hasher.finish()
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        // The high half of the product: even, as far as 64 bits are.
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_see_is_not_what_the_generator_goes_on_from() {
        for seed in 0..100 {
            let (mut shown, mut drawn) = (Random::new(seed), Random::new(seed));
            assert_ne!(shown.next_public(), drawn.next());
            assert_eq!(shown.next(), drawn.next(), "it takes one draw");
        }
    }
}
