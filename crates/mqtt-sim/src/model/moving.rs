//! What moves in every model by itself: bytes that arrive, and time that passes.

use mqtt_proto::Instant;

use super::{Side, Verdict, Violation, broken};

/// A world with links and timers.
pub(super) trait Moving {
    fn links(&self) -> usize;

    fn now(&mut self) -> &mut Instant;

    /// Lets both ends do what they can with what they have, until nothing changes.
    fn pump(&mut self) -> Verdict;

    /// Some bytes of `side` arrive on the link with this index. Returns whether anything did.
    fn deliver(&mut self, index: usize, side: Side, bytes: usize) -> Result<bool, Violation>;

    fn next_timer(&self) -> Option<Instant>;

    /// The timers hear what time it is.
    fn fire(&mut self) -> Verdict;

    /// Everything arrives, until nothing moves.
    fn run(&mut self) -> Verdict {
        self.pump()?;
        for _ in 0..ROUNDS * 100 {
            let mut moved = false;
            for index in (0..self.links()).rev() {
                for side in Side::BOTH {
                    if index < self.links() {
                        moved |= self.deliver(index, side, usize::MAX)?;
                    }
                }
            }
            if !moved {
                return Ok(());
            }
        }
        broken("I23", "two ends answer each other for ever")
    }

    /// Time passes, and every timer fires when it is due. If it `is_live`, everything arrives at once.
    fn pass_until(&mut self, end: Instant, is_live: bool) -> Verdict {
        for _ in 0..ROUNDS * 100 {
            if is_live {
                self.run()?;
            }
            let Some(next) = self.next_timer().filter(|next| *next <= end) else {
                *self.now() = end;
                return Ok(());
            };
            let now = self.now();
            *now = next.max(*now);
            self.fire()?;
        }
        broken("I23", "timers fire for ever")
    }
}

/// More than any world needs to come to rest.
pub(super) const ROUNDS: usize = 100;
