//! What the reference remembers: plain lists, searched from the front.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use super::HANDSHAKE;
use mqtt_proto::{Message, QoS, ReasonCode, TopicFilter, TopicName, Version, Will};

/// A link's number, as the hub gave it.
pub(crate) type PeerNumber = u64;

/// A message that the broker has taken over.
#[derive(Debug)]
pub(crate) struct Sent {
    /// Its publisher.
    pub(crate) publisher: String,
    pub(crate) message: Message,
    /// When it came, and how many seconds it is worth delivering.
    pub(crate) at: u64,
    pub(crate) expiry: Option<u32>,
}

impl Sent {
    fn age(&self, now: u64) -> u64 {
        now - self.at
    }

    pub(crate) fn is_expired(&self, now: u64) -> bool {
        self.expiry.is_some_and(|seconds| self.age(now) > 0 && self.age(now) >= u64::from(seconds) * 1000)
    }

    pub(crate) fn is_about(&self, other: &Self) -> bool {
        self.publisher == other.publisher && self.is_on_topic_of(other)
    }

    pub(crate) fn is_on_topic_of(&self, other: &Self) -> bool {
        self.message.topic == other.message.topic
    }
}

/// The retain flag that a subscriber must see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flag {
    Is(bool),
    /// Overlapping subscriptions disagree, and the standard is silent.
    Either,
}

/// A message that a client must get, may get, or has been sent.
#[derive(Clone, Debug)]
pub(crate) struct Due {
    pub(crate) sent: Rc<Sent>,
    pub(crate) qos: QoS,
    pub(crate) retain: Flag,
    /// Subscription Identifiers, sorted.
    pub(crate) identifiers: Vec<u32>,
    /// The subscriptions that it is for.
    pub(crate) filters: Vec<Rc<str>>,
    /// It comes from the retained messages, because of a SUBSCRIBE.
    pub(crate) is_stored: bool,
    /// It must arrive. Otherwise the rules leave it open.
    pub(crate) is_certain: bool,
}

/// A message to a share group: one of the candidates gets it.
#[derive(Clone, Debug)]
pub(crate) struct SharedDue {
    pub(crate) sent: Rc<Sent>,
    pub(crate) group: Rc<str>,
    pub(crate) candidates: Vec<(String, Due)>,
    pub(crate) is_certain: bool,
}

/// A message of QoS 1 or 2 that has been written and is not finished.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    pub(crate) id: u16,
    pub(crate) due: Due,
    /// PUBREC has come.
    pub(crate) is_received: bool,
    /// The link it was last written to.
    pub(crate) peer: PeerNumber,
    pub(crate) group: Option<Rc<str>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Subscribed {
    pub(crate) filter: TopicFilter,
    pub(crate) name: Rc<str>,
    pub(crate) qos: QoS,
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
    pub(crate) identifier: Option<u32>,
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client: String,
    pub(crate) version: Version,
    /// Seconds that it outlives its connection; `u32::MAX` is for ever.
    pub(crate) expiry: u32,
    pub(crate) peer: Option<PeerNumber>,
    /// What its last connection announced.
    pub(crate) maximum_packet_size: u32,
    /// When its last connection ended, if it was silent for too long.
    pub(crate) timed_out_at: Option<u64>,
    pub(crate) ends_at: Option<u64>,
    pub(crate) will: Option<Will>,
    /// When the will is published, once the connection is lost.
    pub(crate) will_at: Option<u64>,
    pub(crate) subscriptions: Vec<Subscribed>,
    pub(crate) queue: VecDeque<Due>,
    /// Subscriptions whose retained messages may not all have been sent.
    pub(crate) replays: Vec<Subscribed>,
    pub(crate) flights: Vec<Flight>,
    /// QoS 2 ids of the client that are not released.
    pub(crate) received: Vec<u16>,
    /// A connection has ended with bytes in its outbox: messages may have been sent that nobody has seen.
    pub(crate) is_blurred: bool,
}

/// What the broker owes on one link, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owed {
    ConnAck {
        is_present: bool,
    },
    /// PUBACK or PUBREC, and whether somebody subscribed to the message.
    Taken {
        id: u16,
        qos: QoS,
        has_subscribers: bool,
    },
    PubRel {
        id: u16,
        is_known: bool,
    },
    PubComp {
        id: u16,
        is_known: bool,
    },
    SubAck {
        id: u16,
        reasons: Vec<ReasonCode>,
    },
    UnsubAck {
        id: u16,
        existed: Vec<bool>,
    },
    Pong,
}

/// Why a link must end now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    TakenOver,
    Disconnected,
    /// The client was silent for too long.
    TimedOut,
    /// The transport has ended.
    Gone,
}

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) peer: PeerNumber,
    pub(crate) version: Version,
    pub(crate) client: Option<String>,
    pub(crate) ending: Option<Ending>,
    pub(crate) has_said_disconnect: bool,
    pub(crate) owed: VecDeque<Owed>,
    /// What the client announced.
    pub(crate) receive_maximum: u16,
    pub(crate) topic_alias_maximum: u16,
    /// Milliseconds; 0 is none.
    pub(crate) keep_alive: u64,
    pub(crate) heard_at: u64,
    pub(crate) is_resumed: bool,
    /// Topics behind aliases: the client's, the broker's.
    pub(crate) aliases: [BTreeMap<u16, TopicName>; 2],
    /// PUBRELs that a resumed session repeats.
    pub(crate) releases: VecDeque<u16>,
    /// The world takes no bytes from it.
    pub(crate) is_stalled: bool,
    /// What it writes may have been put into its outbox at any time since it was stalled.
    pub(crate) is_late: bool,
    /// It has ended with bytes in its outbox, that may or may not come out.
    pub(crate) is_blurred: bool,
}

impl Link {
    pub(crate) fn new(peer: PeerNumber, now: u64) -> Self {
        Self {
            peer,
            version: Version::V5,
            client: None,
            ending: None,
            has_said_disconnect: false,
            owed: VecDeque::new(),
            receive_maximum: u16::MAX,
            topic_alias_maximum: 0,
            keep_alive: 0,
            heard_at: now,
            is_resumed: false,
            aliases: Default::default(),
            releases: VecDeque::new(),
            is_stalled: false,
            is_late: false,
            is_blurred: false,
        }
    }

    /// When the broker has waited long enough for a packet (MQTT-3.1.2-22).
    pub(crate) fn silent_at(&self) -> Option<u64> {
        let bound = if self.client.is_some() { self.keep_alive * 3 / 2 } else { HANDSHAKE };
        (bound > 0 && self.ending.is_none()).then(|| self.heard_at + bound)
    }
}

impl Session {
    /// QoS 1 and 2 messages that count against the window of this link: those that were written to it.
    pub(crate) fn window(&self, peer: PeerNumber) -> usize {
        self.flights.iter().filter(|flight| flight.peer == peer).count()
    }
}
