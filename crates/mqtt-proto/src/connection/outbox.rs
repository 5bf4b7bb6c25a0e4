//! Bytes on their way out: small packets run together in one buffer, large payloads stand between them uncopied.

use bytes::{Buf, Bytes, BytesMut};

use crate::seldom::SeldomQueue;

/// Payloads from this size on are not copied.
const SPLICE_FROM: usize = 512;

/// Room that the next PINGREQ would not have to ask for again.
const WORTH_GIVING_BACK: usize = 128;

/// What waits to be written, lent to the driver as a [`Buf`].
///
/// Write [`chunk`](Buf::chunk) or `chunks_vectored` (feature `std`) and [`advance`](Buf::advance) by what the
/// transport took; a partial write needs no other state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Outbox {
    /// Everything but the splices, in order.
    small: BytesMut,
    /// Payloads, each after as many bytes of `small` as its gap says, counted from the splice before it.
    splices: SeldomQueue<Splice>,
    /// The sum of all gaps.
    gaps: usize,
    /// The sum of all splices' bytes.
    spliced: usize,
    /// Bytes written so far.
    written: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Splice {
    gap: usize,
    payload: Bytes,
}

impl Outbox {
    /// The buffer that packets are encoded into.
    pub(crate) fn small(&mut self) -> &mut BytesMut {
        &mut self.small
    }

    /// Bytes of everything but large payloads.
    pub(crate) fn small_len(&self) -> usize {
        self.small.len()
    }

    /// Puts a payload behind everything that is there.
    pub(crate) fn push_payload(&mut self, payload: &Bytes) {
        if payload.len() < SPLICE_FROM {
            self.small.extend_from_slice(payload);
            return;
        }
        let gap = self.small.len() - self.gaps;
        self.gaps += gap;
        self.spliced += payload.len();
        self.splices.push_back(Splice { gap, payload: payload.clone() });
    }

    /// Takes everything out, for a driver that cannot keep the connection borrowed while it writes.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let written = self.written + self.remaining() as u64;
        core::mem::replace(self, Self { written, ..Self::default() })
    }

    /// The payload that comes next, if it is one that was not copied, or what is left of it: whoever clones it can write it
    /// without borrowing the outbox, and [`advance`](Buf::advance) afterwards.
    #[must_use]
    pub fn payload(&self) -> Option<&Bytes> {
        self.splices.front().filter(|splice| splice.gap == 0).map(|splice| &splice.payload)
    }

    /// Gives back the room of what is empty.
    pub(crate) fn shrink(&mut self) {
        if self.small.is_empty() && self.small.capacity() > WORTH_GIVING_BACK {
            self.small = BytesMut::new();
        }
        self.splices.shrink();
    }

    /// Bytes that the transport has taken so far.
    pub fn written(&self) -> u64 {
        self.written
    }
}

impl Buf for Outbox {
    fn remaining(&self) -> usize {
        self.small.len() + self.spliced
    }

    fn chunk(&self) -> &[u8] {
        match self.splices.front() {
            None => &self.small,
            Some(Splice { gap: 0, payload }) => payload,
            Some(Splice { gap, .. }) => &self.small[..*gap],
        }
    }

    #[cfg(feature = "std")]
    fn chunks_vectored<'a>(&'a self, dst: &mut [std::io::IoSlice<'a>]) -> usize {
        let mut slots = dst.iter_mut();
        let mut filled = 0;
        let mut put = |bytes: &'a [u8]| {
            if bytes.is_empty() {
                return true;
            }
            let Some(slot) = slots.next() else { return false };
            *slot = std::io::IoSlice::new(bytes);
            filled += 1;
            true
        };
        let mut rest = &self.small[..];
        for splice in self.splices.iter() {
            let (gap, tail) = rest.split_at(splice.gap);
            rest = tail;
            if !put(gap) || !put(&splice.payload) {
                return filled;
            }
        }
        put(rest);
        filled
    }

    /// # Panics
    ///
    /// If `count` is more than what remains.
    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.remaining(), "cannot advance past the end of the outbox");
        self.written += count as u64;
        while count > 0 {
            let Some(splice) = self.splices.front_mut() else { return take_front(&mut self.small, count) };
            if splice.gap > 0 {
                let step = splice.gap.min(count);
                splice.gap -= step;
                self.gaps -= step;
                take_front(&mut self.small, step);
                count -= step;
            } else if count < splice.payload.len() {
                self.spliced -= count;
                return splice.payload.advance(count);
            } else {
                self.spliced -= splice.payload.len();
                count -= splice.payload.len();
                self.splices.pop_front();
            }
        }
    }
}

