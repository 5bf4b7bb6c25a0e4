//! Transports: bytes on their way, and what both ends make of them.

use bytes::{Buf, Bytes, BytesMut};
use mqtt_broker::Peer;
use mqtt_proto::{FixedHeader, Packet, Version};

use super::World;
use crate::{Verdict, broken, ensure};

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) peer: Peer,
    actor: usize,
    version: Version,
    /// The client's end is there.
    pub(crate) has_client: bool,
    /// Written by the client and not arrived; after it, the end.
    up: BytesMut,
    up_ends: bool,
    /// Arrived at the broker: what it has not taken in, and what the reference has not heard of.
    input: BytesMut,
    unheard: BytesMut,
    /// Written by the broker and not arrived; after it, the end.
    down: BytesMut,
    pub(crate) down_ends: bool,
    /// Arrived at the client.
    received: BytesMut,
    has_received_end: bool,
    is_stalled: bool,
    /// The broker's end is gone.
    pub(crate) is_gone: bool,
}

impl Link {
    pub(crate) fn new(peer: Peer, actor: usize, version: Version) -> Self {
        Self {
            peer,
            actor,
            version,
            has_client: true,
            up: BytesMut::new(),
            up_ends: false,
            input: BytesMut::new(),
            unheard: BytesMut::new(),
            down: BytesMut::new(),
            down_ends: false,
            received: BytesMut::new(),
            has_received_end: false,
            is_stalled: false,
            is_gone: false,
        }
    }

    pub(crate) fn belongs_to(&self, actor: usize) -> bool {
        self.actor == actor
    }

    pub(crate) fn carry_down(&mut self, count: usize) {
        let count = count.min(self.down.len());
        let bytes = self.down.split_to(count);
        self.received.extend_from_slice(&bytes);
        self.has_received_end = self.down.is_empty() && self.down_ends;
    }

    /// Whether something is under way to the client.
    pub(crate) fn is_moving(&self) -> bool {
        self.has_client && (!self.down.is_empty() || (self.down_ends && !self.has_received_end))
    }

    /// Neither end is there any more.
    pub(crate) fn is_over(&self) -> bool {
        self.is_gone && !self.has_client
    }
}

impl World {
    /// The link that the client uses.
    pub(super) fn newest(&self, actor: usize) -> Option<usize> {
        self.links.iter().rposition(|link| link.actor == actor && link.has_client)
    }

    /// Lets one client do what it can.
    pub(super) fn pump_actor(&mut self, at: usize) -> Verdict {
        let now = self.now;
        let Some(index) = self.newest(at) else {
            self.actors[at].leave();
            return Ok(());
        };
        loop {
            let link = &mut self.links[index];
            let actor = &mut self.actors[at];
            let Some(connection) = &mut actor.connection else {
                // The process is gone: its machine ends the transport.
                (link.has_client, link.up_ends) = (false, true);
                return Ok(());
            };
            let taken = connection.handle_input(now, &mut link.received);
            if link.has_received_end && taken == 0 && !connection.is_closed() {
                connection.handle_eof(now);
            }
            let moved = actor.poll(now)?;
            let Some(connection) = &mut actor.connection else { continue };
            let outbox = connection.outbox();
            link.up.extend_from_slice(&outbox.copy_to_bytes(outbox.remaining()));
            if connection.is_closed() {
                (link.has_client, link.up_ends) = (false, true);
                actor.leave();
                return Ok(());
            }
            if taken == 0 && !moved {
                return Ok(());
            }
        }
    }

    /// So many bytes of the client arrive at the broker, one packet after the other. Whether anything did.
    pub(super) fn carry_up(&mut self, index: usize, mut count: usize) -> Result<bool, crate::Violation> {
        let mut moved = false;
        while !self.links[index].is_gone {
            let link = &mut self.links[index];
            let peer = link.peer;
            let is_closing = self.reference.must_end(peer.as_u64());
            if is_closing {
                // Nobody reads it any more.
                moved |= !link.up.is_empty();
                link.up.clear();
                break;
            }
            if !link.input.is_empty() && !self.hub.wants_input(peer) {
                return Ok(moved);
            }
            let taken = link.next_piece(count);
            count -= taken;
            if taken == 0 {
                break;
            }
            moved = true;
            while self.hub.handle_input(self.now, peer, &mut link.input) > 0 {}
            if let Some(packet) = link.heard()? {
                self.reference.received(peer.as_u64(), packet)?;
            }
            self.drain()?;
        }
        let link = &self.links[index];
        if !link.up.is_empty() || !link.up_ends || link.is_gone {
            return Ok(moved);
        }
        self.end(index)?;
        Ok(true)
    }

    /// The broker sees the end of the client's side.
    fn end(&mut self, index: usize) -> Verdict {
        let (now, peer) = (self.now, self.links[index].peer);
        self.links[index].up_ends = false;
        if self.reference.must_end(peer.as_u64()) {
            return self.cut(index);
        }
        let has_unwritten = self.hub.outbox(peer).is_some_and(|outbox| outbox.has_remaining());
        self.hub.handle_eof(now, peer);
        self.reference.ended(peer.as_u64(), has_unwritten);
        self.drain()
    }

