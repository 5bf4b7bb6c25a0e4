//! What needs other people's crates: our decoder beside three others.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::sync::OnceLock;

use bytes::{Bytes, BytesMut};
use mqtt_proto::{FixedHeader, Packet, PacketType, Publish, QoS, Version};

/// Decodes one frame of 3.1.1 or 5.0, which the first byte chooses, with our decoder and with theirs. The law: all come to
/// the same verdict, and in a PUBLISH to the same topic, payload, quality of service and identifier; or `differences.tsv`
/// explains why not.
///
/// # Panics
///
/// If there is a difference that is not explained.
pub fn differential(input: &[u8]) {
    for difference in differences(input) {
        assert!(explanations().contains_key(&difference.key()), "not explained: {difference:?}");
    }
}

/// Where another decoder and ours do not agree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// Whose decoder.
    pub decoder: &'static str,
    /// What it does.
    pub it: &'static str,
    /// Our statement if we refuse; else the packet and the name of its error, or the field.
    pub what: String,
}

impl Difference {
    /// The line of the table that must explain it, as its first three columns.
    pub fn key(&self) -> String {
        format!("{}\t{}\t{}", self.decoder, self.it, self.what)
    }
}

/// All differences over one input.
pub fn differences(input: &[u8]) -> Vec<Difference> {
    let Some((&choice, stream)) = input.split_first() else { return Vec::new() };
    let Ok(Some(header)) = FixedHeader::parse(stream) else { return Vec::new() };
    let Some(frame) = stream.get(..header.frame_len()) else { return Vec::new() };
    let version = if choice & 1 == 0 { Version::V311 } else { Version::V5 };
    if says_another_version(frame, header, version) {
        // Ours goes by what it says, and theirs only speak the one.
        return Vec::new();
    }
    let ours = Packet::decode(version, Bytes::copy_from_slice(frame));
    let theirs: &[(&str, Theirs)] = match version {
        Version::V5 => &[("mqtt5-protocol", mqtt5_protocol), ("mqttbytes::v5", mqttbytes_v5)],
        Version::V31 | Version::V311 => &[("mqttbytes::v4", mqttbytes_v4), ("mqttrs", mqttrs)],
    };
    let mut found = Vec::new();
    for (decoder, decode) in theirs {
        let (it, what) = match (&ours, quietly(|| decode(frame))) {
            (_, None) => ("panics", header.packet_type().name().to_owned()),
            (Ok(_), Some(Err(error))) => ("refuses", format!("{} {error}", header.packet_type().name())),
            (Err(error), Some(Ok(_))) => ("accepts", error.statement().to_owned()),
            (Err(_), Some(Err(_))) => continue,
            (Ok(Packet::Publish(publish)), Some(Ok(Some(seen)))) if *publish != seen => ("reads", "PUBLISH".to_owned()),
            (Ok(_), Some(Ok(_))) => continue,
        };
        found.push(Difference { decoder, it, what });
    }
    found
}

/// Whether this is a CONNECT that begins with the name and the level of a version, and not of this one.
fn says_another_version(frame: &[u8], header: FixedHeader, version: Version) -> bool {
    const SAID: [(&[u8], Version); 4] = [
        (b"\0\x06MQIsdp\x03", Version::V31),
        // Of a bridge.
        (b"\0\x06MQIsdp\x83", Version::V31),
        (b"\0\x04MQTT\x04", Version::V311),
        (b"\0\x04MQTT\x05", Version::V5),
    ];
    let body = &frame[header.header_len()..];
    header.packet_type() == PacketType::Connect
        && SAID.iter().any(|(said, other)| *other != version && body.starts_with(said))
}

/// Decodes a whole frame: a PUBLISH without its properties, or nothing that is compared; or the name of an error.
type Theirs = fn(&[u8]) -> Result<Option<Seen>, String>;

/// What is compared of a PUBLISH.
struct Seen {
    topic: Vec<u8>,
    payload: Vec<u8>,
    qos: u8,
    dup: bool,
    retain: bool,
    id: u16,
}

impl PartialEq<Seen> for Publish {
    fn eq(&self, seen: &Seen) -> bool {
        let message = &self.message;
        message.topic.as_bytes() == seen.topic
            && message.payload[..] == seen.payload[..]
            && message.qos as u8 == seen.qos
            && message.retain == seen.retain
            && self.dup == seen.dup
            && (message.qos == QoS::AtMostOnce || self.packet_id.map_or(0, |id| id.get()) == seen.id)
    }
}

fn mqtt5_protocol(frame: &[u8]) -> Result<Option<Seen>, String> {
    use mqtt5_protocol::packet::{FixedHeader, Packet};
    let mut rest = Bytes::copy_from_slice(frame);
    let header = FixedHeader::decode(&mut rest).map_err(|error| name(&error))?;
    if !header.validate_flags() {
        return Err("InvalidFlags".to_owned());
    }
    match Packet::decode_from_body(header.packet_type, &header, &mut rest) {
        Ok(Packet::Publish(publish)) => {
            let (topic, payload) = (publish.topic_name.into_bytes(), publish.payload.to_vec());
            let (qos, dup, retain) = (publish.qos as u8, publish.dup, publish.retain);
            Ok(Some(Seen { topic, payload, qos, dup, retain, id: publish.packet_id.unwrap_or_default() }))
        }
        Ok(_) => Ok(None),
        Err(error) => Err(name(&error)),
    }
}

