//! What a client must not forget when its process ends, and where it is kept.
//!
//! A [`Store`] takes [`StoredChange`]s in batches and gives them back, in the shortest form, when the next process opens it. The
//! client never writes to the network what its store does not hold yet, so a process that is killed at any moment loses no
//! message that was [accepted](crate::Ticket::accepted) and publishes no QoS 2 message twice.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use mqtt_proto::{Change, Message, Packet, PacketId, Publish, Text, Version};

#[cfg(feature = "redb")]
mod redb;

#[cfg(feature = "redb")]
pub use self::redb::RedbStore;

/// One change of what a client must not forget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredChange {
    /// The client identifier that the session is under, if the server or the client chose it.
    ClientId(Text),
    /// A change of the session: messages that were sent and are not finished.
    Session(Change),
    /// A QoS 1 or 2 message was accepted into the queue.
    Queued {
        /// Its place: messages are sent in the order of their numbers.
        number: u64,
        /// The message.
        message: Message,
    },
    /// It left the queue: sent (then the same batch holds its `Published`), expired, or given up.
    Unqueued {
        /// Its place.
        number: u64,
    },
}

/// Keeps what a client must not forget.
///
/// A store serves one client at a time.
pub trait Store: fmt::Debug + Send {
    /// Everything that is kept, as changes that build it.
    ///
    /// # Errors
    ///
    /// If it cannot be read. Nothing is lost: the client does not start.
    fn load(&mut self) -> Result<Vec<StoredChange>, StoreError>;

    /// Keeps a batch: all of it or nothing, and for good when this returns.
    ///
    /// # Errors
    ///
    /// If it cannot be kept. The client stops without sending what depends on it.
    fn commit(&mut self, changes: &[StoredChange]) -> Result<(), StoreError>;
}

/// A store that options and a running client share. Equal to itself alone.
#[derive(Clone, Debug)]
pub(crate) struct SharedStore(Arc<Mutex<dyn Store>>);

impl SharedStore {
    pub(crate) fn new(store: impl Store + 'static) -> Self {
        Self(Arc::new(Mutex::new(store)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, dyn Store + 'static> {
        // A store that panicked reports what is wrong when it is used again.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PartialEq for SharedStore {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for SharedStore {}

/// A store failed; the text says how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError(String);

impl StoreError {
    /// An error with this cause.
    pub fn new(cause: impl fmt::Display) -> Self {
        Self(cause.to_string())
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the session store failed: {}", self.0)
    }
}

impl std::error::Error for StoreError {}

/// A message as the bytes of a 5.0 PUBLISH, whatever version the client speaks.
///
/// # Errors
///
/// For a message that no PUBLISH can hold; the client accepts none such.
pub fn encode_message(message: &Message) -> Result<Bytes, StoreError> {
    let mut bytes = BytesMut::new();
    let publish = Publish::new(message.clone(), Some(PacketId::MIN));
    publish.encode(Version::V5, &mut bytes).map_err(StoreError::new)?;
    Ok(bytes.freeze())
}

/// The message that [`encode_message`] wrote.
///
/// # Errors
///
/// For any other bytes.
pub fn decode_message(bytes: Bytes) -> Result<Message, StoreError> {
    match Packet::decode(Version::V5, bytes) {
        Ok(Packet::Publish(publish)) => Ok(publish.message),
        Ok(_) => Err(StoreError::new("a stored message is another packet")),
        Err(error) => Err(StoreError::new(error)),
    }
}
