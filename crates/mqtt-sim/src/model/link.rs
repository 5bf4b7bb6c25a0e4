//! One transport connection: a pipe each way, and the server's end of it.

use bytes::BytesMut;
use mqtt_proto::{Connection, Server};

use super::Side;
use super::monitor::Monitor;

/// What lies behind the last byte of a pipe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum End {
    /// More may come.
    #[default]
    Open,
    /// The end of the transport: nothing is added any more.
    Eof,
    /// Nothing, for ever: bytes vanish, and nobody is told.
    Hole,
}

/// Bytes under way from one side to the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Pipe {
    pub(super) bytes: BytesMut,
    pub(super) end: End,
    /// The receiver has been told of the end.
    pub(super) is_over: bool,
    /// Arrived, and not taken by the receiver yet.
    pub(super) input: BytesMut,
}

impl Pipe {
    pub(super) fn write(&mut self, bytes: &[u8]) {
        if self.end == End::Open {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// The sender closes its end: nothing follows what is under way.
    pub(super) fn close(&mut self) {
        if self.end == End::Open {
            self.end = End::Eof;
        }
    }

    /// Loses all but the first `keep` bytes, and ends behind them.
    pub(super) fn cut(&mut self, keep: usize) {
        self.bytes.truncate(keep);
        self.end = End::Eof;
    }

    /// The receiver has closed its end.
    pub(super) fn refuse(&mut self) {
        self.cut(0);
        self.is_over = true;
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Link {
    /// Counted from 1.
    pub(super) number: u32,
    /// By sender.
    pub(super) pipes: [Pipe; 2],
    /// The client still holds its end.
    pub(super) has_client: bool,
    pub(super) server: Option<Box<Connection<Server>>>,
    /// The server has accepted it: its connection holds the session.
    pub(super) is_accepted: bool,
    /// Nothing has gone wrong with it yet, so nothing may be lost or late on it.
    pub(super) is_healthy: bool,
    pub(super) monitor: Monitor,
}

impl Link {
    pub(super) fn new(number: u32, server: Connection<Server>, monitor: Monitor) -> Self {
        Self {
            number,
            pipes: Default::default(),
            has_client: true,
            server: Some(Box::new(server)),
            is_accepted: false,
            is_healthy: true,
            monitor,
        }
    }

    pub(super) fn pipe(&mut self, from: Side) -> &mut Pipe {
        &mut self.pipes[from.index()]
    }

    /// Nothing will happen on it any more.
    pub(super) fn is_dead(&self) -> bool {
        !self.has_client && self.server.is_none()
    }
}
