//! What a world is made of, and what can happen in it.

use bytes::Bytes;
use mqtt_proto::{Message, QoS, TopicName, Version};

/// One end of the connection. As the direction of a packet, it names the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The end that dials.
    Client,
    /// The end that listens.
    Server,
}

impl Side {
    /// Both, the client first.
    pub const BOTH: [Self; 2] = [Self::Client, Self::Server];

    /// The other end.
    pub fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    pub(super) fn index(self) -> usize {
        self as usize
    }
}

/// What a message is like, but for its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Load {
    /// Which of eight topics.
    pub topic: u8,
    /// How often it may arrive.
    pub qos: QoS,
    /// Bytes of payload after the four of its number.
    pub size: u16,
    /// Seconds of its Message Expiry Interval (5.0); 0 for none.
    pub expiry: u16,
}

impl Load {
    /// A message of some bytes on the first topic.
    pub const fn new(qos: QoS) -> Self {
        Self { topic: 0, qos, size: 0, expiry: 0 }
    }

    /// The message with this number, the same each time.
    pub(super) fn message(self, number: u32) -> Message {
        let mut payload = number.to_be_bytes().to_vec();
        payload.extend((0..self.size).map(|at| (at as u8) ^ (number as u8)));
        let topic = TOPICS[usize::from(self.topic) % TOPICS.len()];
        let message = Message::new(TopicName::from_static(topic), Bytes::from(payload)).with_qos(self.qos);
        if self.expiry > 0 { message.with_message_expiry_interval(self.expiry.into()) } else { message }
    }

    /// Whether it is the message with this number, of whose time some may have passed.
    pub(super) fn is_of(self, number: u32, message: &Message) -> bool {
        let whole = self.message(number);
        let left = message.properties().message_expiry_interval().filter(|_| self.expiry > 0);
        let counted_down = left.map(|left| whole.clone().with_message_expiry_interval(left.min(self.expiry.into())));
        *message == counted_down.unwrap_or(whole)
    }
}

/// Number of a message, from its payload.
pub(super) fn number_of(message: &Message) -> Option<u32> {
    message.payload.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// Too long not to get a topic alias; the last one is too short for that.
const TOPICS: [&str; 8] = ["t/0", "t/one", "t/two", "t/three", "t/four", "t/five", "t/six", "t7"];

/// Where the network ends a connection by itself: when `position` bytes of what `side` wrote have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cut {
    /// Which connection, counted from 1.
    pub link: u32,
    /// Whose bytes are counted.
    pub side: Side,
    /// How many of them arrive.
    pub position: u32,
    /// Whether what the other side has under way arrives still.
    pub other_arrives: bool,
}

impl Cut {
    /// A cut that never comes: it makes a world count bytes.
    pub const NEVER: Self = Self { link: u32::MAX, side: Side::Client, position: 0, other_arrives: false };
}

/// What does not change while a world runs, but by its own steps. Pairs are for client and server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Setup {
    /// Protocol version.
    pub version: Version,
    /// Receive Maximum that each end announces (5.0).
    pub receive_maximum: [u16; 2],
    /// Maximum Packet Size that each end announces (5.0).
    pub maximum_packet_size: [u32; 2],
    /// Topic Alias Maximum that each end announces (5.0).
    pub topic_alias_maximum: [u16; 2],
    /// Seconds; 0 turns it off.
    pub keep_alive: u16,
    /// Events from which an end takes no more input.
    pub event_limit: usize,
    /// Bytes from which an end publishes no more.
    pub outbox_limit: usize,
    /// Whether the application keeps deliveries and acknowledges later, in any order.
    pub holds: [bool; 2],
    /// Whether both ends keep a journal, and can come back from it after a crash.
    pub journal: bool,
}

