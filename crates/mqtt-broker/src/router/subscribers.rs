//! The plain subscribers of one filter: almost always one, sometimes a hundred thousand.

use std::collections::BTreeMap;

use super::entry::Packed;

/// Subscribers by their number, in 16 bytes while there is but one.
#[derive(Debug, Default)]
pub(super) enum Subscribers {
    #[default]
    None,
    One(u32, Packed),
    /// Two or more.
    #[expect(clippy::box_collection, reason = "boxed, it leaves every node of the tree a quarter smaller")]
    Many(Box<BTreeMap<u32, Packed>>),
}

impl Subscribers {
    /// Whether it replaced one.
    pub(super) fn insert(&mut self, subscriber: u32, packed: Packed) -> bool {
        match self {
            Self::None => {
                *self = Self::One(subscriber, packed);
                false
            }
            Self::One(present, old) if *present == subscriber => {
                *old = packed;
                true
            }
            Self::One(present, old) => {
                *self = Self::Many(Box::new(BTreeMap::from([(*present, *old), (subscriber, packed)])));
                false
            }
            Self::Many(many) => many.insert(subscriber, packed).is_some(),
        }
    }

    /// Whether it was there.
    pub(super) fn remove(&mut self, subscriber: u32) -> bool {
        match self {
            Self::One(present, _) if *present == subscriber => {
                *self = Self::None;
                true
            }
            Self::None | Self::One(..) => false,
            Self::Many(many) => {
                let is_removed = many.remove(&subscriber).is_some();
                if many.len() == 1 {
                    if let Some((last, packed)) = many.pop_first() {
                        *self = Self::One(last, packed);
                    }
                }
                is_removed
            }
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        match self {
            Self::None => true,
            Self::One(..) | Self::Many(_) => false,
        }
    }

    /// Visits all of them, in ascending order.
    #[inline]
    pub(super) fn for_each(&self, mut visit: impl FnMut(u32, Packed)) {
        match self {
            Self::None => {}
            Self::One(subscriber, packed) => visit(*subscriber, *packed),
            Self::Many(many) => many.iter().for_each(|(&subscriber, &packed)| visit(subscriber, packed)),
        }
    }
}
