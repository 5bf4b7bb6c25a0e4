//! CONNECT (section 3.1 of both standards).

use core::{
    fmt,
    num::{NonZeroU16, NonZeroU32},
};

use bytes::{Bytes, BytesMut};

use crate::{EncodeError, Message, Properties, PropertyId, PropertyValue, Storage, Text, Version, write};

/// A message that the server publishes when the client is gone without a good-bye.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Will<B: Storage = Bytes> {
    /// The message. Its payload is at most 65,535 bytes.
    pub message: Message<B>,
    /// How long the server waits for the client to come back, in seconds (5.0 section 3.1.3.2.2); 0 in MQTT 3.x.
    pub delay_interval: u32,
}

impl<B: Storage> Will<B> {
    /// A will that is published at once.
    #[must_use]
    pub const fn new(message: Message<B>) -> Self {
        Self { message, delay_interval: 0 }
    }
}

/// CONNECT: a client asks to connect.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Connect<B: Storage = Bytes> {
    /// The version that the client speaks.
    pub version: Version,
    /// MQTT 3.1: the client says by level 0x83 that it is a bridge.
    pub bridge: bool,
    /// The session begins anew (Clean Session in MQTT 3.x).
    pub clean_start: bool,
    /// The longest silence of the client, in seconds; 0 is for ever.
    pub keep_alive: u16,
    /// The name of the client at the server; empty: the server chooses.
    pub client_id: Text<B>,
    /// What the server publishes when the client is lost.
    pub will: Option<Will<B>>,
    /// Who the client says it is.
    pub username: Option<Text<B>>,
    /// The password, of at most 65,535 bytes. In MQTT 3.x only with a user name.
    pub password: Option<B>,
    pub(crate) properties: Properties<B>,
}

impl<B: Storage> Connect<B> {
    /// A CONNECT with a clean start and a keep-alive of 60 seconds.
    #[must_use]
    pub fn new(version: Version, client_id: Text<B>) -> Self {
        Self {
            version,
            bridge: false,
            clean_start: true,
            keep_alive: 60,
            client_id,
            will: None,
            username: None,
            password: None,
            properties: Properties::default(),
        }
    }

    /// Sets whether the session begins anew.
    #[must_use]
    pub fn with_clean_start(mut self, clean_start: bool) -> Self {
        self.clean_start = clean_start;
        self
    }

    /// Sets the longest silence of the client, in seconds; 0 is for ever.
    #[must_use]
    pub fn with_keep_alive(mut self, seconds: u16) -> Self {
        self.keep_alive = seconds;
        self
    }

    /// Sets the will.
    #[must_use]
    pub fn with_will(mut self, will: Will<B>) -> Self {
        self.will = Some(will);
        self
    }

    /// Sets the user name and the password.
    #[must_use]
    pub fn with_credentials(mut self, username: Text<B>, password: Option<B>) -> Self {
        self.username = Some(username);
        self.password = password;
        self
    }

    /// The properties; none in MQTT 3.x.
    #[must_use]
    pub const fn properties(&self) -> &Properties<B> {
        &self.properties
    }

    /// Length of the whole packet in bytes, with its fixed header.
    ///
    /// # Errors
    ///
    /// If the packet cannot be written: see [`EncodeError`].
    pub fn encoded_len(&self) -> Result<usize, EncodeError> {
        write::encoded_len(self, self.version)
    }

    /// Writes the whole packet at the end of `out`.
    ///
    /// # Errors
    ///
    /// If the packet cannot be written: see [`EncodeError`]. Then `out` is left as it was.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        write::encode(self, self.version, out)
    }
}

impl Connect<Bytes> {
    /// Sets how long the server keeps the session after the connection, in seconds; `u32::MAX` is for ever (5.0 section 3.1.2.11.2).
    #[must_use]
    pub fn with_session_expiry_interval(mut self, seconds: u32) -> Self {
        self.properties.set(PropertyId::SessionExpiryInterval, PropertyValue::Number(seconds));
        self
    }

    /// Sets how many messages of QoS 1 and 2 may be unacknowledged towards us (5.0 section 3.1.2.11.3).
    #[must_use]
    pub fn with_receive_maximum(mut self, messages: NonZeroU16) -> Self {
        self.properties.set(PropertyId::ReceiveMaximum, PropertyValue::Number(messages.get().into()));
        self
    }

    /// Sets the largest packet that we take, in bytes (5.0 section 3.1.2.11.4).
    #[must_use]
    pub fn with_maximum_packet_size(mut self, bytes: NonZeroU32) -> Self {
        self.properties.set(PropertyId::MaximumPacketSize, PropertyValue::Number(bytes.get()));
        self
    }

    /// Sets how many Topic Aliases the other end may use (5.0 section 3.1.2.11.5).
    #[must_use]
    pub fn with_topic_alias_maximum(mut self, aliases: u16) -> Self {
        self.properties.set(PropertyId::TopicAliasMaximum, PropertyValue::Number(aliases.into()));
        self
    }

    /// Asks the server for Response Information (5.0 section 3.1.2.11.6).
    #[must_use]
    pub fn with_request_response_information(mut self, wanted: bool) -> Self {
        self.properties.set(PropertyId::RequestResponseInformation, PropertyValue::Byte(wanted.into()));
        self
    }

    /// Asks the server for Reason Strings and User Properties with failures (5.0 section 3.1.2.11.7).
    #[must_use]
    pub fn with_request_problem_information(mut self, wanted: bool) -> Self {
        self.properties.set(PropertyId::RequestProblemInformation, PropertyValue::Byte(wanted.into()));
        self
    }

    /// Adds a User Property; names may repeat (5.0).
    #[must_use]
    pub fn with_user_property(mut self, name: Text, value: Text) -> Self {
        self.properties.add(PropertyId::UserProperty, PropertyValue::Pair(&name, &value));
        self
    }

    /// Sets the Authentication Method, and its data (5.0 section 4.12). More than 65,535 bytes of data make the packet
    /// impossible to encode.
    #[must_use]
    pub fn with_authentication(mut self, method: Text, data: Option<Bytes>) -> Self {
        self.properties.set(PropertyId::AuthenticationMethod, PropertyValue::Text(&method));
        if let Some(data) = data {
            self.properties.set(PropertyId::AuthenticationData, PropertyValue::Binary(&data));
        }
        self
    }
}

impl<B: Storage> fmt::Debug for Connect<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("version", &self.version)
            .field("bridge", &self.bridge)
            .field("clean_start", &self.clean_start)
            .field("keep_alive", &self.keep_alive)
            .field("client_id", &self.client_id)
            .field("will", &self.will)
            .field("username", &self.username)
            // A log must not hold secrets.
            .field("password", &self.password.as_ref().map(|_| "..."))
            .field("properties", &self.properties)
            .finish()
    }
}
