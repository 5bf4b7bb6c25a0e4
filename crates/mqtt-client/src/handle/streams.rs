//! The queues of received messages, one for each stream that the application holds.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::task::Waker;

use mqtt_proto::{Ack, Delivery, Message, PacketId, ReasonCode, SubscriptionId};

use crate::Options;
use crate::client::{Client, SubscriberId};

/// Names a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum StreamId {
    /// A stream of everything.
    Everything(u64),
    /// The stream of one subscribe call.
    Subscriber(SubscriberId),
}

/// On the heap from the first stream or message on.
#[derive(Debug, Default)]
pub(crate) struct Streams(Option<Box<Tables>>);

#[derive(Debug)]
struct Tables {
    streams: BTreeMap<StreamId, Stream>,
    last: u64,
    messages: usize,
    bytes: usize,
    overflow: usize,
    /// On the heap from the first message on.
    routing: Option<Box<Routing>>,
}

#[derive(Debug, Default)]
struct Routing {
    /// Whom the last message was for: mostly the next one is of the same topic, and for the same.
    route: Route,
    /// Kept for its capacity, so that routing does not allocate.
    routed: Vec<SubscriberId>,
    /// Acknowledgements that several streams have to agree on.
    shared: HashMap<u64, Shared>,
}

/// Whom messages of one topic are for, as long as nothing changes.
#[derive(Debug, Default)]
struct Route {
    topic: Vec<u8>,
    identifiers: Vec<SubscriptionId>,
    targets: Vec<StreamId>,
    /// Of the subscriptions, when this was looked up.
    changes: u64,
    is_valid: bool,
}

