//! What is known of one client, from its first CONNECT to the end of its session.

use std::collections::{BTreeMap, VecDeque};

use mqtt_proto::{Connect, Instant, QoS, ReasonCode, Session, Subscription, SubscriptionId, Token, TopicFilter, Will};

use super::action::{Origin, Peer};
use super::deliver::Outgoing;
use super::policy::ClientInfo;
use super::queue::Queue;
use super::store::MessageKey;
use super::subscriptions::Subscriptions;
use crate::router::{Cursor, ShareId};

/// What most clients do not have is behind a box, because there are many that do nothing.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) info: ClientInfo,
    pub(crate) link: Link,
    /// The link that waits for this client's session.
    pub(crate) successor: Option<Peer>,
    /// What its connection was told to go with.
    pub(crate) sent_away: Option<ReasonCode>,
    /// Seconds that the session outlives the connection; `u32::MAX` is for ever.
    pub(crate) expiry: u32,
    pub(crate) will: Option<Box<Will>>,
    pub(crate) subscriptions: Subscriptions,
    /// Bytes of their filters.
    pub(crate) subscription_bytes: usize,
    pub(crate) queue: Queue,
    /// A message that the connection has given back: it goes first.
    pub(crate) returned: Option<Box<Outgoing>>,
    /// Never empty.
    #[expect(clippy::box_collection, reason = "boxed, it leaves every client without it smaller")]
    replays: Option<Box<VecDeque<Replay>>>,
    /// `Deliver` waits to be polled.
    pub(crate) is_called: bool,
    /// The connection has no room: its owner comes back by itself.
    pub(crate) is_blocked: bool,
    /// Messages on their way that are more than the connection's business.
    pub(crate) in_flight: Option<Box<InFlight>>,
}

/// Messages of one client on their way, of which the broker keeps references.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    pub(crate) messages: BTreeMap<Token, Held>,
    /// Bytes of those.
    pub(crate) bytes: usize,
}

/// A message of QoS 1 or 2 on its way, of which the broker keeps a reference: one for a share group, which moves to another
/// member if the session ends, or a large one, which counts against the limits until it is acknowledged.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) key: MessageKey,
    /// At QoS 1; what is begun at QoS 2 is finished with this client or with nobody (MQTT-4.8.2-4, MQTT-4.8.2-5).
    pub(crate) share: Option<ShareId>,
}

/// Where a client is.
#[derive(Debug)]
pub(crate) enum Link {
    /// Connected.
    Open(Peer),
    /// Told to go; its session comes back when the connection has ended.
    Leaving(Peer),
    /// In this process.
    Local(Peer),
    /// Gone; the session waits.
    Away(Box<Absence>),
}

/// What is kept of a client that is away.
#[derive(Debug, Default)]
pub(crate) struct Absence {
    pub(crate) session: Session,
    /// Since when.
    pub(crate) since: Option<Instant>,
    /// When the timers of this client are due.
    pub(crate) will_at: Option<Instant>,
    pub(crate) expires_at: Option<Instant>,
}

/// A subscription, and what was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Granted {
    pub(crate) wanted: Subscription,
    pub(crate) qos: QoS,
    pub(crate) identifier: Option<SubscriptionId>,
}

/// Retained messages on their way to a new subscription.
#[derive(Debug)]
pub(crate) struct Replay {
    pub(crate) filter: TopicFilter,
    pub(crate) cursor: Cursor,
    /// Of the topics below `$SYS`.
    pub(crate) is_status: bool,
    pub(crate) qos: QoS,
    pub(crate) identifier: Option<SubscriptionId>,
}

impl Client {
    pub(crate) fn new(info: ClientInfo, link: Link) -> Self {
        Self {
            info,
            link,
            successor: None,
            sent_away: None,
            expiry: 0,
            will: None,
            subscriptions: Subscriptions::default(),
            subscription_bytes: 0,
            queue: Queue::default(),
            returned: None,
            replays: None,
            is_called: false,
            is_blocked: false,
            in_flight: None,
        }
    }

    /// The link that messages go to.
    pub(crate) fn receiver(&self) -> Option<Peer> {
        match self.link {
            Link::Open(peer) | Link::Local(peer) => Some(peer),
            Link::Leaving(_) | Link::Away(_) => None,
        }
    }

    pub(crate) fn has_messages(&self) -> bool {
        self.returned.is_some() || !self.queue.is_empty() || self.replays.is_some()
    }

    /// Bytes of messages on their way.
    pub(crate) fn held_bytes(&self) -> usize {
        self.in_flight.as_ref().map_or(0, |in_flight| in_flight.bytes)
    }

    pub(crate) fn absence_mut(&mut self) -> Option<&mut Absence> {
        match &mut self.link {
            Link::Away(absence) => Some(absence),
            Link::Open(_) | Link::Leaving(_) | Link::Local(_) => None,
        }
    }

    pub(crate) fn begin_replay(&mut self, replay: Replay) {
        self.replays.get_or_insert_default().push_back(replay);
    }

    /// The search that goes on, and which client it is for.
    pub(crate) fn replay_mut(&mut self) -> Option<(&mut Replay, &ClientInfo)> {
        Some((self.replays.as_mut()?.front_mut()?, &self.info))
    }

    /// The first search has come to its end.
    pub(crate) fn end_replay(&mut self) {
        self.replays = self.replays.take().filter(|replays| replays.len() > 1);
        if let Some(replays) = &mut self.replays {
            replays.pop_front();
        }
    }

    /// Ends the search for a filter that is not subscribed to any more, or anew.
    pub(crate) fn forget_replay(&mut self, filter: &TopicFilter) {
        if let Some(replays) = &mut self.replays {
            replays.retain(|replay| replay.filter != *filter);
            if replays.is_empty() {
                self.replays = None;
            }
        }
    }
}

/// A link as the broker knows it.
#[derive(Debug)]
pub(crate) enum Stage {
    /// CONNECT has not come.
    Silent(Box<Origin>),
    /// The client proves who it is.
    Authenticating(Box<Candidate>),
    /// Let in, as soon as the client's older connection has given the session back.
    Waiting(Box<Candidate>),
    /// Its client is in.
    Open(u32),
    /// Sent away before its client was in.
    Refused,
}

/// A client that is not in yet.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) info: ClientInfo,
    pub(crate) connect: Connect,
    /// The identifier was chosen by us.
    pub(crate) is_assigned: bool,
    /// What the last step of an enhanced authentication says in CONNACK.
    pub(crate) auth_data: Option<bytes::Bytes>,
}

impl Candidate {
    /// Whether it goes on with the session of its identifier. One of another user it does not, whatever it asks for: it
    /// would get messages that are not for it.
    pub(crate) fn continues(&self, stored: &Client) -> bool {
        !self.connect.clean_start && self.info.username == stored.info.username
    }
}
