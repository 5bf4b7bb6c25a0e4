//! From bytes to packets: frames are found from their fixed headers alone, then taken in batches.

use bytes::{Buf, Bytes, BytesMut};

use crate::{ConnAck, FixedHeader, Instant, Packet, PacketId, PacketType, Properties, ProtocolError, ReasonCode};

use super::{Connection, Phase, Role, Timer, rules, server};

/// A PUBACK, PUBREC, PUBREL or PUBCOMP up to this length has no properties, and is read without sharing its bytes.
const BARE_ACK: usize = 6;

/// A CONNACK up to this length has no properties, either.
const BARE_CONNACK: usize = 5;

/// The length of an acknowledgement without a reason code.
const PLAIN_ACK: usize = 4;

/// So many bytes of an unfinished packet show that a client is alive.
const TAIL_WORTH_A_PACKET: u32 = 1_024;

/// Whole frames at the front of the input.
struct Batch {
    len: usize,
    /// Some packet keeps slices of it.
    is_shared: bool,
    /// How many bytes there must be after them to go on: 0 if that is not known.
    wanted: usize,
}

impl<R: Role> Connection<R> {
    /// Takes whole packets off the front of `input` and leaves the rest. Payloads and topics are slices of it.
    ///
    /// Call it again with the same buffer, the bytes that were left at its front. Returns how many bytes were taken. If
    /// none, then more bytes are needed, or [`wants_input`](Self::wants_input) is false: poll the events, write the outbox
    /// and call again. A packet larger than our Maximum Packet Size ends the connection as soon as its fixed header is
    /// there (in CONNECT: its protocol name and level, so that a 5.0 client can be told).
    pub fn handle_input(&mut self, now: Instant, input: &mut BytesMut) -> usize {
        self.advance_clock(now);
        let before = input.len();
        if before > self.input_left {
            self.bytes_received();
        }
        if before >= self.input_wanted as usize {
            self.handle_frames(input);
        }
        self.input_left = input.len();
        self.credit_tail();
        before - input.len()
    }

    // Apart, as bytes that do not complete a packet need none of its registers.
    #[inline(never)]
    fn handle_frames(&mut self, input: &mut BytesMut) {
        while self.wants_input() {
            self.handle_plain_acks(input);
            match self.next_batch(input) {
                Ok(batch) => {
                    self.input_wanted = batch.wanted as u32;
                    self.handle_batch(&batch, input);
                    if batch.len == 0 || batch.wanted > 0 {
                        break;
                    }
                }
                Err(error) => self.fail_frame(error, input),
            }
        }
    }

    /// Something comes: the link is alive.
    fn bytes_received(&mut self) {
        self.last_received = self.now;
        if self.timers.is_set(Timer::PingResponse) {
            self.arm_ping_response();
        }
    }

    /// A client that sends a large packet over a slow link cannot send PINGREQ meanwhile. Each full kilobyte of it counts as
    /// a packet for the keep alive; less does not, or one byte at a time would keep a connection for ever.
    fn credit_tail(&mut self) {
        let left = u32::try_from(self.input_left).unwrap_or(u32::MAX);
        self.tail_credited = self.tail_credited.min(left);
        let is_worth_it = left - self.tail_credited >= TAIL_WORTH_A_PACKET;
        if !R::IS_CLIENT && self.phase == Phase::Open && is_worth_it {
            self.tail_credited = left;
            self.arm_server_keep_alive();
        }
    }

    /// Takes the acknowledgements at the front that only say that all is well, as almost all do.
    fn handle_plain_acks(&mut self, input: &mut BytesMut) {
        let mut taken = 0;
        while let Some((packet, packet_id)) = plain_ack(input.get(taken..).unwrap_or_default()) {
            let is_time = self.phase == Phase::Open && self.wants_input();
            if !is_time || (self.own.maximum_packet_size as usize) < PLAIN_ACK {
                break;
            }
            taken += PLAIN_ACK;
            if !self.handle_plain_ack(packet, packet_id) {
                break;
            }
        }
        if taken > 0 {
            input.advance(taken);
        }
    }

