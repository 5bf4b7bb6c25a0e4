//! Who may do what: the embedder's hooks.

use bytes::Bytes;
use mqtt_proto::{Connect, Message, QoS, ReasonCode, Subscription, Text, Version};

use super::Origin;

/// Who is asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientInfo {
    /// The client identifier, assigned if the client gave none.
    pub client_id: Text,
    /// The user name of CONNECT.
    pub username: Option<Text>,
    /// The version it speaks.
    pub version: Version,
    /// Where its link comes from.
    pub origin: Origin,
}

/// A step of the client in an enhanced authentication (5.0 section 4.12).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthRequest {
    /// The Authentication Method of CONNECT.
    pub method: Text,
    /// The Authentication Data of CONNECT or AUTH.
    pub data: Option<Bytes>,
    /// Where in the exchange this step stands.
    pub phase: AuthPhase,
}

/// Where a step of an authentication stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthPhase {
    /// CONNECT begins it.
    Connect,
    /// AUTH 0x19 begins it anew on an open connection.
    Reauthenticate,
    /// AUTH 0x18 goes on.
    Continue,
}

/// The broker's step in an enhanced authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthStep {
    /// The client has to say more: AUTH 0x18 with this data.
    Continue(Option<Bytes>),
    /// It is who it says it is: CONNACK or AUTH 0x00 with this data.
    Done(Option<Bytes>),
    /// It is not: CONNACK or DISCONNECT with this reason.
    Deny(ReasonCode),
}

/// The embedder's rules. Every method has a default that allows; all are called synchronously, so none may block.
///
/// A reason code that the packet in question cannot carry is replaced by 0x87.
pub trait Policy: Send {
    /// A client asks in, without an Authentication Method. Also the place to look at its will.
    ///
    /// # Errors
    ///
    /// The reason for CONNACK: [`BAD_USER_NAME_OR_PASSWORD`](ReasonCode::BAD_USER_NAME_OR_PASSWORD) and the like.
    fn connect(&mut self, client: &ClientInfo, connect: &Connect) -> Result<(), ReasonCode> {
        let (_, _) = (client, connect);
        Ok(())
    }

    /// A client asks in with an Authentication Method, or authenticates anew. Default: the method is not supported.
    fn authenticate(&mut self, client: &ClientInfo, request: &AuthRequest) -> AuthStep {
        let (_, _) = (client, request);
        AuthStep::Deny(ReasonCode::BAD_AUTHENTICATION_METHOD)
    }

    /// A client publishes. A will is asked for twice: at CONNECT (which is refused then) and when it is due.
    ///
    /// A message that was retained rightly stays when its publisher loses the right; whether it goes to new subscriptions then
    /// is [`may_retain`](Self::may_retain)'s to say. To take it away, publish an empty one with
    /// [`Broker::publish`](crate::Broker::publish).
    ///
    /// # Errors
    ///
    /// The reason for PUBACK or PUBREC. In 3.x and with QoS 0 the message is dropped without a word (MQTT-3.3.5-2).
    fn publish(&mut self, client: &ClientInfo, message: &Message) -> Result<(), ReasonCode> {
        let (_, _) = (client, message);
        Ok(())
    }

    /// A client subscribes: the highest QoS it may have. Asked again when its session is resumed and after
    /// [`Broker::policy_changed`](crate::Broker::policy_changed); a subscription refused then ends.
    ///
    /// # Errors
    ///
    /// The reason for SUBACK. 3.1.1 says 0x80; 3.1 cannot say it: the client is told what it asked for, and gets nothing.
    fn subscribe(&mut self, client: &ClientInfo, subscription: &Subscription) -> Result<QoS, ReasonCode> {
        let (_, _) = (client, subscription);
        Ok(QoS::ExactlyOnce)
    }

    /// Whether a client gets a message. Asked once for each message and client when it is queued, retained messages
    /// included, and again when it leaves the queue if [`Broker::policy_changed`](crate::Broker::policy_changed) was called
    /// in between.
    fn deliver(&mut self, client: &ClientInfo, message: &Message) -> bool {
        let (_, _) = (client, message);
        true
    }

    /// Whether a message that this client has retained goes to a new subscription still: asked before each delivery of a
    /// retained message, of whoever published it last. It may be long gone, so its address is not known. Not asked about
    /// what the server has published itself.
    fn may_retain(&mut self, publisher: &ClientInfo, message: &Message) -> bool {
        let (_, _) = (publisher, message);
        true
    }

    /// Changes what a client has published, or swallows it: the client is told that it was taken.
    fn intercept(&mut self, client: &ClientInfo, message: Message) -> Option<Message> {
        let _ = client;
        Some(message)
    }

    /// After [`Broker::policy_changed`](crate::Broker::policy_changed): whether a connected client may stay. If not, it is
    /// sent DISCONNECT 0x87.
    fn is_welcome(&mut self, client: &ClientInfo) -> bool {
        let _ = client;
        true
    }
}

/// The policy without rules.
impl Policy for () {}
