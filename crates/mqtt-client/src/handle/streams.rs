//! The queues of received messages, one for each stream that the application holds.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::task::Waker;

use mqtt_proto::{Ack, Message, PacketId, ReasonCode};

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

#[derive(Debug)]
pub(crate) struct Streams {
    streams: BTreeMap<StreamId, Stream>,
    /// Acknowledgements that several streams have to agree on.
    shared: HashMap<u64, Shared>,
    last: u64,
    messages: usize,
    bytes: usize,
    overflow: usize,
    /// Kept for their capacity, so that routing does not allocate.
    targets: Vec<StreamId>,
    routed: Vec<SubscriberId>,
}

#[derive(Debug, Default)]
struct Stream {
    queue: VecDeque<Queued>,
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
pub(crate) struct Queued {
    pub(crate) message: Message,
    pub(crate) dup: bool,
    pub(crate) packet_id: Option<PacketId>,
    pub(crate) claim: Option<Claim>,
}

/// A stream's part in the duty to acknowledge a message.
#[derive(Debug)]
pub(crate) enum Claim {
    Sole(Ack),
    Shared(u64),
}

/// The claims on one message.
pub(crate) struct Claims<I> {
    /// Nobody wants the message.
    pub(crate) unwanted: Option<Ack>,
    /// One for each target.
    pub(crate) each: I,
}

/// What a stream has for whoever asks.
pub(crate) enum Taken {
    Message(Queued),
    Nothing,
    Over,
}

impl Streams {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            streams: BTreeMap::new(),
            shared: HashMap::new(),
            last: 0,
            messages: options.stream_messages.max(1),
            bytes: options.stream_bytes,
            overflow: options.stream_overflow,
            targets: Vec::new(),
            routed: Vec::new(),
        }
    }

    pub(crate) fn add_everything(&mut self) -> StreamId {
        self.last += 1;
        let id = StreamId::Everything(self.last);
        self.streams.insert(id, Stream::default());
        id
    }

    pub(crate) fn add_subscriber(&mut self, id: SubscriberId) {
        self.streams.insert(StreamId::Subscriber(id), Stream::default());
    }

    /// Whom a message is for. Give the list back to [`Streams::recycle`].
    pub(crate) fn targets(&mut self, client: &Client, message: &Message) -> Vec<StreamId> {
        let mut targets = core::mem::take(&mut self.targets);
        targets.clear();
        self.routed.clear();
        client.route(message, &mut self.routed);
        let everything = StreamId::Everything(0)..=StreamId::Everything(u64::MAX);
        let subscribed = self.routed.iter().map(|id| StreamId::Subscriber(*id));
        let all = self.streams.range(everything).map(|(id, _)| *id).chain(subscribed);
        targets.extend(all.filter(|id| self.streams.get(id).is_some_and(|stream| !stream.is_over)));
        targets
    }

    pub(crate) fn recycle(&mut self, targets: Vec<StreamId>) {
        self.targets = targets;
    }

    pub(crate) fn is_full(&self, id: StreamId) -> bool {
        self.streams.get(&id).is_some_and(|stream| stream.queue.len() >= self.messages || stream.bytes >= self.bytes)
    }

    pub(crate) fn is_overflowing(&self, id: StreamId) -> bool {
        self.streams.get(&id).is_some_and(|stream| stream.bytes >= self.overflow)
    }

    pub(crate) fn claims(
        &mut self,
        ack: Option<Ack>,
        targets: usize,
    ) -> Claims<impl Iterator<Item = Option<Claim>> + use<>> {
        let (unwanted, sole, shared) = match (ack, targets) {
            (Some(ack), 0) => (Some(ack), None, None),
            (Some(ack), 1) => (None, Some(Claim::Sole(ack)), None),
            (Some(ack), _) => {
                self.last += 1;
                self.shared.insert(self.last, Shared { ack, missing: targets, refusal: None });
                (None, None, Some(self.last))
            }
            (None, _) => (None, None, None),
        };
        let mut sole = sole;
        Claims { unwanted, each: core::iter::from_fn(move || Some(sole.take().or(shared.map(Claim::Shared)))) }
    }

    pub(crate) fn push(&mut self, id: StreamId, queued: Queued) -> Option<Waker> {
        let stream = self.streams.get_mut(&id)?;
        stream.bytes += cost(&queued.message);
        stream.queue.push_back(queued);
        stream.waker.take()
    }

    /// Takes the next message; or leaves the waker, if one is given, for when there is one.
    pub(crate) fn take(&mut self, id: StreamId, waker: Option<&Waker>) -> Taken {
        let Some(stream) = self.streams.get_mut(&id) else { return Taken::Over };
        match stream.queue.pop_front() {
            Some(queued) => {
                stream.bytes -= cost(&queued.message);
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
        self.streams.remove(&id).map(|stream| stream.queue).unwrap_or_default()
    }

    /// The claim's holder will never settle it, and so the message is not acknowledged by the others, either. Returns the
    /// duty.
    pub(crate) fn abandon(&mut self, claim: Claim) -> Option<Ack> {
        match claim {
            Claim::Sole(ack) => Some(ack),
            Claim::Shared(key) => self.shared.remove(&key).map(|shared| shared.ack),
        }
    }

    /// Settles one claim: the acknowledgement, if it was the last one. A refusal by any of them counts for all.
    pub(crate) fn settle(&mut self, claim: Claim, reason: ReasonCode) -> Option<Ack> {
        match claim {
            Claim::Sole(ack) => Some(ack.with_reason(reason)),
            Claim::Shared(key) => {
                let shared = self.shared.get_mut(&key)?;
                shared.missing -= 1;
                if reason.is_failure() {
                    shared.refusal.get_or_insert(reason);
                }
                if shared.missing > 0 {
                    return None;
                }
                let Shared { ack, refusal, .. } = self.shared.remove(&key)?;
                Some(ack.with_reason(refusal.unwrap_or(reason)))
            }
        }
    }

    /// Nothing more will come into this stream.
    pub(crate) fn end(&mut self, id: StreamId) -> Option<Waker> {
        let stream = self.streams.get_mut(&id)?;
        stream.is_over = true;
        stream.waker.take()
    }

    /// Nothing more will come into any stream.
    pub(crate) fn end_all(&mut self) -> impl Iterator<Item = Waker> {
        self.streams.values_mut().filter_map(|stream| {
            stream.is_over = true;
            stream.waker.take()
        })
    }
}

pub(super) fn cost(message: &Message) -> usize {
    message.topic.as_bytes().len() + message.payload.len()
}
