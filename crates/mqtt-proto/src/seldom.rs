//! What most connections never need: on the heap, once it is needed, so that it takes no room in the others.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::hash::{Hash, Hasher};
use core::ops::Deref;

/// What reads as an empty one until it is used. Whether it has been used makes no difference to what it equals.
#[derive(Clone, Debug)]
pub(crate) struct Seldom<T>(Option<Box<T>>);

/// What can be empty, and has one such value for all that are.
pub(crate) trait Empty: Default + 'static {
    fn empty() -> &'static Self;
}

impl<T: Empty> Seldom<T> {
    /// Makes room for it, if there is none.
    #[inline]
    pub(crate) fn make(&mut self) -> &mut T {
        self.0.get_or_insert_with(Self::room)
    }

    #[cold]
    #[inline(never)]
    fn room() -> Box<T> {
        Box::default()
    }

    /// It, if it has been used: for changes that mean nothing to an empty one.
    #[inline]
    pub(crate) fn used(&mut self) -> Option<&mut T> {
        self.0.as_deref_mut()
    }

    /// Empties it and gives back its room.
    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }
}

impl<T> Default for Seldom<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Empty> Deref for Seldom<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        match &self.0 {
            Some(used) => used,
            None => T::empty(),
        }
    }
}

impl<T: Empty + PartialEq> PartialEq for Seldom<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Empty + Eq> Eq for Seldom<T> {}

impl<T: Empty + Hash> Hash for Seldom<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

/// A queue of which an unused one is one word. Whether it has been used makes no difference to what it equals.
#[derive(Clone, Debug)]
#[expect(clippy::box_collection, reason = "a queue's header has 32 bytes")]
pub(crate) struct SeldomQueue<T>(Option<Box<VecDeque<T>>>);

impl<T> SeldomQueue<T> {
    pub(crate) const EMPTY: Self = Self(None);

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

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn queue(values: &[u32]) -> SeldomQueue<u32> {
        let mut queue = SeldomQueue::default();
        values.iter().for_each(|value| queue.push_back(*value));
        queue
    }

    fn all(queue: &SeldomQueue<u32>) -> Vec<u32> {
        queue.iter().copied().collect()
    }

    /// What the value gives a hasher.
    fn hashed(value: &impl Hash) -> Vec<u8> {
        #[derive(Default)]
        struct Bytes(Vec<u8>);
        impl Hasher for Bytes {
            fn write(&mut self, bytes: &[u8]) {
                self.0.extend_from_slice(bytes);
            }

            fn finish(&self) -> u64 {
                0
            }
        }
        let mut bytes = Bytes::default();
        value.hash(&mut bytes);
        bytes.0
    }

    #[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
    struct Count(u32);

    impl Empty for Count {
        fn empty() -> &'static Self {
            &Self(0)
        }
    }

    #[test]
    fn what_was_never_used_reads_as_an_empty_one_and_equals_it() {
        let (unused, mut count) = (Seldom::<Count>::default(), Seldom::<Count>::default());
        assert!(*unused == Count(0) && count.used().is_none());
        count.make().0 = 1;
        assert!(count.used().is_some() && count != unused && hashed(&count) != hashed(&unused));
        count.make().0 = 0;
        assert!(count.used().is_some() && count == unused && hashed(&count) == hashed(&unused));
        count.clear();
        assert!(count.used().is_none());
    }

    #[test]
    fn it_is_a_queue_whether_it_was_used_or_not() {
        let mut unused = SeldomQueue::<u32>::default();
        assert!(unused.is_empty() && all(&unused).is_empty());
        assert_eq!((unused.front(), unused.back(), unused.get(0)), (None, None, None));
        assert!(unused.front_mut().is_none() && unused.get_mut(0).is_none());
        unused.pop_back();
        assert_eq!(unused.pop_front(), None);

        let mut queue = queue(&[7, 8, 9]);
        assert!(!queue.is_empty());
        assert_eq!((queue.front(), queue.get(1), queue.back()), (Some(&7), Some(&8), Some(&9)));
        queue.front_mut().into_iter().for_each(|first| *first = 1);
        queue.get_mut(1).into_iter().for_each(|second| *second = 2);
        queue.pop_back();
        assert_eq!(all(&queue), [1, 2]);
        assert_eq!((queue.pop_front(), queue.pop_front(), queue.pop_front()), (Some(1), Some(2), None));
    }

    #[test]
    fn what_is_put_beyond_its_end_makes_it_longer() {
        let mut queue = SeldomQueue::<u32>::default();
        queue.put(2, 9);
        assert_eq!(all(&queue), [0, 0, 9]);
        queue.put(0, 7);
        assert_eq!(all(&queue), [7, 0, 9]);
        queue.put(3, 1);
        assert_eq!(all(&queue), [7, 0, 9, 1]);
    }

    #[test]
    fn a_used_one_equals_an_unused_one_and_others_differ() {
        let mut used = queue(&[1]);
        used.pop_front();
        let unused = SeldomQueue::default();
        assert!(used == unused && hashed(&used) == hashed(&unused));
        for (one, other) in [(queue(&[1]), queue(&[2])), (queue(&[0]), unused), (queue(&[1, 2]), queue(&[1]))] {
            assert!(one != other && hashed(&one) != hashed(&other));
        }
    }

    #[test]
    fn room_is_given_back_if_it_holds_nothing() {
        let mut queue = queue(&[1]);
        queue.shrink();
        assert_eq!(all(&queue), [1]);
        queue.pop_front();
        assert!(queue.0.is_some());
        queue.shrink();
        assert!(queue.0.is_none());
    }
}