    fn handle_plain_ack(&mut self, packet: PlainAck, packet_id: PacketId) -> bool {
        let result = match packet {
            PlainAck::Ack => self.receive_puback(packet_id, ReasonCode::SUCCESS, Properties::default()),
            PlainAck::Rec => self.receive_pubrec(packet_id, ReasonCode::SUCCESS, Properties::default()),
            PlainAck::Rel => self.receive_pubrel(packet_id),
            PlainAck::Comp => self.receive_pubcomp(packet_id, Properties::default()),
        };
        self.handled(result)
    }

    /// The frames that can be taken now. An error counts only when nothing stands before it.
    fn next_batch(&self, input: &[u8]) -> Result<Batch, ProtocolError> {
        let mut batch = Batch { len: 0, is_shared: false, wanted: 0 };
        // Each packet makes at most one event.
        let room = self.config.event_limit.max(1).saturating_sub(self.events.len());
        for _ in 0..room {
            let rest = input.get(batch.len..).unwrap_or_default();
            let header = match FixedHeader::parse(rest).and_then(|header| self.check_header(header, rest)) {
                Ok(Some(header)) => header,
                Ok(None) => {
                    batch.wanted = rest.len().saturating_add(1);
                    break;
                }
                Err(error) if batch.len == 0 => return Err(error),
                Err(_) => break,
            };
            if header.frame_len() > rest.len() {
                batch.wanted = header.frame_len();
                break;
            }
            batch.len += header.frame_len();
            batch.is_shared |= !is_bare(&header);
            if self.phase != Phase::Open || self.event_bytes + batch.len >= self.config.event_bytes_limit {
                // What may come next depends on this packet, or has to wait.
                break;
            }
        }
        Ok(batch)
    }

    /// What the fixed header tells: is this the time for such a packet, and is it small enough?
    fn check_header(&self, header: Option<FixedHeader>, rest: &[u8]) -> Result<Option<FixedHeader>, ProtocolError> {
        let Some(header) = header else { return Ok(None) };
        let packet = header.packet_type();
        if !rules::may_come(!R::IS_CLIENT, self.phase, packet) {
            let rule = rules::out_of_turn(!R::IS_CLIENT, self.phase, packet);
            return Err(self.broke(packet, "packet type", rule));
        }
        let maximum = match self.phase {
            // What `maximum_packet_size` says is announced by CONNACK, and not known to the client before.
            Phase::AwaitConnect | Phase::AwaitAccept => self.config.maximum_connect_size,
            Phase::AwaitConnAck | Phase::Open | Phase::Closed => self.own.maximum_packet_size,
        };
        if header.frame_len() > maximum as usize {
            if self.phase == Phase::AwaitConnect && !server::tells_version(&header, rest) {
                return Ok(None);
            }
            return Err(self.broke(packet, "Remaining Length", &rules::PACKET_TOO_LARGE));
        }
        Ok(Some(header))
    }

    fn handle_batch(&mut self, batch: &Batch, input: &mut BytesMut) {
        if batch.is_shared {
            // One shared buffer for the whole batch: every packet's slices count references to it.
            let mut frames = input.split_to(batch.len).freeze();
            while let Ok(Some(header)) = FixedHeader::parse(&frames) {
                let frame = frames.split_to(header.frame_len());
                if !self.handle_frame(&header, frame) {
                    return;
                }
            }
        } else {
            let mut frames = input.get(..batch.len).unwrap_or_default();
            while let Ok(Some(header)) = FixedHeader::parse(frames) {
                let (frame, rest) = frames.split_at(header.frame_len());
                frames = rest;
                if !self.handle_bare(frame) {
                    break;
                }
            }
            input.advance(batch.len);
        }
    }

    /// Returns whether the next frame may be taken.
    fn handle_frame(&mut self, header: &FixedHeader, frame: Bytes) -> bool {
        if is_bare(header) {
            return self.handle_bare(&frame);
        }
        // Looked at once more to tell a client in which version its CONNECT is wrong.
        let connect = (self.phase == Phase::AwaitConnect).then(|| frame.clone());
        match Packet::decode(self.version, frame).and_then(|packet| self.handle_packet(packet)) {
            Ok(()) => self.packet_received(),
            Err(error) => self.fail_frame(error, connect.as_deref().unwrap_or_default()),
        }
        self.phase != Phase::Closed
    }