impl Route {
    fn is_for(&self, message: &Message, changes: u64) -> bool {
        self.is_valid
            && self.changes == changes
            && self.topic == message.topic.as_bytes()
            && (message.properties().is_empty() && self.identifiers.is_empty()
                || message.properties().subscription_identifiers().eq(self.identifiers.iter().copied()))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Stream {
    queue: VecDeque<Queued>,
    /// How many of them are to be acknowledged.
    claims: usize,
    bytes: usize,
    waker: Option<Waker>,
    is_over: bool,
}

/// The duty to acknowledge a message that went to several streams.
#[derive(Debug)]
struct Shared {
    ack: Ack,
    /// Streams that have not settled their claim.
    missing: usize,
    /// What the first of them said that refuses the message.
    refusal: Option<ReasonCode>,
}

/// A message in a stream.
#[derive(Debug)]
pub(crate) enum Queued {
    /// As it came, with the duty to acknowledge it, if there is one.
    Sole(Delivery),
    /// Others have to acknowledge it, too.
    Shared { message: Message, dup: bool, packet_id: PacketId, key: u64 },
}

impl Queued {
    pub(crate) fn message(&self) -> &Message {
        match self {
            Self::Sole(Delivery { message, .. }) | Self::Shared { message, .. } => message,
        }
    }

    /// Whether it is to be acknowledged.
    fn has_claim(&self) -> bool {
        match self {
            Self::Sole(delivery) => delivery.ack.is_some(),
            Self::Shared { .. } => true,
        }
    }

    pub(crate) fn into_claim(self) -> Option<Claim> {
        match self {
            Self::Sole(delivery) => delivery.ack.map(Claim::Sole),
            Self::Shared { key, .. } => Some(Claim::Shared(key)),
        }
    }
}

/// A stream's part in the duty to acknowledge a message.
#[derive(Debug)]
pub(crate) enum Claim {
    Sole(Ack),
    Shared(u64),
}

/// What a stream has for whoever asks.
pub(crate) enum Taken {
    Message(Queued),
    Nothing,
    Over,
}

impl Stream {
    /// Counts a message that is about to be [pushed](Self::push).
    #[inline]
    pub(crate) fn count(&mut self, message: &Message, has_claim: bool) {
        self.bytes += cost(message);
        self.claims += usize::from(has_claim);
    }

    /// Puts a message in that is counted; whom to wake.
    #[inline]
    pub(crate) fn push(&mut self, counted: Queued) -> Option<Waker> {
        self.queue.push_back(counted);
        self.waker.take()
    }
}

impl Routing {
    #[cold]
    fn look_up(&mut self, streams: &BTreeMap<StreamId, Stream>, client: &Client, message: &Message, changes: u64) {
        let Self { route, routed, .. } = self;
        let Route { topic, identifiers, targets, .. } = route;
        routed.clear();
        client.route(message, routed);
        let everything = StreamId::Everything(0)..=StreamId::Everything(u64::MAX);
        let subscribed = routed.iter().map(|id| StreamId::Subscriber(*id));
        let all = streams.range(everything).map(|(id, _)| *id).chain(subscribed);
        targets.clear();
        targets.extend(all.filter(|id| streams.get(id).is_some_and(|stream| !stream.is_over)));
        let name = message.topic.as_bytes();
        route.is_valid = name.len() <= LONGEST;
        if route.is_valid {
            topic.clear();
            topic.extend_from_slice(name);
            identifiers.clear();
            identifiers.extend(message.properties().subscription_identifiers());
            route.changes = changes;
        }
    }
}

impl Tables {
    fn new(options: &Options) -> Self {
        Self {
            streams: BTreeMap::new(),
            last: 0,
            messages: options.stream_messages.max(1),
            bytes: options.stream_bytes,
            overflow: options.stream_overflow,
            routing: None,
        }
    }

    fn add(&mut self, id: StreamId) {
        self.forget_route();
        self.streams.insert(id, Stream::default());
    }

    fn forget_route(&mut self) {
        if let Some(routing) = &mut self.routing {
            routing.route.is_valid = false;
        }
    }

    fn get_mut(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.streams.get_mut(&id)
    }
}

impl Streams {
    fn tables(&mut self, options: &Options) -> &mut Tables {
        self.0.get_or_insert_with(|| Box::new(Tables::new(options)))
    }

    fn shared(&mut self) -> Option<&mut HashMap<u64, Shared>> {
        self.0.as_mut()?.routing.as_mut().map(|routing| &mut routing.shared)
    }

    pub(crate) fn add_everything(&mut self, options: &Options) -> StreamId {
        let tables = self.tables(options);
        tables.last += 1;
        let id = StreamId::Everything(tables.last);
        tables.add(id);
        id
    }

    pub(crate) fn add_subscriber(&mut self, options: &Options, id: SubscriberId) {
        self.tables(options).add(StreamId::Subscriber(id));
    }

    fn route(&mut self, client: &Client, message: &Message) -> &mut Vec<StreamId> {
        let changes = client.routing_changes();
        let tables = self.tables(client.options());
        let routing = tables.routing.get_or_insert_default();
        if !routing.route.is_for(message, changes) {
            routing.look_up(&tables.streams, client, message, changes);
        }
        &mut routing.route.targets
    }

    /// The stream that a message is for, if it is for one alone, which has room.
    #[inline]
    pub(crate) fn sole_with_room(&mut self, client: &Client, delivery: &Delivery) -> Option<&mut Stream> {
        let [id] = self.route(client, &delivery.message)[..] else { return None };
        let tables = self.0.as_mut()?;
        let stream = tables.streams.get_mut(&id)?;
        let is_full = stream.queue.len() >= tables.messages || stream.bytes >= tables.bytes.min(tables.overflow);
        (!is_full).then_some(stream)
    }

    /// Whom a message is for. Give the list back to [`Streams::recycle`].
    pub(crate) fn targets(&mut self, client: &Client, message: &Message) -> Vec<StreamId> {
        core::mem::take(self.route(client, message))
    }

    pub(crate) fn recycle(&mut self, targets: Vec<StreamId>) {
        if let Some(routing) = self.0.as_mut().and_then(|tables| tables.routing.as_mut()) {
            routing.route.targets = targets;
        }
    }

    pub(crate) fn is_full(&self, id: StreamId) -> bool {
        self.0.as_ref().is_some_and(|tables| {
            let is_full = |stream: &Stream| stream.queue.len() >= tables.messages || stream.bytes >= tables.bytes;
            tables.streams.get(&id).is_some_and(is_full)
        })
    }

    pub(crate) fn is_overflowing(&self, id: StreamId) -> bool {
        self.0
            .as_ref()
            .is_some_and(|tables| tables.streams.get(&id).is_some_and(|stream| stream.bytes >= tables.overflow))
    }

    /// Several streams have to agree on an acknowledgement: the key of their claims.
    pub(crate) fn share(&mut self, options: &Options, ack: Ack, streams: usize) -> u64 {
        let tables = self.tables(options);
        tables.last += 1;
        let shared = Shared { ack, missing: streams, refusal: None };
        tables.routing.get_or_insert_default().shared.insert(tables.last, shared);
        tables.last
    }

    pub(crate) fn push(&mut self, id: StreamId, queued: Queued) -> Option<Waker> {
        let stream = self.0.as_mut()?.get_mut(id)?;
        stream.count(queued.message(), queued.has_claim());
        stream.push(queued)
    }

    /// Takes the next message; or leaves the waker, if one is given, for when there is one. If taking the others has no
    /// consequence either, they go to `rest`, which is empty.
    pub(crate) fn take(&mut self, id: StreamId, waker: Option<&Waker>, rest: &mut VecDeque<Queued>) -> Taken {
        let Some(stream) = self.0.as_mut().and_then(|tables| tables.get_mut(id)) else { return Taken::Over };
        match stream.queue.pop_front() {
            Some(queued) if stream.claims == 0 => {
                stream.bytes = 0;
                core::mem::swap(&mut stream.queue, rest);
                Taken::Message(queued)
            }
            Some(queued) => {
                stream.bytes -= cost(queued.message());
                stream.claims -= usize::from(queued.has_claim());
                Taken::Message(queued)
            }
            None if stream.is_over => Taken::Over,
            None => {
                // Who only looks does not take the place of who waits.
                if let Some(waker) = waker {
                    stream.waker = Some(waker.clone());
                }
                Taken::Nothing
            }
        }
    }

    /// Gives a stream up; what it has not handed out is returned.
    pub(crate) fn remove(&mut self, id: StreamId) -> VecDeque<Queued> {
        let Some(tables) = &mut self.0 else { return VecDeque::new() };
        tables.forget_route();
        tables.streams.remove(&id).map(|stream| stream.queue).unwrap_or_default()
    }

    /// The claim's holder will never settle it, and so the message is not acknowledged by the others, either. Returns the
    /// duty.
    pub(crate) fn abandon(&mut self, claim: Claim) -> Option<Ack> {
        match claim {
            Claim::Sole(ack) => Some(ack),
            Claim::Shared(key) => self.shared()?.remove(&key).map(|shared| shared.ack),
        }
    }

    /// Settles one claim: the acknowledgement, if it was the last one. A refusal by any of them counts for all.
    pub(crate) fn settle(&mut self, claim: Claim, reason: ReasonCode) -> Option<Ack> {
        match claim {
            Claim::Sole(ack) => Some(ack.with_reason(reason)),
            Claim::Shared(key) => {
                let all = self.shared()?;
                let shared = all.get_mut(&key)?;
                shared.missing -= 1;
                if reason.is_failure() {
                    shared.refusal.get_or_insert(reason);
                }
                if shared.missing > 0 {
                    return None;
                }
                let Shared { ack, refusal, .. } = all.remove(&key)?;
                Some(ack.with_reason(refusal.unwrap_or(reason)))
            }
        }
    }

    /// Nothing more will come into this stream.
    pub(crate) fn end(&mut self, id: StreamId) -> Option<Waker> {
        let tables = self.0.as_mut()?;
        tables.forget_route();
        let stream = tables.get_mut(id)?;
        stream.is_over = true;
        stream.waker.take()
    }

    /// Nothing more will come into any stream.
    pub(crate) fn end_all(&mut self) -> impl Iterator<Item = Waker> {
        self.0.iter_mut().flat_map(|tables| {
            tables.forget_route();
            tables.streams.values_mut().filter_map(|stream| {
                stream.is_over = true;
                stream.waker.take()
            })
        })
    }
}

/// Bytes of a topic that is remembered.
const LONGEST: usize = 512;

pub(super) fn cost(message: &Message) -> usize {
    message.topic.as_bytes().len() + message.payload.len()
}
