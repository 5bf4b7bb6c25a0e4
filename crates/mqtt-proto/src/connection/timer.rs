//! All of time in one place: which timers there are, and when each fires.

use core::fmt;

use crate::Instant;

/// A timer of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Timer {
    /// Client: CONNECT is out and CONNACK has not come. Server: CONNECT, or the answer to our AUTH, has not come.
    Handshake = 0,
    /// Client: nothing has been sent for seven eighths of the keep alive interval: send PINGREQ. Server: no packet has
    /// come for one and a half intervals: close.
    KeepAlive = 1,
    /// Client: nothing at all has come since PINGREQ.
    PingResponse = 2,
}

/// All of them, in the order in which they fire when several are due.
pub(crate) const TIMERS: [Timer; 3] = [Timer::Handshake, Timer::KeepAlive, Timer::PingResponse];

impl fmt::Display for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handshake => "the peer did not complete the connection handshake in time",
            Self::KeepAlive => "the peer sent nothing for one and a half keep alive intervals",
            Self::PingResponse => "the peer did not answer PINGREQ in time",
        })
    }
}

/// When each timer fires; at most one deadline per timer. Half as large as with `Option`s.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Timers([Instant; 3]);

/// The end of the clock stands for a timer that is not set.
const NEVER: Instant = Instant::from_millis(u64::MAX);
const LAST: Instant = Instant::from_millis(u64::MAX - 2);

impl Default for Timers {
    fn default() -> Self {
        Self([NEVER; 3])
    }
}

impl Timers {
    #[inline]
    pub(crate) fn set(&mut self, timer: Timer, at: Instant) {
        self.0[timer as usize] = at.min(LAST);
    }

    pub(crate) fn stop(&mut self, timer: Timer) {
        self.0[timer as usize] = NEVER;
    }

    #[inline]
    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.0[timer as usize] != NEVER
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        let [handshake, keep_alive, ping_response] = self.0;
        Some(handshake.min(keep_alive).min(ping_response)).filter(|at| *at != NEVER)
    }

    /// Whether the timer is due. Then it is stopped.
    pub(crate) fn take_due(&mut self, timer: Timer, now: Instant) -> bool {
        let is_due = self.is_set(timer) && self.0[timer as usize] <= now;
        if is_due {
            self.stop(timer);
        }
        is_due
    }
}
