//! Retained messages: the last one of each topic, for those who subscribe later (section 3.3.1.3).

use std::{
    borrow::Borrow,
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    time::Duration,
};

use mqtt_proto::{Instant, Message, TopicFilter, TopicName};

use super::{cursor::Cursor, owners::Owners};
use crate::ClientInfo;

/// What the store may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RetainedLimits {
    /// Messages. Each costs some 220 bytes beside its own, and each client that has some another 110.
    pub messages: usize,
    /// Bytes of all topics, payloads and properties, and of the names of their owners.
    pub bytes: usize,
    /// Messages of one owner.
    pub messages_of_one: usize,
    /// Bytes of one owner.
    pub bytes_of_one: usize,
}

impl RetainedLimits {
    /// Whatever there is memory for.
    pub const NONE: Self =
        Self { messages: usize::MAX, bytes: usize::MAX, messages_of_one: usize::MAX, bytes_of_one: usize::MAX };
}

impl Default for RetainedLimits {
    /// 100,000 messages (some 22 MB beside their own bytes) and 256 MiB, of one owner 10,000 and 32 MiB.
    fn default() -> Self {
        Self { messages: 100_000, bytes: 256 << 20, messages_of_one: 10_000, bytes_of_one: 32 << 20 }
    }
}

/// A message was not retained: there are as many messages or bytes as there may be. What the topic had before is still there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Full {
    /// In the store.
    Store,
    /// Of this owner.
    Owner,
}

impl std::fmt::Display for Full {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Store => "as many messages or bytes are retained as there may be",
            Self::Owner => "as many messages or bytes are retained for this client as there may be",
        })
    }
}

impl std::error::Error for Full {}

/// The retained messages, ordered by the bytes of their topics.
#[derive(Debug, Default)]
pub struct Retained {
    messages: BTreeSet<Slot>,
    /// Topics of the messages that expire, by deadline and number.
    deadlines: BTreeMap<(Instant, u64), TopicName>,
    owners: Owners,
    /// Of the messages.
    bytes: usize,
    /// The number of the next message.
    next: u64,
    limits: RetainedLimits,
}

/// A message as it is retained.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    message: Message,
    received: Instant,
    expires: Option<Instant>,
    /// Counts what was stored before it.
    number: u64,
    owner: Option<u32>,
}

impl Stored {
    /// The message, as it was published.
    #[must_use]
    pub const fn message(&self) -> &Message {
        &self.message
    }

    /// When it was published.
    #[must_use]
    pub const fn received(&self) -> Instant {
        self.received
    }

    /// When its Message Expiry Interval ends, if it has one.
    #[must_use]
    pub const fn expires(&self) -> Option<Instant> {
        self.expires
    }

    pub(super) const fn number(&self) -> u64 {
        self.number
    }
}

impl Retained {
    /// An empty store. The seed keeps clients from choosing names that collide in a hash table.
    #[must_use]
    pub fn new(seed: u64, limits: RetainedLimits) -> Self {
        Self { owners: Owners::new(seed), limits, ..Self::default() }
    }

    /// Retains a message in place of what its topic had (MQTT-3.3.1-5); one without payload removes that and is not
    /// retained itself (MQTT-3.3.1-6, MQTT-3.3.1-7). Up to 16 KiB it is copied, so that it does not keep a read buffer alive.
    ///
    /// It belongs to nobody, and only the limits of the whole store count.
    ///
    /// # Errors
    ///
    /// If that would exceed the limits. The message that was there before stays.
    pub fn insert(&mut self, now: Instant, message: &Message) -> Result<(), Full> {
        self.insert_of(now, message, None)
    }

    /// The same of a message that belongs to somebody: whoever had the topic before, it is the owner's from now on. Owners are
    /// the same if client identifier, user name and listener are.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert), and if the owner's limits would be exceeded.
    pub fn insert_of(&mut self, now: Instant, message: &Message, owner: Option<&ClientInfo>) -> Result<(), Full> {
        if message.payload.is_empty() {
            self.remove(&message.topic);
            return Ok(());
        }
        self.check(message, owner)?;
        self.bytes += len(message);
        // Before what the topic had is subtracted: an owner of one message would be forgotten and made anew.
        let owner = owner.map(|client| self.owners.add(client, len(message)));
        let message = if len(message) <= COPIED { message.compacted() } else { message.clone() };
        self.next += 1;
        let expires = deadline(now, &message);
        let stored = Stored { message, received: now, expires, number: self.next, owner };
        if let Some(deadline) = expires {
            self.deadlines.insert((deadline, stored.number), stored.message.topic.clone());
        }
        if let Some(Slot(old)) = self.messages.replace(Slot(Box::new(stored))) {
            self.forget(&old);
        }
        Ok(())
    }

