//! Tables by message.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::event::MessageId;

/// A table by message. Never iterated over: its order means nothing.
pub(crate) type IdMap<T> = HashMap<MessageId, T, BuildHasherDefault<Spread>>;

/// Hashes ids that count upwards, which nobody chooses.
#[derive(Debug, Default)]
pub(crate) struct Spread(u64);

impl Hasher for Spread {
    fn write_u64(&mut self, id: u64) {
        // A constant close to 2^64 over the golden ratio. The table looks at the highest bits and at the lowest ones.
        self.0 = id.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(self.0 ^ u64::from(*byte)));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::hash::BuildHasher;

    use super::*;

    #[test]
    fn ids_that_count_upwards_differ_where_the_table_looks() {
        let hashes: Vec<u64> =
            (1..=128).map(|id| BuildHasherDefault::<Spread>::default().hash_one(MessageId(id))).collect();
        let lowest: BTreeSet<u64> = hashes.iter().map(|hash| hash & 0x7F).collect();
        let highest: BTreeSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
        assert_eq!(lowest.len(), 128);
        assert!(highest.len() > 100, "{}", highest.len());
    }
}
