//! Time as the machine sees it: milliseconds on a clock that the caller owns.

use core::fmt;
use core::num::NonZeroU64;
use core::time::Duration;

/// A moment on the caller's clock, in milliseconds since a moment of the caller's choice.
///
/// The machine never reads a clock. Only differences count, so any monotonic clock will do. An `Option<Instant>` takes no more
/// room than an `Instant`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(NonZeroU64);

impl Instant {
    /// The origin of the clock.
    pub const ZERO: Self = Self(NonZeroU64::MIN);

    /// The moment `millis` milliseconds after the origin of the caller's clock. The last one is after 2^64 - 2.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(millis))
    }

    /// Milliseconds since the origin of the caller's clock.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0.get() - 1
    }

    /// The moment `duration` later, rounded up to a whole millisecond; the last representable moment when there is none.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let millis = duration.as_nanos().div_ceil(1_000_000);
        Self(self.0.saturating_add(u64::try_from(millis).unwrap_or(u64::MAX)))
    }

    /// The moment so many milliseconds later; the last representable one when there is none.
    #[inline]
    pub(crate) const fn after_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Time from `earlier` to this moment; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.get().saturating_sub(earlier.0.get()))
    }
}

impl Default for Instant {
    fn default() -> Self {
        Self::ZERO
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Instant").field(&self.as_millis()).finish()
    }
}

impl core::ops::Add<Duration> for Instant {
    type Output = Self;

    /// [`Instant::after`].
    fn add(self, duration: Duration) -> Self {
        self.after(duration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_as_many_milliseconds_as_were_said_but_the_last_two_are_one() {
        for millis in [0, 1, 1 << 40, u64::MAX - 2, u64::MAX - 1] {
            assert_eq!(Instant::from_millis(millis).as_millis(), millis);
            assert_eq!(alloc::format!("{:?}", Instant::from_millis(millis)), alloc::format!("Instant({millis})"));
        }
        assert_eq!(Instant::from_millis(u64::MAX).as_millis(), u64::MAX - 1);
        assert_eq!(Instant::default(), Instant::from_millis(0));
    }

    #[test]
    fn milliseconds_later_is_as_long_later_as_the_duration() {
        let start = Instant::from_millis(5);
        assert_eq!(start.after_millis(7), start.after(Duration::from_millis(7)));
        assert_eq!(start.after_millis(u64::MAX), Instant::from_millis(u64::MAX));
    }
}
