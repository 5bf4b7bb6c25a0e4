//! A queue that mostly has nothing in it, and of which many clients have one each.

use std::collections::{VecDeque, vec_deque};

/// On the heap once it was used, one word before.
#[derive(Debug)]
#[expect(clippy::box_collection, reason = "a queue's header has 32 bytes")]
pub(crate) struct SeldomQueue<T>(Option<Box<VecDeque<T>>>);

impl<T> Default for SeldomQueue<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> SeldomQueue<T> {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|queue| queue.is_empty())
    }

    #[inline]
    pub(crate) fn push_back(&mut self, value: T) {
        self.0.get_or_insert_default().push_back(value);
    }

    #[inline]
    pub(crate) fn pop_front(&mut self) -> Option<T> {
        self.0.as_mut()?.pop_front()
    }

    #[inline]
    pub(crate) fn front(&self) -> Option<&T> {
        self.0.as_ref()?.front()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flat_map(|queue| queue.iter())
    }

    /// Whether it holds `key`, along which it is sorted.
    pub(crate) fn finds<K: Ord>(&self, key: &K, of: impl FnMut(&T) -> K) -> bool {
        self.0.as_ref().is_some_and(|queue| queue.binary_search_by_key(key, of).is_ok())
    }

    /// Takes the first that is such.
    pub(crate) fn remove_first(&mut self, is_such: impl FnMut(&T) -> bool) -> Option<T> {
        let queue = self.0.as_mut()?;
        let index = queue.iter().position(is_such)?;
        queue.remove(index)
    }

    /// Empties it and gives back its room.
    #[inline]
    pub(crate) fn take(&mut self) -> vec_deque::IntoIter<T> {
        self.0.take().map_or_else(VecDeque::new, |queue| *queue).into_iter()
    }

    /// Gives back its room if it is empty.
    pub(crate) fn shrink(&mut self) {
        if self.is_empty() {
            self.0 = None;
        }
    }
}

impl<T> Extend<T> for SeldomQueue<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        for value in values {
            self.push_back(value);
        }
    }
}
