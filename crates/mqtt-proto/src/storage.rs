//! Where the bytes of a packet live: borrowed from a buffer, or shared by reference count.

use core::{fmt::Debug, hash::Hash, ops::Range};

use bytes::{Buf, Bytes};

/// Where a packet's bytes live. Sealed: `&[u8]` borrows from the read buffer and costs nothing,
/// [`Bytes`] shares it.
pub trait Storage: sealed::Sealed + AsRef<[u8]> + Clone + Eq + Ord + Hash + Debug + Default {
    /// The bytes of `range`, without copying.
    ///
    /// # Panics
    ///
    /// If the range ends beyond the bytes or starts beyond its end. The decoder checks its ranges before.
    #[must_use]
    fn slice(&self, range: Range<usize>) -> Self;

    /// The bytes from `start` on, without counting a reference more.
    ///
    /// # Panics
    ///
    /// If it starts beyond the end.
    #[must_use]
    fn into_tail(self, start: usize) -> Self;

    /// The same bytes, as ones that outlive the buffer. Copies `&[u8]`; counts a reference of [`Bytes`].
    #[must_use]
    fn to_shared(&self) -> Bytes;
}

impl Storage for &[u8] {
    #[inline(always)]
    fn slice(&self, range: Range<usize>) -> Self {
        &self[range]
    }

    #[inline(always)]
    fn into_tail(self, start: usize) -> Self {
        &self[start..]
    }

    fn to_shared(&self) -> Bytes {
        Bytes::copy_from_slice(self)
    }
}

impl Storage for Bytes {
    #[inline(always)]
    fn slice(&self, range: Range<usize>) -> Self {
        // An empty slice of `Bytes` keeps the whole buffer alive for nothing.
        if range.is_empty() {
            return Bytes::new();
        }
        Bytes::slice(self, range)
    }

    #[inline(always)]
    fn into_tail(mut self, start: usize) -> Self {
        if start == self.len() {
            return Bytes::new();
        }
        self.advance(start);
        self
    }

    fn to_shared(&self) -> Bytes {
        self.clone()
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for &[u8] {}
    impl Sealed for bytes::Bytes {}
}