    /// The link breaks: neither end gets anything more, and both see it.
    pub(super) fn cut(&mut self, index: usize) -> Verdict {
        let (now, peer) = (self.now, self.links[index].peer);
        let link = &mut self.links[index];
        link.down.clear();
        link.down_ends = true;
        link.up.clear();
        if link.is_gone {
            return Ok(());
        }
        link.is_gone = true;
        let has_unwritten = self.hub.outbox(peer).is_some_and(|outbox| outbox.has_remaining());
        self.hub.handle_closed(now, peer);
        self.reference.ended(peer.as_u64(), has_unwritten);
        self.reference.hung_up(peer.as_u64())?;
        self.drain()
    }

    pub(super) fn stall(&mut self, index: usize, is_stalled: bool) -> Verdict {
        let link = &mut self.links[index];
        if link.is_gone || link.is_stalled == is_stalled {
            return Ok(());
        }
        link.is_stalled = is_stalled;
        self.reference.stalled(link.peer.as_u64(), is_stalled);
        if is_stalled { Ok(()) } else { self.write(index).and_then(|()| self.drain()) }
    }

    /// Takes all that the broker has written, and has it judged.
    pub(super) fn drain(&mut self) -> Verdict {
        while let Some(peer) = self.hub.poll_writable() {
            let Some(index) = self.links.iter().position(|link| link.peer == peer && !link.is_gone) else {
                return broken("I16", format!("peer {peer} is not there"));
            };
            self.write(index)?;
        }
        for link in self.links.iter().filter(|link| !link.is_gone && !link.is_stalled) {
            let forgotten = self.hub.outbox(link.peer).is_none_or(|outbox| outbox.has_remaining());
            ensure(!forgotten, "I23", || format!("peer {} has bytes to write and was not named", link.peer))?;
            let must_end = self.reference.must_end(link.peer.as_u64());
            ensure(!must_end, "MQTT-3.1.4-3", || format!("peer {} should have been closed", link.peer))?;
        }
        self.reference.check()
    }

    /// The transport takes what the broker has for it.
    fn write(&mut self, index: usize) -> Verdict {
        let (now, link) = (self.now, &mut self.links[index]);
        let peer = link.peer;
        if !link.is_stalled {
            while let Some(outbox) = self.hub.outbox(peer).filter(|outbox| outbox.has_remaining()) {
                let bytes = outbox.copy_to_bytes(outbox.remaining());
                link.down.extend_from_slice(&bytes);
                self.hub.handle_written(now, peer);
                judge(&mut self.reference, link, bytes)?;
            }
        }
        if self.hub.wants_close(peer) {
            link.is_gone = true;
            link.down_ends = true;
            self.hub.handle_closed(now, peer);
            return self.reference.hung_up(peer.as_u64());
        }
        Ok(())
    }
}

impl Link {
    /// Moves bytes to the broker's input, but not beyond the end of a packet.
    fn next_piece(&mut self, count: usize) -> usize {
        let mut ahead = self.unheard.clone();
        ahead.extend_from_slice(&self.up);
        let whole = match FixedHeader::parse(&ahead) {
            Ok(Some(header)) => header.frame_len() - self.unheard.len(),
            Ok(None) | Err(_) => usize::MAX,
        };
        let count = count.min(self.up.len()).min(whole);
        let bytes = self.up.split_to(count);
        self.input.extend_from_slice(&bytes);
        self.unheard.extend_from_slice(&bytes);
        count
    }

    /// The packet that the broker has just taken in whole.
    fn heard(&mut self) -> Result<Option<Packet>, crate::Violation> {
        let Ok(Some(header)) = FixedHeader::parse(&self.unheard) else { return Ok(None) };
        if self.unheard.len() < header.frame_len() || !self.input.is_empty() {
            return Ok(None);
        }
        let frame = self.unheard.split().freeze();
        match Packet::decode(self.version, frame) {
            Ok(packet) => Ok(Some(packet)),
            Err(error) => broken("I5", format!("a client wrote what cannot be read: {error}")),
        }
    }
}

/// Has the reference judge whole packets.
fn judge(reference: &mut crate::reference::Reference, link: &Link, mut bytes: Bytes) -> Verdict {
    while let Ok(Some(header)) = FixedHeader::parse(&bytes) {
        let len = header.frame_len();
        ensure(len <= bytes.len(), "I5", || "the broker wrote part of a packet".into())?;
        let frame = bytes.split_to(len);
        match Packet::decode(link.version, frame.clone()) {
            Ok(packet) => reference.wrote(link.peer.as_u64(), &packet, len)?,
            Err(error) => return broken("I5", format!("the broker wrote {frame:?}: {error}")),
        }
    }
    ensure(bytes.is_empty(), "I5", || format!("the broker wrote part of a packet: {bytes:?}"))
}
