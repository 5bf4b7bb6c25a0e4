//! A seeded hash of (parent, level): quick for the few bytes that a level has.

/// The hash of a level below a parent. Levels hold no zero byte, so that a padded tail is unambiguous.
#[inline]
pub(crate) fn hash(seed: u64, parent: u32, level: &[u8]) -> u64 {
    let mut state = fold(seed ^ u64::from(parent), SPREAD);
    let mut words = level.chunks_exact(8);
    for word in &mut words {
        let word = word.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
        state = fold(state ^ word, MIX);
    }
    let tail = words.remainder().iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
    fold(state ^ tail, SPREAD)
}

/// Both halves of the product: each bit of one factor moves bits all over it.
#[inline]
const fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}

/// Fractional digits of pi and of e, made odd.
const SPREAD: u64 = 0x243F_6A88_85A3_08D3;
const MIX: u64 = 0xB7E1_5162_8AED_2A6B;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn levels_that_differ_little_hash_apart() {
        let hashes: BTreeSet<u64> = (0..100_000).map(|n: u32| hash(1, n % 7, (n / 7).to_string().as_bytes())).collect();
        assert_eq!(hashes.len(), 100_000);
        let buckets: BTreeSet<u64> = hashes.iter().map(|hash| hash & 0x1_FFFF).collect();
        assert!(buckets.len() > 65_000, "{} of 131,072 buckets; random numbers fill 69,900", buckets.len());
    }

    #[test]
    fn the_seed_parts_what_another_seed_throws_together() {
        let bucket = |seed, n: u32| hash(seed, 0, n.to_string().as_bytes()) & 0xFF;
        let together: Vec<u32> = (0..100_000).filter(|&n| bucket(1, n) == 0).take(256).collect();
        let apart: BTreeSet<u64> = together.iter().map(|&n| bucket(2, n)).collect();
        assert!(apart.len() > 128, "{} of 256 buckets; random numbers fill 162", apart.len());
    }
}
