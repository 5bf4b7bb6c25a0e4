//! Time as the machine sees it: milliseconds on a clock that the caller owns.

use core::time::Duration;

/// A moment on the caller's clock, in milliseconds since a moment of the caller's choice.
///
/// The machine never reads a clock. Only differences count, so any monotonic clock will do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Instant(u64);

impl Instant {
    /// The origin of the clock.
    pub const ZERO: Self = Self(0);

    /// The moment `millis` milliseconds after the origin of the caller's clock.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the origin of the caller's clock.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
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
        Duration::from_millis(self.0.saturating_sub(earlier.0))
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
    fn milliseconds_later_is_as_long_later_as_the_duration() {
        let start = Instant::from_millis(5);
        assert_eq!(start.after_millis(7), start.after(Duration::from_millis(7)));
        assert_eq!(start.after_millis(u64::MAX), Instant::from_millis(u64::MAX));
    }
}
