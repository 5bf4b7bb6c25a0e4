//! What a world of a client is made of, and what can happen in it.

use std::num::NonZeroU16;

use mqtt_client::{Options, QueuePolicy, Will};
use mqtt_proto::{Message, TopicName, Version};

use super::super::{Load, Side};

/// What does not change while a world runs, but by its own steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// Protocol version.
    pub version: Version,
    /// Of the client's options.
    pub clean_start: bool,
    /// Receive Maximum that each end announces (5.0), the client first.
    pub receive_maximum: [u16; 2],
    /// Maximum Packet Size that the server announces (5.0).
    pub maximum_packet_size: u32,
    /// Seconds; 0 turns it off.
    pub keep_alive: u16,
    /// Whether the application at each end keeps deliveries and acknowledges later, in any order.
    pub holds: [bool; 2],
    /// Whether the client has a store. It wants `clean_start` false.
    pub journal: bool,
    /// How many messages the client's queue takes.
    pub queue: usize,
    /// What becomes of those beyond.
    pub policy: QueuePolicy,
    /// Whether the client leaves a will with the server.
    pub will: bool,
}

impl Setup {
    /// A session that lasts, no limits, applications that acknowledge at once.
    pub const fn new(version: Version) -> Self {
        Self {
            version,
            clean_start: false,
            receive_maximum: [u16::MAX; 2],
            maximum_packet_size: mqtt_proto::PROTOCOL_MAXIMUM_PACKET_SIZE,
            keep_alive: 0,
            holds: [false; 2],
            journal: false,
            queue: 8,
            policy: QueuePolicy::Wait,
            will: false,
        }
    }

    pub(super) fn options(self) -> Options {
        let receive_maximum = NonZeroU16::new(self.receive_maximum[0]).unwrap_or(NonZeroU16::MIN);
        let options = Options::new("server", 1883)
            .version(self.version)
            .client_id("model")
            .clean_start(self.clean_start)
            .keep_alive(self.keep_alive)
            .receive_maximum(receive_maximum)
            .queue_limit(self.queue, usize::MAX)
            .queue_policy(self.policy)
            .retry_first_connect(true)
            .seed(7);
        match self.will() {
            Some(will) => options.will(will),
            None => options,
        }
    }

    pub(super) fn will(self) -> Option<Will> {
        self.will.then(|| Will::new(Message::new(TopicName::from_static("will"), "gone")))
    }
}

/// What the network does with a dial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// Connects at once.
    #[default]
    Up,
    /// Says no at once.
    Down,
    /// Says nothing.
    Silent,
}

/// Something that happens. What cannot happen in a state does nothing, so that any list of steps is a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// An application publishes.
    Publish(Side, Load),
    /// The client's application subscribes to one of [`FILTERS`].
    Subscribe(u8),
    /// It unsubscribes from one.
    Unsubscribe(u8),
    /// It drops the subscription with this index of those it has, and unsubscribes.
    Drop(u8),
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
    /// The client's application takes no messages, until it does again or the connection ends.
    Hold(bool),
    /// The client's transport takes no bytes, or does again.
    Stall(bool),
    /// The link breaks: of what is under way, so many bytes of client and server arrive, then both learn of it.
    Break(u16, u16),
    /// The link breaks for the client, and the server does not learn of it.
    Lose,
    /// What this side sends vanishes, and nobody learns of it.
    HalfOpen(Side),
    /// What becomes of dials from now on.
    Network(Network),
    /// The server loses the session before the next CONNECT.
    Forget,
    /// The server refuses the next CONNECT because it is busy.
    Busy,
    /// The server ends the connection: it shuts down.
    Shutdown,
    /// The server ends the connection: another client has this one's name (5.0).
    TakenOver,
    /// The client's application disconnects.
    Disconnect,
    /// The process dies and starts again with what it has stored.
    Crash(Side),
    /// Milliseconds pass, timers fire on time, nothing arrives.
    Sleep(u32),
    /// Milliseconds pass: timers fire on time, everything arrives at once.
    Live(u32),
    /// The clock jumps by milliseconds, and the timers hear of it once.
    Jump(u32),
    /// The server announces another Receive Maximum from the next connection on.
    ReceiveMaximum(u16),
    /// The server announces another Maximum Packet Size from the next connection on.
    PacketSize(u16),
}

/// What the client's application subscribes to.
pub const FILTERS: [&str; 5] = ["t/#", "t/+", "t/one", "#", "t7"];
