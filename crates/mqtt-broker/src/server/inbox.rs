//! What other threads want of the server's thread.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use mio::Waker;
use mqtt_proto::{Message, ReasonCode, Subscription as Wanted};

use super::Stopped;
use super::mailbox::Mailbox;
use crate::Policy;

/// A wish. They are fulfilled in their order.
pub(super) enum Command {
    /// With the place for the reason why it was refused, if somebody waits to know.
    Publish(Message, Option<Arc<OnceLock<ReasonCode>>>),
    Subscribe {
        wanted: Vec<Wanted>,
        mailbox: Arc<Mailbox>,
    },
    Reload(Box<dyn Policy>),
}

/// What waits for the server's thread when it looks.
#[derive(Default)]
pub(super) struct Wishes {
    pub(super) commands: VecDeque<Command>,
    /// Some mailbox has room again, or is not wanted any more.
    pub(super) mailboxes: bool,
    /// Say goodbye, and give everybody so long to hear it.
    pub(super) shut_down: Option<Duration>,
}

/// A bounded queue of commands.
pub(super) struct Inbox {
    state: Mutex<State>,
    /// Ends the poll of the server's thread.
    waker: Waker,
    /// There is room, something was fulfilled, or it is over.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    wishes: Wishes,
    /// Commands so far.
    asked: u64,
    /// How many of them are fulfilled.
    fulfilled: u64,
    /// The server's thread will look without being told once more.
    is_told: bool,
    /// The server's thread.
    owner: Option<ThreadId>,
    is_over: bool,
}

impl Inbox {
    pub(super) fn new(waker: Waker) -> Self {
        Self { state: Mutex::default(), waker, changed: Condvar::new() }
    }

    /// Asks for something; waits while too much waits already. Gives the number to [`Self::wait`] for.
    ///
    /// A hook that asks, on the server's own thread, never waits: nobody would ever make room for it.
    pub(super) fn ask(&self, command: Command) -> Result<u64, Stopped> {
        let mut state = self.lock();
        let is_own = state.owner == Some(thread::current().id());
        while state.wishes.commands.len() >= COMMANDS && !is_own && !state.is_over {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.is_over {
            return Err(Stopped);
        }
        state.wishes.commands.push_back(command);
        state.asked += 1;
        self.tell(&mut state);
        Ok(state.asked)
    }

    /// Waits until a command is fulfilled; not on the server's own thread, which will do so after the hook has returned.
    pub(super) fn wait(&self, number: u64) -> Result<(), Stopped> {
        let mut state = self.lock();
        let is_own = state.owner == Some(thread::current().id());
        while state.fulfilled < number && !is_own && !state.is_over {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.fulfilled < number && state.is_over { Err(Stopped) } else { Ok(()) }
    }

    /// Tells that a mailbox has room or is not wanted any more.
    pub(super) fn tell_mailboxes(&self) {
        let mut state = self.lock();
        state.wishes.mailboxes = true;
        self.tell(&mut state);
    }

    pub(super) fn shut_down(&self, grace: Duration) {
        let mut state = self.lock();
        state.wishes.shut_down = Some(grace);
        self.tell(&mut state);
    }

    /// Makes this thread the one that fulfils.
    pub(super) fn own(&self) {
        self.lock().owner = Some(thread::current().id());
    }

    /// Takes what is wished.
    pub(super) fn take(&self) -> Wishes {
        let mut state = self.lock();
        state.is_told = false;
        std::mem::take(&mut state.wishes)
    }

    /// Says that so many more commands are fulfilled.
    pub(super) fn fulfilled(&self, count: usize) {
        if count > 0 {
            self.lock().fulfilled += count as u64;
            self.changed.notify_all();
        }
    }

    /// Nothing more will be fulfilled.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.is_over = true;
        let unfulfilled = std::mem::take(&mut state.wishes);
        drop(state);
        for command in unfulfilled.commands {
            match command {
                Command::Subscribe { mailbox, .. } => mailbox.end(),
                Command::Publish(..) | Command::Reload(_) => {}
            }
        }
        self.changed.notify_all();
    }

    /// Once for all that is wished until the server's thread looks.
    fn tell(&self, state: &mut State) {
        // If it fails, the next wish tries again.
        state.is_told = state.is_told || self.waker.wake().is_ok();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing between lock and unlock can panic and leave it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}

/// Commands that wait until whoever asks for more has to wait.
const COMMANDS: usize = 1024;
