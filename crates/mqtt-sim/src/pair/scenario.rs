//! Walks to the state under test: what the two ends are configured with, and how the link is.

use mqtt_proto::{Config, ConnAck, Connect, ReasonCode, Text, Version};

use super::Pair;

/// Which end remembers the session when the link comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Both do.
    Both,
    /// The server has lost it.
    Client,
    /// The client has lost it, and knows that there was one.
    Server,
    /// Both have lost it, and the client does not know that there was one.
    Neither,
}

/// How a [`Pair`] begins. By default: a session that stays, no keep alive, an instant link, a server that accepts and
/// grants everything.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What the client says.
    pub connect: Connect,
    /// What the server answers.
    pub connack: ConnAck,
    /// The client's limits.
    pub client: Config,
    /// The server's limits.
    pub server: Config,
    /// The server's application accepts each CONNECT.
    pub accepts: bool,
    /// The server's application resumes a session in which the client has never spoken.
    pub resumes_unconfirmed: bool,
    /// The server's application grants each SUBSCRIBE and UNSUBSCRIBE.
    pub grants: bool,
    /// Milliseconds from client to server, and back.
    pub latency: [u64; 2],
    /// Bytes that arrive at a time at the server, and at the client.
    pub chunk: [usize; 2],
    pub(super) has_accepted: bool,
}

impl Scenario {
    /// The default for one version.
    #[must_use]
    pub fn new(version: Version) -> Self {
        let mut connect = Connect::new(version, Text::from_static("c"));
        connect.clean_start = false;
        connect.keep_alive = 0;
        if version == Version::V5 {
            connect = connect.with_session_expiry_interval(u32::MAX);
        }
        Self {
            connect,
            connack: ConnAck::new(false, ReasonCode::SUCCESS),
            client: Config::default(),
            server: Config::default(),
            accepts: true,
            resumes_unconfirmed: true,
            grants: true,
            latency: [0, 0],
            chunk: [usize::MAX, usize::MAX],
            has_accepted: false,
        }
    }

    /// Changes anything.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Sets the keep alive interval, in seconds.
    #[must_use]
    pub fn keep_alive(mut self, seconds: u16) -> Self {
        self.connect.keep_alive = seconds;
        self
    }

    /// Sets the latency of both directions, in milliseconds.
    #[must_use]
    pub fn latency(mut self, millis: u64) -> Self {
        self.latency = [millis, millis];
        self
    }

    /// Sets the chunk size of both directions, in bytes.
    #[must_use]
    pub fn chunk(mut self, bytes: usize) -> Self {
        self.chunk = [bytes, bytes];
        self
    }

    /// Sets how many QoS 1 and 2 messages each end takes at a time.
    #[must_use]
    pub fn receive_maximum(mut self, client: u16, server: u16) -> Self {
        self.client.receive_maximum = client.try_into().expect("at least 1");
        self.server.receive_maximum = server.try_into().expect("at least 1");
        self
    }

    /// A pair whose CONNECT has not been sent.
    #[must_use]
    pub fn begun(self) -> Pair {
        Pair::new(self)
    }

    /// A pair that is connected, with an empty log.
    ///
    /// # Panics
    ///
    /// If it cannot be.
    #[must_use]
    pub fn connected(self) -> Pair {
        let mut pair = self.begun();
        pair.run();
        assert!(pair.client.connection.is_open() && pair.server.connection.is_open(), "{:?}", pair.events());
        pair.forget_log();
        pair
    }
}
