//! CONNECT on the wire (section 3.1 of both standards; the differences of 3.1 carry their ids, D31).

use alloc::boxed::Box;

use super::{CONNECT, check_flags as check_first_byte};
use crate::{
    Connect, EncodeError, Message, PacketType, Properties, ProtocolError, QoS, ReasonCode, Rule, Storage, TopicName,
    Version, Will, frame,
    property::{Apart, Place},
    read::Reader,
    rules, topic,
    write::{self, Sink, Write},
};

impl<B: Storage> Connect<B> {
    /// Reads a CONNECT, whole, with its fixed header, as [`Packet::decode`](crate::Packet::decode) does, but allocates nothing:
    /// for whoever expects no other packet, such as a proxy that wants to know where a client belongs.
    ///
    /// ```
    /// use mqtt_proto::Connect;
    ///
    /// let connect = Connect::<&[u8]>::decode(b"\x10\x0E\x00\x04MQTT\x04\x02\x00\x3C\x00\x02me")?;
    /// assert_eq!(connect.client_id, "me");
    /// # Ok::<(), mqtt_proto::ProtocolError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If it is another packet, or breaks a rule of the version that it names.
    pub fn decode(frame: B) -> Result<Self, ProtocolError> {
        let version = Version::V5;
        if let [CONNECT, ..] = frame.as_ref() {
            return Self::read(version, &frame);
        }
        let (header, body) = frame::split(version, frame.as_ref())?;
        let reader = Reader::new(&frame, body, header.packet_type(), version);
        if header.packet_type() == PacketType::Connect {
            check_first_byte(&reader, header)?;
        }
        Err(reader.fail_at(0, "packet type", &rules::FIRST_IS_CONNECT))
    }

    /// Reads a packet of which the first byte is right. `version` is what errors are told in until it says its own.
    #[inline(never)]
    pub(super) fn decode_boxed(version: Version, frame: &B) -> Result<Box<Self>, ProtocolError> {
        Ok(Box::new(Self::read(version, frame)?))
    }

    #[inline(always)]
    fn read(version: Version, frame: &B) -> Result<Self, ProtocolError> {
        let (_, body) = frame::split(version, frame.as_ref())?;
        let mut reader = Reader::new(frame, body, PacketType::Connect, version);
        let (version, bridge) = decode_version(&mut reader)?;
        reader.set_version(version);
        let flags_at = reader.position();
        let flags = reader.u8(FLAGS)?;
        check_flags(flags, version).map_err(|rule| reader.fail_at(flags_at, FLAGS, rule))?;
        let keep_alive = reader.u16("Keep Alive")?;
        let (properties, _) = Properties::decode(&mut reader, Place::of(PacketType::Connect))?;
        // MQTT-3.1.3-1: the order of the rest.
        let client_id = reader.text("client identifier", &CLIENT_ID_UTF8)?;
        let will = if flags & WILL == 0 { None } else { Some(Will::decode(&mut reader, flags)?) };
        let username = match flags & USER_NAME != 0 && !is_left_out(&reader) {
            true => Some(reader.text("user name", &USER_NAME_UTF8)?),
            false => None,
        };
        let password = match flags & PASSWORD != 0 && !is_left_out(&reader) {
            true => Some(reader.binary("password")?),
            false => None,
        };
        reader.finish(&rules::TRAILING)?;
        let clean_start = flags & CLEAN_START != 0;
        Ok(Self { version, bridge, clean_start, keep_alive, client_id, will, username, password, properties })
    }

    /// What the types leave open.
    fn check(&self, version: Version) -> Result<(), EncodeError> {
        let packet = PacketType::Connect;
        if version == Version::V5 {
            return Ok(());
        }
        if self.password.is_some() && self.username.is_none() {
            let rule = "before 5.0 it needs a user name [MQTT-3.1.2-22]";
            return Err(EncodeError::Forbidden { packet, field: "password", rule });
        }
        if self.client_id.as_bytes().is_empty() {
            let (field, rule) =
                ("client identifier", "MQTT 3.1.1 needs one to keep a session, 3.1 always [MQTT-3.1.3-7]");
            if version == Version::V31 || !self.clean_start {
                return Err(EncodeError::Missing { packet, field, rule });
            }
        }
        Ok(())
    }