    fn handle_bare(&mut self, frame: &[u8]) -> bool {
        let result = Packet::decode(self.version, frame).and_then(|packet| match packet {
            Packet::PubAck(ack) => self.receive_puback(ack.packet_id, ack.reason, Properties::default()),
            Packet::PubRec(ack) => self.receive_pubrec(ack.packet_id, ack.reason, Properties::default()),
            Packet::PubRel(ack) => self.receive_pubrel(ack.packet_id),
            Packet::PubComp(ack) => self.receive_pubcomp(ack.packet_id, Properties::default()),
            Packet::PingReq => self.handle_packet(Packet::PingReq),
            Packet::PingResp => self.handle_packet(Packet::PingResp),
            Packet::ConnAck(ack) => self.handle_packet(Packet::ConnAck(ConnAck::new(ack.session_present, ack.reason))),
            // `is_bare` names the seven above.
            Packet::Connect(_)
            | Packet::Publish(_)
            | Packet::Subscribe(_)
            | Packet::SubAck(_)
            | Packet::Unsubscribe(_)
            | Packet::UnsubAck(_)
            | Packet::Disconnect(_)
            | Packet::Auth(_) => Ok(()),
        });
        self.handled(result)
    }

    /// Whether the next frame may be taken.
    fn handled(&mut self, result: Result<(), ProtocolError>) -> bool {
        match result {
            Ok(()) => self.packet_received(),
            Err(error) => self.fail(error),
        }
        self.phase != Phase::Closed
    }

    fn handle_packet(&mut self, packet: Packet) -> Result<(), ProtocolError> {
        match packet {
            Packet::Publish(publish) => self.receive_publish(publish),
            Packet::PubAck(ack) => self.receive_puback(ack.packet_id, ack.reason, ack.properties),
            Packet::PubRec(ack) => self.receive_pubrec(ack.packet_id, ack.reason, ack.properties),
            Packet::PubRel(ack) => self.receive_pubrel(ack.packet_id),
            Packet::PubComp(ack) => self.receive_pubcomp(ack.packet_id, ack.properties),
            Packet::Auth(auth) => self.receive_auth(auth),
            Packet::Connect(_)
            | Packet::ConnAck(_)
            | Packet::Subscribe(_)
            | Packet::SubAck(_)
            | Packet::Unsubscribe(_)
            | Packet::UnsubAck(_)
            | Packet::PingReq
            | Packet::PingResp
            | Packet::Disconnect(_) => R::receive(self, packet),
        }
    }

    fn packet_received(&mut self) {
        self.input_waited = false;
        if self.phase != Phase::Open {
            return;
        }
        if R::IS_CLIENT {
            self.arm_client_keep_alive();
        } else {
            self.session.confirm();
            self.arm_server_keep_alive();
        }
    }

    fn fail_frame(&mut self, error: ProtocolError, frame: &[u8]) {
        if self.phase == Phase::AwaitConnect {
            self.refuse_broken_connect(&error, frame);
        }
        self.fail(error);
    }
}

/// PUBACK, PUBREC, PUBREL and PUBCOMP.
#[derive(Clone, Copy)]
enum PlainAck {
    Ack,
    Rec,
    Rel,
    Comp,
}

/// Reads an acknowledgement without reason code and properties. What is none, or breaks a rule, goes the long way.
#[inline]
fn plain_ack(input: &[u8]) -> Option<(PlainAck, PacketId)> {
    let [first, 2, high, low] = *input.first_chunk::<PLAIN_ACK>()? else { return None };
    let packet = match first {
        0x40 => PlainAck::Ack,
        0x50 => PlainAck::Rec,
        0x62 => PlainAck::Rel,
        0x70 => PlainAck::Comp,
        _ => return None,
    };
    Some((packet, PacketId::new(u16::from_be_bytes([high, low]))?))
}

fn is_bare(header: &FixedHeader) -> bool {
    match header.packet_type() {
        PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => {
            header.frame_len() <= BARE_ACK
        }
        PacketType::ConnAck => header.frame_len() <= BARE_CONNACK,
        PacketType::PingReq | PacketType::PingResp => true,
        PacketType::Connect
        | PacketType::Publish
        | PacketType::Subscribe
        | PacketType::SubAck
        | PacketType::Unsubscribe
        | PacketType::UnsubAck
        | PacketType::Disconnect
        | PacketType::Auth => false,
    }
}
