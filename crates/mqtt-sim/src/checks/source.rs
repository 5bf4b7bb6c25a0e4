//! Decisions read from the bytes of a fuzzer: each byte or two is one choice, so that a changed byte changes one choice.

use mqtt_proto::{QoS, Version};

/// What is left of the input. After its end every choice is the first one.
pub(super) struct Source<'a> {
    rest: &'a [u8],
    /// How many bytes long fields may still take.
    long: usize,
}

impl<'a> Source<'a> {
    pub(super) fn new(input: &'a [u8]) -> Self {
        Self { rest: input, long: LONG }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        byte
    }

    /// A length that something may have, or no length at all once the long ones have become too many.
    pub(super) fn afford(&mut self, len: usize) -> usize {
        if len < 1_000 {
            return len;
        }
        let left = self.long.checked_sub(len);
        self.long = left.unwrap_or(self.long);
        left.map_or(0, |_| len)
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: u8) -> u8 {
        self.byte() % end
    }

    /// A number from 1 to `last`.
    pub(super) fn up_to(&mut self, last: u8) -> u8 {
        self.below(last) + 1
    }

    pub(super) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    pub(super) fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    pub(super) fn u32(&mut self) -> u32 {
        u32::from(self.u16()) << 16 | u32::from(self.u16())
    }

    /// The next `len` bytes, or as many as are left.
    pub(super) fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (bytes, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = rest;
        bytes
    }

    /// All that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        self.bytes(usize::MAX)
    }

    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()]
    }

    pub(super) fn version(&mut self) -> Version {
        self.pick(&[Version::V31, Version::V311, Version::V5])
    }

    pub(super) fn qos(&mut self) -> QoS {
        self.pick(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])
    }
}

/// One field of the longest kind or a few that make a length take its third byte: enough for every law about lengths, and no
/// more than leaves a fuzzer time for anything else.
const LONG: usize = 65_535;
