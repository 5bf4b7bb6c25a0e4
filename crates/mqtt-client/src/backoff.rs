//! How long to wait before the next connection attempt.
//!
//! The wait doubles with every failure and is spread by seeded jitter, so that a thousand clients of one restarted
//! broker do not come back in the same millisecond. It starts small again only after a connection has been up for a
//! while: a server that accepts and drops at once must not be stormed either.

use core::time::Duration;

/// The times of reconnecting: exponential, with jitter.
///
/// ```
/// use std::time::Duration;
/// let patient = mqtt_client::Backoff { maximum: Duration::from_secs(600), ..Default::default() };
/// # let _ = patient;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure, before jitter. Default: 200 ms.
    pub initial: Duration,
    /// No wait is longer than this. Default: 60 s.
    pub maximum: Duration,
    /// What the wait is multiplied by after each further failure. Default: 2.
    pub factor: u32,
    /// The part of each wait that is random, in percent: with 50, a wait of 8 s becomes 4 s to 8 s. Above 100 counts as
    /// 100. Default: 50.
    pub jitter_percent: u8,
    /// A connection that lasted this long makes the next failure count as the first again. Default: 20 s.
    pub stable_after: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(200),
            maximum: Duration::from_secs(60),
            factor: 2,
            jitter_percent: 50,
            stable_after: Duration::from_secs(20),
        }
    }
}

impl Backoff {
    /// The wait after `failures` failures in a row (0 counts as 1), with `random` choosing the place in the jitter.
    ///
    /// Millisecond precision; never longer than `maximum`.
    #[must_use]
    pub fn delay(&self, failures: u32, random: u64) -> Duration {
        let full = self.full(failures);
        let spread = full.saturating_mul(u64::from(self.jitter_percent.min(100))) / 100;
        Duration::from_millis(full - if spread == 0 { 0 } else { random % (spread + 1) })
    }

    fn full(&self, failures: u32) -> u64 {
        let grown = u64::from(self.factor)
            .checked_pow(failures.saturating_sub(1))
            .and_then(|times| times.checked_mul(millis(self.initial)));
        grown.unwrap_or(u64::MAX).min(millis(self.maximum))
    }
}

/// SplitMix64: all the randomness a client has, from one seed, so that every run can be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Backoff = Backoff {
        initial: Duration::from_millis(100),
        maximum: Duration::from_secs(1),
        factor: 2,
        jitter_percent: 0,
        stable_after: Duration::from_secs(1),
    };

    #[test]
    fn waits_double_up_to_the_maximum() {
        let waits: Vec<u128> = (1..=6).map(|n| PLAIN.delay(n, 7).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(PLAIN.delay(u32::MAX, u64::MAX), Duration::from_secs(1));
    }

    #[test]
    fn jitter_takes_at_most_its_share_away() {
        let half = Backoff { jitter_percent: 50, ..PLAIN };
        let mut random = Random::new(1);
        for _ in 0..1000 {
            let wait = half.delay(4, random.next()).as_millis();
            assert!((400..=800).contains(&wait), "{wait}");
        }
    }

    #[test]
    fn the_whole_share_is_used_and_no_more() {
        let half = Backoff { jitter_percent: 50, ..PLAIN };
        let waits = [0, 1, 400, 401].map(|random| half.delay(4, random).as_millis());
        assert_eq!(waits, [800, 799, 400, 800]);
    }

    #[test]
    fn the_generator_is_splitmix64() {
        // The test vector that implementations of it share.
        let mut random = Random::new(1_234_567);
        let numbers = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!(numbers.map(|_| random.next()), numbers);
    }

    #[test]
    fn the_longest_wait_with_full_jitter_does_not_overflow() {
        let wild = Backoff { maximum: Duration::MAX, jitter_percent: 255, ..PLAIN };
        assert!(wild.delay(u32::MAX, u64::MAX) <= Duration::from_millis(u64::MAX));
    }
}
