//! Messages that wait, each held once whatever the number of queues it waits in.

use core::time::Duration;

use mqtt_proto::{Instant, Message};

use crate::slab::Slab;

/// A message in the store. The holder of one owns one of its references, and gives it back to [`Store::release`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "it keeps the message until it is released"]
pub(crate) struct MessageKey(u32);

#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) message: Message,
    pub(crate) lifetime: Lifetime,
    pub(crate) len: usize,
    references: u32,
}

/// When a message came, and how long it is worth delivering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime {
    received: Instant,
    /// Message Expiry Interval.
    seconds: Option<u32>,
}

#[derive(Debug, Default)]
pub(crate) struct Store {
    slots: Slab<Stored>,
    bytes: usize,
}

impl Lifetime {
    pub(crate) fn new(now: Instant, message: &Message) -> Self {
        let properties = message.properties();
        let seconds = if properties.is_empty() { None } else { properties.message_expiry_interval() };
        Self { received: now, seconds }
    }

    /// When the interval has passed, if there is one.
    pub(crate) fn end(self) -> Option<Instant> {
        let seconds = Duration::from_secs(self.seconds?.into());
        // One of 0 is for whoever can have the message in the moment that it comes.
        Some(self.received + seconds.max(Duration::from_millis(1)))
    }

    pub(crate) fn has_passed(self, now: Instant) -> bool {
        self.end().is_some_and(|end| end <= now)
    }

    /// What is left of it, in whole seconds, if some of it is gone (MQTT-3.3.2-6).
    pub(crate) fn rest(self, now: Instant) -> Option<u32> {
        let gone = u32::try_from(now.since(self.received).as_secs()).unwrap_or(u32::MAX);
        self.seconds.filter(|_| gone > 0).map(|seconds| seconds.saturating_sub(gone))
    }
}

impl Store {
    pub(crate) fn insert(&mut self, now: Instant, message: Message) -> MessageKey {
        let len = message_len(&message);
        let lifetime = Lifetime::new(now, &message);
        self.bytes += len;
        MessageKey(self.slots.insert(Stored { message, lifetime, len, references: 1 }))
    }

    /// One more reference to the same message.
    pub(crate) fn share(&mut self, key: &MessageKey) -> MessageKey {
        self.stored_mut(key).references += 1;
        MessageKey(key.0)
    }

    pub(crate) fn release(&mut self, key: MessageKey) {
        let stored = self.stored_mut(&key);
        stored.references -= 1;
        if stored.references == 0 {
            self.bytes -= stored.len;
            self.slots.remove(key.0);
        }
    }

    /// The message, moved out if nobody else holds it.
    pub(crate) fn take(&mut self, key: MessageKey) -> Message {
        let stored = self.stored_mut(&key);
        if stored.references > 1 {
            stored.references -= 1;
            return stored.message.clone();
        }
        self.bytes -= stored.len;
        match self.slots.remove(key.0) {
            Some(stored) => stored.message,
            None => unreachable!("{HELD}"),
        }
    }

    /// Copies a message that may keep a whole buffer of its connection alive, because it is going to wait.
    pub(crate) fn compact(&mut self, key: &MessageKey) {
        let stored = self.stored_mut(key);
        if stored.len < WORTH_A_COPY {
            stored.message = stored.message.compacted();
        }
    }

    pub(crate) fn stored(&self, key: &MessageKey) -> &Stored {
        self.slots.get(key.0).expect(HELD)
    }

    fn stored_mut(&mut self, key: &MessageKey) -> &mut Stored {
        self.slots.get_mut(key.0).expect(HELD)
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Bytes of topics, payloads and properties.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// What a message counts against the limits.
pub(crate) fn message_len(message: &Message) -> usize {
    message.topic.as_bytes().len() + message.payload.len() + message.properties().encoded_len()
}

/// Larger messages have most of their buffer to themselves.
const WORTH_A_COPY: usize = 16 << 10;

/// Keys are made here alone, one for each reference.
const HELD: &str = "a key holds its message";
