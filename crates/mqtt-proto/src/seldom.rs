//! What most connections never need: on the heap, once it is needed, so that it takes no room in the others.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::hash::{Hash, Hasher};

/// A queue of which an unused one is one word. Whether it has been used makes no difference to what it equals.
#[derive(Clone, Debug)]
#[expect(clippy::box_collection, reason = "a queue's header has 32 bytes")]
pub(crate) struct SeldomQueue<T>(Option<Box<VecDeque<T>>>);

impl<T> SeldomQueue<T> {
    pub(crate) fn push_back(&mut self, value: T) {
        self.0.get_or_insert_default().push_back(value);
    }

    pub(crate) fn pop_front(&mut self) -> Option<T> {
        self.0.as_mut()?.pop_front()
    }

    pub(crate) fn front(&self) -> Option<&T> {
        self.0.as_ref()?.front()
    }

    pub(crate) fn front_mut(&mut self) -> Option<&mut T> {
        self.0.as_mut()?.front_mut()
    }

    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        self.0.as_ref()?.get(index)
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.0.as_mut()?.get_mut(index)
    }

    pub(crate) fn back(&self) -> Option<&T> {
        self.0.as_ref()?.back()
    }

    pub(crate) fn pop_back(&mut self) {
        if let Some(queue) = &mut self.0 {
            queue.pop_back();
        }
    }

    /// Sets the value at an index, and makes the queue long enough for it.
    pub(crate) fn put(&mut self, index: usize, value: T)
    where
        T: Clone + Default,
    {
        let queue = self.0.get_or_insert_default();
        if queue.len() <= index {
            queue.resize(index + 1, T::default());
        }
        queue[index] = value;
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flat_map(|queue| queue.iter())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|queue| queue.is_empty())
    }

    /// Gives back its room if it holds nothing.
    pub(crate) fn shrink(&mut self) {
        if self.is_empty() {
            self.0 = None;
        }
    }
}

impl<T> Default for SeldomQueue<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: PartialEq> PartialEq for SeldomQueue<T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<T: Eq> Eq for SeldomQueue<T> {}

impl<T: Hash> Hash for SeldomQueue<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_ref().map_or(0, |queue| queue.len()).hash(state);
        self.iter().for_each(|value| value.hash(state));
    }
}