    fn flags(&self) -> u8 {
        let bit = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        let will = self.will.as_ref().map_or(0, |Will { message, .. }| {
            WILL | (message.qos as u8) << WILL_QOS_SHIFT | bit(message.retain, WILL_RETAIN)
        });
        will | bit(self.clean_start, CLEAN_START)
            | bit(self.username.is_some(), USER_NAME)
            | bit(self.password.is_some(), PASSWORD)
    }
}

impl<B: Storage> Write for Connect<B> {
    fn packet_type(&self) -> PacketType {
        PacketType::Connect
    }

    fn write<S: Sink>(&self, version: Version, sink: &mut S) -> Result<(), EncodeError> {
        let packet = PacketType::Connect;
        self.check(version)?;
        let level = match (version, self.bridge) {
            (_, false) => version.level(),
            (Version::V31, true) => version.level() | BRIDGE, // D31-name
            (Version::V311 | Version::V5, true) => {
                return Err(EncodeError::NotInVersion { packet, field: "bridge", version });
            }
        };
        let [high, low] = self.keep_alive.to_be_bytes();
        let fields = [level, self.flags(), high, low];
        match version {
            Version::V31 => {
                sink.section(version.protocol_name().as_bytes());
                sink.put(&fields);
            }
            // At once, which is quicker.
            Version::V311 | Version::V5 => {
                let [level, flags, high, low] = fields;
                sink.put(&[0, 4, b'M', b'Q', b'T', b'T', level, flags, high, low]);
            }
        }
        self.properties.write(packet, Place::of(packet), version, None, sink)?;
        sink.section(self.client_id.as_bytes());
        if let Some(will) = &self.will {
            will.write(version, sink)?;
        }
        if let Some(username) = &self.username {
            sink.section(username.as_bytes());
        }
        match &self.password {
            Some(password) => write::binary(packet, "password", password.as_ref(), sink),
            None => Ok(()),
        }
    }
}

impl<B: Storage> Will<B> {
    #[inline(always)]
    fn decode(reader: &mut Reader<'_, B>, flags: u8) -> Result<Self, ProtocolError> {
        let (properties, delay_interval) = Properties::decode(reader, Place::WILL)?;
        let at = reader.position();
        let topic = reader.topic(WILL_TOPIC, &WILL_TOPIC_UTF8, &rules::TOPIC_WILDCARD)?;
        if topic.is_empty() {
            return Err(reader.fail_at(at, WILL_TOPIC, &rules::TOPIC_EMPTY));
        }
        let topic = TopicName::trusted(reader.slice(topic.start, topic.end));
        let payload = reader.binary("will payload")?;
        // 3 has been refused with the flags.
        let qos = QoS::new(will_qos(flags)).unwrap_or_default();
        let message = Message { topic, payload, qos, retain: flags & WILL_RETAIN != 0, properties };
        Ok(Self { message, delay_interval: delay_interval.unwrap_or(0) })
    }

    fn write<S: Sink>(&self, version: Version, sink: &mut S) -> Result<(), EncodeError> {
        let packet = PacketType::Connect;
        let Message { topic, payload, properties, .. } = &self.message;
        // 0 is the value of a will without it.
        let delay = Some(self.delay_interval).filter(|&seconds| seconds != 0).map(Apart::WillDelayInterval);
        properties.write(packet, Place::WILL, version, delay, sink)?;
        if topic.as_bytes().is_empty() {
            let rule = "a will has no Topic Alias to stand for it [MQTT-4.7.3-1]";
            return Err(EncodeError::Missing { packet, field: WILL_TOPIC, rule });
        }
        if version == Version::V31 && topic::is_too_long_for_v31(topic.as_bytes()) {
            return Err(EncodeError::TooLong { packet, field: WILL_TOPIC, max: topic::V31_MAX_CHARS });
        }
        sink.section(topic.as_bytes());
        write::binary(packet, "will payload", payload.as_ref(), sink)
    }
}

