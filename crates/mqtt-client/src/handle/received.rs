//! A message that arrived.

use std::ops::Deref;
use std::sync::Arc;

use mqtt_proto::{Ack, Delivery, Message, PacketId, ReasonCode};

use super::shared::Shared;
use super::streams::{Claim, Queued};
use crate::Error;

/// A message that arrived. It dereferences to the [`Message`]: `received.topic`, `received.payload`.
#[derive(Debug)]
pub struct Received {
    message: Message,
    dup: bool,
    packet_id: Option<PacketId>,
    duty: Option<Duty>,
}

/// The application's part in acknowledging a message. Dropping it leaves the message with the server.
#[derive(Debug)]
struct Duty {
    claim: Option<Claim>,
    shared: Arc<Shared>,
}

impl Drop for Duty {
    fn drop(&mut self) {
        if let Some(claim) = self.claim.take() {
            self.shared.run(|inner, _| inner.abandon(Some(claim)));
        }
    }
}

impl Received {
    /// A message out of a stream, and the claim to be settled.
    pub(super) fn new(queued: Queued) -> (Self, Option<Claim>) {
        let (message, dup, packet_id, claim) = match queued {
            Queued::Sole(Delivery { message, dup, ack }) => {
                (message, dup, ack.as_ref().map(Ack::packet_id), ack.map(Claim::Sole))
            }
            Queued::Shared { message, dup, packet_id, key } => {
                (message, dup, Some(packet_id), Some(Claim::Shared(key)))
            }
        };
        (Self { message, dup, packet_id, duty: None }, claim)
    }

    /// It is the application that acknowledges.
    pub(super) fn with_duty(mut self, claim: Option<Claim>, shared: &Arc<Shared>) -> Self {
        self.duty = claim.map(|claim| Duty { claim: Some(claim), shared: Arc::clone(shared) });
        self
    }

    /// Whether the server marked it as a repetition: at QoS 1 it may have been here before.
    #[must_use]
    pub fn is_duplicate(&self) -> bool {
        self.dup
    }

    /// The packet id of a QoS 1 or 2 message, for logs: the server uses it again for others.
    #[must_use]
    pub fn packet_id(&self) -> Option<PacketId> {
        self.packet_id
    }

    /// The message itself.
    #[must_use]
    pub fn into_message(self) -> Message {
        self.message
    }

    /// Acknowledges a QoS 1 or 2 message, with [`manual_acks`](crate::Options::manual_acks). Without, at QoS 0 and the second
    /// time it does nothing.
    ///
    /// A message that went to several streams is acknowledged when all of them have done so, and refused if one of them
    /// has. One that is dropped without
    /// it stays unacknowledged, takes a place in the server's window, and comes again on the next connection.
    ///
    /// # Errors
    ///
    /// None that you could cause.
    pub fn ack(&mut self) -> Result<(), Error> {
        self.ack_with(ReasonCode::SUCCESS)
    }

    /// [`Received::ack`] with a reason code of PUBACK and PUBREC: 0x80 and above refuses the message (5.0; in 3.x it is
    /// acknowledged all the same).
    ///
    /// # Errors
    ///
    /// If the reason code has no place there.
    pub fn ack_with(&mut self, reason: ReasonCode) -> Result<(), Error> {
        let Some(mut duty) = self.duty.take() else { return Ok(()) };
        let Some(claim) = duty.claim.take() else { return Ok(()) };
        duty.shared.run(|inner, now| match inner.streams.settle(claim, reason) {
            Some(ack) => inner.client.ack(now, ack),
            None => Ok(()),
        })
    }
}

impl Deref for Received {
    type Target = Message;

    fn deref(&self) -> &Message {
        &self.message
    }
}
