//! What a server is started with.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use mio::{Poll, Waker};

use super::Server;
use super::door::Door;
use super::inbox::Inbox;
use super::listener::{BindError, Bound, Listener};
use super::run::{End, Guests, INBOX, Runner, door_token};
use super::stream::Acceptor;
use crate::{Broker, Config, Hub, Notice, Policy};

/// What a [`Server`] is started with. Made by [`Server::builder`].
pub struct Builder {
    listeners: Vec<Listener>,
    config: Config,
    policy: Box<dyn Policy>,
    on_notice: Option<Box<dyn FnMut(Notice) + Send>>,
    grace: Duration,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            listeners: Vec::new(),
            config: Config::default(),
            policy: Box::new(()),
            on_notice: None,
            grace: SHUTDOWN_TIMEOUT,
        }
    }

    /// Listens there, too: `"127.0.0.1:1883"`, or a [`Listener`] with options. Default: a free port of 127.0.0.1.
    #[must_use]
    pub fn listen(mut self, listener: impl Into<Listener>) -> Self {
        self.listeners.push(listener.into());
        self
    }

    /// Listens on a Unix socket, too: see [`Listener::unix`].
    #[cfg(unix)]
    #[must_use]
    pub fn listen_unix(self, path: impl Into<std::path::PathBuf>) -> Self {
        self.listen(Listener::unix(path))
    }

    /// Sets the limits. [`Config::listeners`] is taken from the listeners.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Sets who may do what. Default: everybody everything.
    ///
    /// Hooks run on the server's thread: one that blocks stops the server, one that panics ends it.
    #[must_use]
    pub fn policy(mut self, policy: impl Policy + 'static) -> Self {
        self.policy = Box::new(policy);
        self
    }

    /// Calls a function for everything worth a line in a log, on the server's thread. Without it, notices are not even made.
    /// [`Config::maximum_notices`] says how many may come of what is read at a time (16 KiB); when it is 0, ten thousand.
    #[must_use]
    pub fn on_notice(mut self, on_notice: impl FnMut(Notice) + Send + 'static) -> Self {
        self.on_notice = Some(Box::new(on_notice));
        self
    }

    /// How long [`Server::shut_down`] waits for clients to take the last words. Default: 5 s.
    #[must_use]
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.grace = timeout;
        self
    }

    /// Opens the sockets, and starts the thread. Clients can connect when this returns.
    ///
    /// # Errors
    ///
    /// It cannot listen there, or the system has no thread or descriptor for it.
    pub fn start(mut self) -> Result<Server, StartError> {
        if self.listeners.is_empty() {
            self.listeners.push(Listener::tcp("127.0.0.1:0"));
        }
        let mut sockets = Vec::new();
        for (index, listener) in (0..).zip(&self.listeners) {
            sockets.extend(listener.bind()?.into_iter().map(|socket| (index, socket)));
        }
        let addresses = sockets.iter().filter_map(|(_, socket)| Bound::address(socket)).collect();
        let poll = Poll::new().map_err(StartError::System)?;
        let mut doors = Vec::new();
        for (index, (listener, socket)) in sockets.into_iter().enumerate() {
            let mut acceptor = Acceptor::new(socket);
            acceptor.register(poll.registry(), door_token(index)).map_err(StartError::System)?;
            doors.push(Door::new(listener, acceptor));
        }
        let waker = Waker::new(poll.registry(), INBOX).map_err(StartError::System)?;
        let inbox = Arc::new(Inbox::new(waker));
        let grace = self.grace;
        let thread = thread::Builder::new().name("mqtt-broker".to_owned()).spawn({
            let inbox = Arc::clone(&inbox);
            move || self.run(poll, doors, &inbox)
        });
        Ok(Server { inbox, addresses, grace, thread: Some(thread.map_err(StartError::System)?) })
    }

    /// The thread.
    fn run(mut self, poll: Poll, doors: Vec<Door>, inbox: &Arc<Inbox>) -> End {
        inbox.own();
        if self.on_notice.is_some() && self.config.maximum_notices == 0 {
            self.config.maximum_notices = NOTICES;
        }
        if self.config.seed == 0 {
            self.config.seed = RandomState::new().build_hasher().finish();
        }
        self.config.listeners = self.listeners.iter().map(|listener| listener.config.clone()).collect();
        let guests = self.listeners.iter().map(|listener| Guests { count: 0, maximum: listener.maximum_connections });
        let hub = Hub::new(Broker::new(self.config, self.policy));
        let mut runner = Runner::new(poll, hub, Arc::clone(inbox), doors, guests.collect(), self.on_notice);
        // It goes before the sockets close: whoever has seen that is told that the server has stopped.
        let _last = LastWill(inbox);
        runner.run()
    }
}

/// Tells whoever waits for the server's thread that it is gone, however it went.
struct LastWill<'a>(&'a Inbox);

impl Drop for LastWill<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("listeners", &self.listeners)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// Why a server did not start.
#[derive(Debug)]
pub enum StartError {
    /// It cannot listen there.
    Bind(BindError),
    /// The system has no thread or no descriptor left.
    System(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind(error) => error.fmt(f),
            Self::System(error) => write!(f, "cannot start the server's thread: {error}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Bind(error) => Some(error),
            Self::System(error) => Some(error),
        }
    }
}

impl From<BindError> for StartError {
    fn from(error: BindError) -> Self {
        Self::Bind(error)
    }
}

/// Notices that may wait to be told, when nobody has said how many. Some 2 MiB.
const NOTICES: usize = 10_000;

/// Default of [`Builder::shutdown_timeout`].
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