/// The version, and whether the client says that it is a bridge.
#[inline(always)]
fn decode_version<B: Storage>(reader: &mut Reader<'_, B>) -> Result<(Version, bool), ProtocolError> {
    let name_at = reader.position();
    let name = reader.section("protocol name")?;
    let is_old = match name {
        b"MQTT" => false,
        b"MQIsdp" => true, // D31-name
        _ => return Err(reader.fail_at(name_at, "protocol name", &PROTOCOL_NAME)),
    };
    let level_at = reader.position();
    match (is_old, reader.u8("protocol level")?) {
        (true, 3) => Ok((Version::V31, false)),
        (true, LEVEL_31_BRIDGE) => Ok((Version::V31, true)),
        (false, 4) => Ok((Version::V311, false)),
        (false, 5) => Ok((Version::V5, false)),
        (_, _) => Err(reader.fail_at(level_at, "protocol level", &PROTOCOL_LEVEL)),
    }
}

fn check_flags(flags: u8, version: Version) -> Result<(), &'static Rule> {
    let has = |flag| flags & flag != 0;
    if has(PASSWORD) && !has(USER_NAME) && version != Version::V5 {
        return Err(&PASSWORD_ALONE);
    }
    if has(WILL) && will_qos(flags) == 3 {
        return Err(&WILL_QOS_3);
    }
    // Of the bits that mean nothing MQTT 3.1 does not say what they must be. // D31-will
    if version == Version::V31 {
        return Ok(());
    }
    if has(RESERVED) {
        return Err(&RESERVED_FLAG);
    }
    if !has(WILL) && will_qos(flags) != 0 {
        return Err(&WILL_QOS_ALONE);
    }
    if !has(WILL) && has(WILL_RETAIN) {
        return Err(&WILL_RETAIN_ALONE);
    }
    Ok(())
}

/// MQTT 3.1 lets a client flag fields and leave them out at the end. // D31-missing
fn is_left_out<B: Storage>(reader: &Reader<'_, B>) -> bool {
    reader.version() == Version::V31 && reader.is_empty()
}

const fn will_qos(flags: u8) -> u8 {
    flags >> WILL_QOS_SHIFT & 0b11
}

const FLAGS: &str = "connect flags";
const WILL_TOPIC: &str = "will topic";

const RESERVED: u8 = 0b0000_0001;
const CLEAN_START: u8 = 0b0000_0010;
const WILL: u8 = 0b0000_0100;
const WILL_QOS_SHIFT: u8 = 3;
const WILL_RETAIN: u8 = 0b0010_0000;
const PASSWORD: u8 = 0b0100_0000;
const USER_NAME: u8 = 0b1000_0000;
const BRIDGE: u8 = 0x80;
const LEVEL_31_BRIDGE: u8 = 3 | BRIDGE;

const PROTOCOL_NAME: Rule = unsupported("neither MQTT nor MQIsdp", "MQTT-3.1.2-1");
const PROTOCOL_LEVEL: Rule = unsupported("no version of MQTT that we speak", "MQTT-3.1.2-2");
const RESERVED_FLAG: Rule = Rule::malformed("bit 0 must be 0", "MQTT-3.1.2-3", "MQTT-3.1.2-3");
const WILL_QOS_3: Rule = Rule::malformed("there is no will QoS 3", "MQTT-3.1.2-14", "MQTT-3.1.2-12");
const WILL_QOS_ALONE: Rule = Rule::malformed("will QoS without a will", "MQTT-3.1.2-13", "MQTT-3.1.2-11");
const WILL_RETAIN_ALONE: Rule = Rule::malformed("will retain without a will", "MQTT-3.1.2-15", "MQTT-3.1.2-13");
const PASSWORD_ALONE: Rule = Rule::malformed("a password without a user name", "MQTT-3.1.2-22", "MQTT-3.1.2-19");
const CLIENT_ID_UTF8: Rule = Rule::malformed(rules::UTF8_WORDS, "MQTT-3.1.3-4", "MQTT-3.1.3-4");
const WILL_TOPIC_UTF8: Rule = Rule::malformed(rules::UTF8_WORDS, "MQTT-3.1.3-10", "MQTT-3.1.3-11");
const USER_NAME_UTF8: Rule = Rule::malformed(rules::UTF8_WORDS, "MQTT-3.1.3-11", "MQTT-3.1.3-12");

const fn unsupported(words: &'static str, statement: &'static str) -> Rule {
    Rule { words, v3: statement, v5: statement, reason: ReasonCode::UNSUPPORTED_PROTOCOL_VERSION }
}