    /// Removes what the topic has. Whether it had something.
    pub fn remove(&mut self, topic: &TopicName) -> bool {
        let Some(Slot(old)) = self.messages.take(topic.as_bytes()) else { return false };
        self.forget(&old);
        true
    }

    /// What the topic has.
    #[must_use]
    pub fn stored(&self, topic: &[u8]) -> Option<&Stored> {
        self.messages.get(topic).map(|Slot(stored)| &**stored)
    }

    /// Whom a message belongs to: the client as it was when the first of its messages came, without its address.
    #[must_use]
    pub fn owner(&self, stored: &Stored) -> Option<&ClientInfo> {
        self.owners.client(stored.owner?)
    }

    /// How many clients have a message here.
    #[must_use]
    pub fn owners(&self) -> usize {
        self.owners.len()
    }

    /// Removes the messages that expire now or before (MQTT-3.3.2-5). How many there were.
    pub fn remove_expired(&mut self, now: Instant) -> usize {
        let before = self.len();
        while let Some(first) = self.deadlines.first_entry() {
            if first.key().0 > now {
                break;
            }
            let topic = first.get().clone();
            self.remove(&topic);
        }
        before - self.len()
    }

    /// When the next message expires.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Instant> {
        self.deadlines.first_key_value().map(|(&(deadline, _), _)| deadline)
    }

    /// Begins to look for the messages that a new subscription asks for.
    #[must_use]
    pub fn cursor(&self, filter: &TopicFilter) -> Cursor {
        Cursor::new(filter, self.next)
    }

    /// Messages.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether nothing is retained.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Bytes of all topics, payloads and properties, and of the owners' names.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes + self.owners.bytes()
    }

    /// The first message from this topic on, or behind it.
    pub(super) fn seek(&self, from: Bound<&[u8]>) -> Option<&Stored> {
        self.messages.range::<[u8], _>((from, Bound::Unbounded)).next().map(|Slot(stored)| &**stored)
    }

    /// Whether there is room for a message.
    fn check(&self, message: &Message, owner: Option<&ClientInfo>) -> Result<(), Full> {
        let old = self.stored(message.topic.as_bytes());
        let old_len = old.map_or(0, |old| len(&old.message));
        let new_names = owner.filter(|client| self.owners.find(client).is_none());
        let new_names = new_names.map_or(0, |client| self.owners.usage(client).bytes);
        let messages = self.len() + usize::from(old.is_none());
        let bytes = (self.bytes() - old_len).saturating_add(new_names).saturating_add(len(message));
        if messages > self.limits.messages || bytes > self.limits.bytes {
            return Err(Full::Store);
        }
        let Some(client) = owner else { return Ok(()) };
        let is_own = old.is_some_and(|old| old.owner.is_some() && old.owner == self.owners.find(client));
        let usage = self.owners.usage(client);
        let messages = usage.messages + usize::from(!is_own);
        let bytes = (usage.bytes - if is_own { old_len } else { 0 }).saturating_add(len(message));
        if messages > self.limits.messages_of_one || bytes > self.limits.bytes_of_one {
            return Err(Full::Owner);
        }
        Ok(())
    }

    /// A message is not in the store any more.
    fn forget(&mut self, old: &Stored) {
        let bytes = len(&old.message);
        self.bytes -= bytes;
        if let Some(owner) = old.owner {
            self.owners.subtract(owner, bytes);
        }
        if let Some(deadline) = old.expires {
            self.deadlines.remove(&(deadline, old.number));
        }
    }
}

/// Bytes that count against the limit.
fn len(message: &Message) -> usize {
    message.topic.as_bytes().len() + message.payload.len() + message.properties().encoded_len()
}

/// When the message is no longer worth delivering. An interval of 0 is for whoever can have it in the moment that it comes.
fn deadline(now: Instant, message: &Message) -> Option<Instant> {
    let seconds = message.properties().message_expiry_interval()?;
    Some(now.after(Duration::from_secs(seconds.into())).max(now.after(Duration::from_millis(1))))
}

/// A message in the set. Boxed: the set's nodes are half empty when topics come in order.
#[derive(Debug)]
struct Slot(Box<Stored>);

impl Slot {
    fn topic(&self) -> &[u8] {
        self.0.message.topic.as_bytes()
    }
}

impl Borrow<[u8]> for Slot {
    fn borrow(&self) -> &[u8] {
        self.topic()
    }
}

impl Ord for Slot {
    fn cmp(&self, other: &Self) -> Ordering {
        self.topic().cmp(other.topic())
    }
}

impl PartialOrd for Slot {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Slot {
    fn eq(&self, other: &Self) -> bool {
        self.topic() == other.topic()
    }
}

impl Eq for Slot {}

/// A longer message keeps a read buffer alive that is not much larger, and is not copied.
const COPIED: usize = 16 << 10;