fn mqttbytes_v4(frame: &[u8]) -> Result<Option<Seen>, String> {
    match mqttbytes::v4::read(&mut BytesMut::from(frame), frame.len()) {
        Ok(mqttbytes::v4::Packet::Publish(publish)) => {
            let (topic, payload) = (publish.topic.into_bytes(), publish.payload.to_vec());
            let (qos, dup, retain) = (publish.qos as u8, publish.dup, publish.retain);
            Ok(Some(Seen { topic, payload, qos, dup, retain, id: publish.pkid }))
        }
        Ok(_) => Ok(None),
        Err(error) => Err(name(&error)),
    }
}

fn mqttbytes_v5(frame: &[u8]) -> Result<Option<Seen>, String> {
    match mqttbytes::v5::read(&mut BytesMut::from(frame), frame.len()) {
        Ok(mqttbytes::v5::Packet::Publish(publish)) => {
            let (topic, payload) = (publish.topic.into_bytes(), publish.payload.to_vec());
            let (qos, dup, retain) = (publish.qos as u8, publish.dup, publish.retain);
            Ok(Some(Seen { topic, payload, qos, dup, retain, id: publish.pkid }))
        }
        Ok(_) => Ok(None),
        Err(error) => Err(name(&error)),
    }
}

fn mqttrs(frame: &[u8]) -> Result<Option<Seen>, String> {
    match mqttrs::decode_slice(frame) {
        Ok(Some(mqttrs::Packet::Publish(publish))) => {
            let (qos, id) = match publish.qospid {
                mqttrs::QosPid::AtMostOnce => (0, 0),
                mqttrs::QosPid::AtLeastOnce(pid) => (1, pid.get()),
                mqttrs::QosPid::ExactlyOnce(pid) => (2, pid.get()),
            };
            let (topic, payload) = (publish.topic_name.as_bytes().to_vec(), publish.payload.to_vec());
            Ok(Some(Seen { topic, payload, qos, dup: publish.dup, retain: publish.retain, id }))
        }
        Ok(Some(_)) => Ok(None),
        Ok(None) => Err("Incomplete".to_owned()),
        Err(error) => Err(name(&error)),
    }
}

/// The name of an error, without what it holds.
fn name(error: &impl std::fmt::Debug) -> String {
    let words = format!("{error:?}");
    words.split(['(', ' ', '{']).next().unwrap_or_default().to_owned()
}

/// `None` if it panics: theirs may, and a fuzzer must not take it for ours.
fn quietly<T>(decode: impl FnOnce() -> T) -> Option<T> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let result = panic::catch_unwind(AssertUnwindSafe(decode)).ok();
    panic::set_hook(hook);
    result
}

/// The committed table: decoder, what it does, what about; then the statement and our words on why we differ.
pub fn explanations() -> &'static BTreeMap<String, String> {
    static TABLE: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let rows = include_str!("../differences.tsv").lines().skip(1).filter_map(|line| {
            let mut columns = line.splitn(4, '\t');
            let key = [columns.next()?, columns.next()?, columns.next()?].join("\t");
            Some((key, columns.next()?.to_owned()))
        });
        rows.collect()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use mqtt_proto::{FixedHeader, PacketType, Version};

    use super::{differences, explanations};

    /// The inputs of every target that begin with a version and go on with a frame.
    fn inputs() -> Vec<Vec<u8>> {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
        let files = ["decode", "differential"].map(|target| fs::read_dir(corpus.join(target)).unwrap());
        files.into_iter().flatten().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
    }

    fn level_of_connect(input: &mut [u8]) -> Option<&mut u8> {
        let header = FixedHeader::parse(input.get(1..)?).ok()??;
        let (_, body) = input.split_at_mut_checked(1 + header.header_len())?;
        let is_connect = header.packet_type() == PacketType::Connect && body.starts_with(b"\0\x04MQTT");
        body.get_mut(6).filter(|_| is_connect)
    }

    #[test]
    fn every_difference_is_explained_and_every_explanation_is_shown() {
        let mut shown = BTreeSet::new();
        for mut input in inputs() {
            // In either version, whichever it was meant for; a CONNECT says so, too.
            for (choice, version) in [Version::V311, Version::V5].into_iter().enumerate() {
                if let Some(first) = input.first_mut() {
                    *first = choice as u8;
                }
                shown.extend(differences(&input).iter().map(|difference| difference.key()));
                let mut with_level = input.clone();
                if let Some(level) = level_of_connect(&mut with_level) {
                    *level = version.level();
                    shown.extend(differences(&with_level).iter().map(|difference| difference.key()));
                }
            }
        }
        let explained: BTreeSet<String> = explanations().keys().cloned().collect();
        let missing: Vec<_> = shown.difference(&explained).collect();
        assert!(
            missing.is_empty(),
            "not explained:\n{}",
            missing.iter().map(|key| format!("{key}\n")).collect::<String>()
        );
        let idle: Vec<_> = explained.difference(&shown).collect();
        assert!(idle.is_empty(), "no input shows: {idle:#?}");
    }
}
