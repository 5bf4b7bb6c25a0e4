//! PUBLISH (section 3.3 of both standards).

use core::num::NonZeroU16;

use bytes::{Bytes, BytesMut};

use crate::{EncodeError, Message, PacketId, Storage, Version};

/// PUBLISH: a message on its way.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Publish<B: Storage = Bytes> {
    /// The message. Its topic is empty when a Topic Alias stands for it.
    pub message: Message<B>,
    /// It may have been sent before.
    pub dup: bool,
    /// There with QoS 1 and 2, and only there.
    pub packet_id: Option<PacketId>,
    /// A number that stands for the topic from now on, or already does (5.0).
    pub topic_alias: Option<NonZeroU16>,
}

impl<B: Storage> Publish<B> {
    /// A PUBLISH of this message, sent for the first time, without a Topic Alias.
    #[must_use]
    pub const fn new(message: Message<B>, packet_id: Option<PacketId>) -> Self {
        Self { message, dup: false, packet_id, topic_alias: None }
    }

    /// Length of the whole packet in bytes, with its fixed header.
    ///
    /// # Errors
    ///
    /// If the packet cannot be written: see [`EncodeError`].
    pub fn encoded_len(&self, _version: Version) -> Result<usize, EncodeError> {
        todo!()
    }

    /// Writes the whole packet at the end of `out`.
    ///
    /// # Errors
    ///
    /// If the packet cannot be written: see [`EncodeError`]. Then `out` is left as it was.
    pub fn encode(&self, _version: Version, _out: &mut BytesMut) -> Result<(), EncodeError> {
        todo!()
    }
}

/// What PUBLISH is written from, when the message stays where it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PublishParts<'a, B: Storage = Bytes> {
    pub(crate) message: &'a Message<B>,
    pub(crate) dup: bool,
    pub(crate) packet_id: Option<PacketId>,
    pub(crate) topic_alias: Option<NonZeroU16>,
    /// Leave the topic empty: the alias stands for it.
    pub(crate) omit_topic: bool,
}

impl<B: Storage> PublishParts<'_, B> {
    /// Length of the whole packet in bytes, with its fixed header and payload.
    pub(crate) fn encoded_len(&self, _version: Version) -> Result<usize, EncodeError> {
        todo!()
    }

    /// Writes all of the packet but the payload.
    pub(crate) fn encode_header(&self, _version: Version, _out: &mut BytesMut) -> Result<(), EncodeError> {
        todo!()
    }
}
