//! What a resumed session brings before the application has a stream for it.
//!
//! The server sends what it has kept right after CONNACK, and an application that awaits its connection before it makes its
//! streams would lose that. So messages of QoS 1 and 2 that no stream is for wait here, unacknowledged, until a stream is made
//! for them. When the application begins to take messages, its streams are all there: the rest is wanted by nobody, and is
//! acknowledged as always (MQTT-4.5.0-2). It must not wait longer, because acknowledgements leave in the order of arrival, and
//! none would leave behind it.

use std::collections::VecDeque;

use mqtt_proto::{Ack, ConnAck, Delivery, QoS, Version};

use super::streams::cost;
use crate::Options;

#[derive(Debug)]
pub(crate) struct Unclaimed {
    phase: Phase,
    /// On the heap while there are any.
    kept: Option<Box<Kept>>,
    /// MQTT 3.1 cannot say that a session is resumed.
    may_be_resumed: bool,
}

#[derive(Debug, Default)]
struct Kept {
    queue: VecDeque<Delivery>,
    bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No session was resumed.
    Idle,
    Waiting,
    /// The application takes messages.
    Over,
}

impl Unclaimed {
    pub(crate) fn new(options: &Options) -> Self {
        Self { phase: Phase::Idle, kept: None, may_be_resumed: options.version == Version::V31 && !options.clean_start }
    }

    /// A connection begins. What is unacknowledged at QoS 1 comes again if the server still has the session.
    pub(crate) fn connected(&mut self, connack: &ConnAck) {
        if let (true, Some(kept)) = (connack.session_present, &mut self.kept) {
            kept.queue.retain(|delivery| delivery.message.qos == QoS::ExactlyOnce);
            kept.bytes = kept.queue.iter().map(|delivery| cost(&delivery.message)).sum();
        }
        if self.phase == Phase::Idle && (connack.session_present || self.may_be_resumed) {
            self.phase = Phase::Waiting;
        }
    }

    /// Whether a message that no stream is for is kept.
    pub(crate) fn wants(&self, delivery: &Delivery) -> bool {
        self.phase == Phase::Waiting && delivery.ack.is_some()
    }

    pub(crate) fn is_full(&self, options: &Options) -> bool {
        // A server of 5.0 keeps to Receive Maximum, so that this limit is met in 3.x alone.
        let messages = options.stream_messages.max(options.receive_maximum.get().into());
        let is_full = |kept: &Kept| kept.queue.len() >= messages || kept.bytes >= options.stream_bytes;
        self.kept.as_deref().map_or(messages == 0 || options.stream_bytes == 0, is_full)
    }

    pub(crate) fn push(&mut self, delivery: Delivery) {
        let kept = self.kept.get_or_insert_default();
        kept.bytes += cost(&delivery.message);
        kept.queue.push_back(delivery);
    }

    /// Takes all of it out, in order; what nobody claims is pushed back.
    pub(crate) fn take(&mut self) -> VecDeque<Delivery> {
        self.kept.take().map_or_else(VecDeque::new, |kept| kept.queue)
    }

    /// Whether the application takes messages.
    pub(crate) fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// The application takes messages: what is left is to be acknowledged.
    pub(crate) fn end(&mut self) -> impl Iterator<Item = Ack> + use<> {
        self.phase = Phase::Over;
        self.take().into_iter().filter_map(|delivery| delivery.ack)
    }
}