impl Setup {
    /// No limits, no keep alive, applications that acknowledge at once.
    pub const fn new(version: Version) -> Self {
        Self {
            version,
            receive_maximum: [u16::MAX; 2],
            maximum_packet_size: [mqtt_proto::PROTOCOL_MAXIMUM_PACKET_SIZE; 2],
            topic_alias_maximum: [0; 2],
            keep_alive: 0,
            event_limit: 256,
            outbox_limit: 262_144,
            holds: [false; 2],
            journal: false,
        }
    }

    /// With this Receive Maximum on both ends.
    #[must_use]
    pub const fn with_receive_maximum(mut self, messages: u16) -> Self {
        self.receive_maximum = [messages; 2];
        self
    }
}

/// Something that happens. What cannot happen in a state does nothing, so that any list of steps is a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// An application publishes.
    Publish(Side, Load),
    /// The client subscribes to something, and the server grants it.
    Subscribe,
    /// So many bytes of what this side wrote arrive.
    Deliver(Side, u16),
    /// The next whole packet of what this side wrote arrives.
    Frame(Side),
    /// So many bytes that the client wrote to an abandoned connection arrive.
    Late(u16),
    /// Everything arrives, until nothing moves.
    Run,
    /// The application acknowledges the delivery with this index of those it holds.
    Ack(Side, u8),
    /// The application refuses it.
    Refuse(Side, u8),
    /// The application stops polling events, or goes on.
    Pause(Side, bool),
    /// The transport stops taking bytes, or goes on.
    Stall(Side, bool),
    /// A stalled transport takes what is in the outbox, once.
    Write(Side),
    /// The link breaks: of what is under way, so many bytes of client and server arrive, then both learn of it.
    Break(u16, u16),
    /// The link breaks and loses all that is under way; the client dials at once.
    Redial,
    /// What this side sends vanishes, and nobody learns of it.
    HalfOpen(Side),
    /// The client dials, abandoning a connection that it has.
    Dial,
    /// The server loses the session before the next CONNECT.
    Forget,
    /// The client asks for a clean start when it next dials.
    CleanStart,
    /// The application disconnects.
    Disconnect(Side),
    /// The process dies and starts again with what it has stored.
    Crash(Side),
    /// Milliseconds pass, timers fire on time, nothing arrives.
    Sleep(u32),
    /// Milliseconds pass on a healthy link: timers fire on time, everything arrives at once.
    Live(u32),
    /// The clock jumps by milliseconds, back if negative, and the timers hear of it once.
    Jump(i32),
    /// This side announces another Receive Maximum from the next connection on.
    ReceiveMaximum(Side, u16),
    /// This side announces another Maximum Packet Size from the next connection on.
    PacketSize(Side, u16),
}

impl Step {
    /// The same with client and server exchanged, where that has a meaning.
    #[must_use]
    pub fn mirrored(self) -> Self {
        match self {
            Self::Publish(side, load) => Self::Publish(side.peer(), load),
            Self::Deliver(side, bytes) => Self::Deliver(side.peer(), bytes),
            Self::Frame(side) => Self::Frame(side.peer()),
            Self::Ack(side, index) => Self::Ack(side.peer(), index),
            Self::Refuse(side, index) => Self::Refuse(side.peer(), index),
            Self::Pause(side, on) => Self::Pause(side.peer(), on),
            Self::Stall(side, on) => Self::Stall(side.peer(), on),
            Self::Write(side) => Self::Write(side.peer()),
            Self::HalfOpen(side) => Self::HalfOpen(side.peer()),
            Self::Disconnect(side) => Self::Disconnect(side.peer()),
            Self::Crash(side) => Self::Crash(side.peer()),
            Self::Break(client, server) => Self::Break(server, client),
            Self::ReceiveMaximum(side, messages) => Self::ReceiveMaximum(side.peer(), messages),
            Self::PacketSize(side, bytes) => Self::PacketSize(side.peer(), bytes),
            Self::Subscribe
            | Self::Late(_)
            | Self::Run
            | Self::Redial
            | Self::Dial
            | Self::Forget
            | Self::CleanStart
            | Self::Sleep(_)
            | Self::Live(_)
            | Self::Jump(_) => self,
        }
    }
}
