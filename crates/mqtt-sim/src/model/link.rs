//! One transport connection: a pipe each way, and the server's end of it.

use bytes::BytesMut;
use mqtt_proto::{Connection, Server};

use super::monitor::Monitor;
use super::{Cut, Side};

/// Where connections are to end, and how many bytes each has carried: counted only if there is a cut.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Plan {
    pub(super) cuts: Vec<Cut>,
    pub(super) carried: Vec<[u32; 2]>,
}

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
    /// A newer one was accepted in 3.1, where a client that resumes cannot learn that an older CONNECT has taken its session away.
    pub(super) is_superseded: bool,
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
            is_superseded: false,
            is_healthy: true,
            monitor,
        }
    }

    pub(super) fn pipe(&mut self, from: Side) -> &mut Pipe {
        &mut self.pipes[from.index()]
    }

    /// Moves bytes that `side` wrote to the input of their receiver, no further than a planned cut allows. Returns them, and
    /// whether they were the last.
    pub(super) fn carry(&mut self, side: Side, bytes: usize, plan: &mut Plan) -> (BytesMut, bool) {
        let Plan { cuts, carried } = plan;
        let at = self.number as usize - 1;
        let counted = carried.get(at).map_or(0, |carried| carried[side.index()]);
        let cut = cuts.iter().find(|cut| cut.link == self.number && cut.side == side).copied();
        let left = cut.map_or(usize::MAX, |cut| (cut.position - counted) as usize);
        let pipe = self.pipe(side);
        let moved = pipe.bytes.split_to(bytes.min(pipe.bytes.len()).min(left));
        if !cuts.is_empty() {
            carried.resize(carried.len().max(at + 1), [0; 2]);
            carried[at][side.index()] += moved.len() as u32;
        }
        if let Some(cut) = cut.filter(|_| moved.len() == left) {
            self.pipe(side).cut(0);
            self.pipe(side.peer()).cut(if cut.other_arrives { usize::MAX } else { 0 });
            self.is_healthy = false;
            cuts.retain(|planned| *planned != cut);
            if cuts.is_empty() {
                cuts.push(Cut::NEVER);
            }
        }
        let pipe = self.pipe(side);
        let ends = pipe.bytes.is_empty() && pipe.end == End::Eof;
        pipe.is_over |= ends;
        pipe.input.extend_from_slice(&moved);
        (moved, ends)
    }

    /// Nothing will happen on it any more.
    pub(super) fn is_dead(&self) -> bool {
        !self.has_client && self.server.is_none()
    }
}