/// Takes bytes that have been written off the front.
fn take_front(small: &mut BytesMut, count: usize) {
    if count == small.len() {
        // All of its room is there again at once; after `advance` it would have to be won back.
        small.clear();
    } else {
        small.advance(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn example() -> (Outbox, Vec<u8>) {
        let mut outbox = Outbox::default();
        let mut all = Vec::new();
        for (small, large) in [(3, 600), (0, 512), (700, 0), (1, 511), (2, 4000)] {
            outbox.small().extend_from_slice(&alloc::vec![b's'; small]);
            outbox.push_payload(&Bytes::from(alloc::vec![b'p'; large]));
            all.extend(core::iter::repeat_n(b's', small).chain(core::iter::repeat_n(b'p', large)));
        }
        outbox.small().extend_from_slice(b"end");
        all.extend_from_slice(b"end");
        (outbox, all)
    }

    #[test]
    fn every_partial_write_yields_the_same_bytes_in_order() {
        let (outbox, all) = example();
        for step in [1, 2, 3, 511, 512, 603, 604, 10_000] {
            let mut outbox = outbox.clone();
            let mut seen = Vec::new();
            while outbox.has_remaining() {
                assert_eq!(outbox.remaining(), all.len() - seen.len());
                let take = step.min(outbox.chunk().len());
                assert!(take > 0, "an outbox with bytes left lends some");
                seen.extend_from_slice(&outbox.chunk()[..take]);
                outbox.advance(take);
            }
            assert_eq!(seen, all);
        }
    }

    #[test]
    fn an_advance_may_end_anywhere() {
        let (outbox, all) = example();
        for count in 0..=all.len() {
            let mut outbox = outbox.clone();
            outbox.advance(count);
            assert_eq!(&outbox.copy_to_bytes(all.len() - count)[..], &all[count..]);
        }
    }

    #[cfg(feature = "std")]
    #[test]
    fn a_vectored_write_gets_as_much_as_it_has_slots_for() {
        let (outbox, all) = example();
        for slots in 0..12 {
            let mut slices = alloc::vec![std::io::IoSlice::new(&[]); slots];
            let filled = outbox.chunks_vectored(&mut slices);
            // Small bytes and payloads of 512 and more take turns: six pieces.
            assert_eq!(filled, slots.min(6));
            let lent: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.iter().copied()).collect();
            assert!(all.starts_with(&lent) && (filled < 6 || lent == all));
        }
    }

    #[test]
    fn what_is_taken_out_counts_as_written() {
        let (mut outbox, all) = example();
        outbox.advance(5);
        let mut taken = Outbox::take(&mut outbox);
        assert!(!outbox.has_remaining() && outbox.small().is_empty());
        assert_eq!(outbox.written(), all.len() as u64);
        assert_eq!(&taken.copy_to_bytes(all.len() - 5)[..], &all[5..]);
        outbox.small().extend_from_slice(b"next");
        assert_eq!(outbox.chunk(), b"next");
    }

    #[test]
    fn payloads_of_512_bytes_are_not_copied() {
        let payload = Bytes::from(alloc::vec![1; 512]);
        let mut outbox = Outbox::default();
        outbox.push_payload(&payload);
        assert_eq!(outbox.chunk().as_ptr(), payload.as_ptr());
        assert_eq!(outbox.payload(), Some(&payload));
        assert!(outbox.small().is_empty());
        outbox.advance(500);
        assert_eq!(outbox.payload().map(Bytes::len), Some(12));
        outbox.advance(12);
        assert_eq!(outbox.payload(), None);
    }
}
