//! The properties of one packet, as the validated bytes they have on the wire.

use core::{
    fmt,
    hash::{Hash, Hasher},
    mem,
    num::NonZeroU16,
};

use bytes::{Bytes, BytesMut};

use super::{Place, PropertyId, PropertyValue, check_value, read_id, read_value, table, write};
use crate::{
    EncodeError, PacketType, ProtocolError, Storage, Version,
    read::Reader,
    rules, text,
    write::{Counter, Sink, as_varint},
};

/// The properties of one packet (5.0 section 2.2.2), checked once and kept as encoded.
///
/// Topic Alias and Will Delay Interval are never among them: they are fields of [`Publish`](crate::Publish) and
/// [`Will`](crate::Will).
#[derive(Clone, Default)]
pub struct Properties<B: Storage = Bytes> {
    bytes: B,
    /// Bit n: property n is among the bytes. `OVERLONG`: one was given that is too long to encode.
    present: u64,
}

impl<B: Storage> Properties<B> {
    /// Whether there are none.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.present & !HIDDEN == 0
    }

    /// Whether there are none, not even one that is too long to encode.
    #[inline]
    pub(crate) fn is_none(&self) -> bool {
        self.present == 0
    }

    /// Bytes that they take on the wire, the Property Length aside.
    #[must_use]
    #[inline]
    pub fn encoded_len(&self) -> usize {
        if self.has_hidden() { self.visible_len() } else { self.bytes.as_ref().len() }
    }

    #[cold]
    fn visible_len(&self) -> usize {
        let mut counter = Counter::default();
        self.write_visible(&mut counter);
        counter.count()
    }

    /// Whether a property is there.
    #[must_use]
    #[inline]
    pub fn contains(&self, id: PropertyId) -> bool {
        self.present & !HIDDEN & id.bit() != 0
    }

    /// All of them, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (PropertyId, PropertyValue<'_>)> {
        self.visible().map(|property| (property.id, property.value))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    /// The same properties, in a copy of their bytes.
    pub(crate) fn in_bytes(&self, bytes: Bytes) -> Properties<Bytes> {
        Properties { bytes, present: self.present }
    }

    /// The same properties, independent of the buffer.
    #[must_use]
    pub fn to_shared(&self) -> Properties<Bytes> {
        Properties { bytes: self.bytes.to_shared(), present: self.present }
    }

    /// The values of all properties of one name; for free if there are none.
    pub(super) fn all(&self, wanted: PropertyId) -> impl Iterator<Item = PropertyValue<'_>> {
        let bytes = if self.contains(wanted) { self.bytes.as_ref() } else { &[] };
        Encoded::all(bytes).filter(move |property| property.id == wanted).map(|property| property.value)
    }

    fn visible(&self) -> impl Iterator<Item = Encoded<'_>> {
        Encoded::all(self.bytes.as_ref()).filter(|property| property.id.bit() & HIDDEN == 0)
    }

    #[inline]
    fn has_hidden(&self) -> bool {
        self.present & HIDDEN != 0
    }

    /// Reads the Property Length and the properties, and checks them against the table. The value of a Topic Alias or
    /// Will Delay Interval comes apart.
    #[inline(always)]
    pub(crate) fn decode(reader: &mut Reader<'_, B>, place: Place) -> Result<(Self, Option<u32>), ProtocolError> {
        match reader.version() {
            Version::V31 | Version::V311 => return Ok((Self::default(), None)),
            Version::V5 => {}
        }
        Self::decode_v5(reader, place)
    }

    fn decode_v5(reader: &mut Reader<'_, B>, place: Place) -> Result<(Self, Option<u32>), ProtocolError> {
        match reader.varint(PROPERTY_LENGTH)? {
            0 => Ok((Self::default(), None)),
            len => {
                // A copy, so that the usual packet's reader is never pointed to.
                let mut copy = reader.clone();
                let result = Self::decode_some(&mut copy, len as usize, place);
                *reader = copy;
                result
            }
        }
    }

    fn decode_some(reader: &mut Reader<'_, B>, len: usize, place: Place) -> Result<(Self, Option<u32>), ProtocolError> {
        let mut block = reader.sub(len, PROPERTY_LENGTH, &table::TOO_LONG)?;
        let (mut start, mut end) = (block.position(), reader.position());
        let (allowed, repeatable) = (place.allowed(), place.repeatable());
        let (mut seen, mut cut_off) = (0, 0);
        let mut apart = None;
        while !block.is_empty() {
            let at = block.position();
            let row = read_id(&mut block)?;
            let bit = row.id.bit();
            if allowed & bit == 0 {
                return Err(block.fail_at(at, row.name, &table::MISPLACED));
            }
            if seen & bit & !repeatable != 0 {
                return Err(block.fail_at(at, row.name, &table::REPEATED));
            }
            seen |= bit;
            let value = check_value(&mut block, at, row)?;
            if bit & HIDDEN != 0 {
                apart = value;
                // At either end, as all encoders put it, it is cut off; in the middle it stays, hidden.
                if at == start {
                    start = block.position();
                    cut_off = bit;
                } else if block.is_empty() {
                    end = at;
                    cut_off = bit;
                }
            }
        }
        let present = seen & !cut_off;
        if present & PropertyId::AuthenticationData.bit() != 0 && present & PropertyId::AuthenticationMethod.bit() == 0
        {
            return Err(reader.fail("Authentication Data", &rules::AUTHENTICATION_DATA_ALONE)); // U5-3.1.2.11.10
        }
        Ok((Self { bytes: reader.slice(start, end), present }, apart))
    }

    /// Writes the Property Length, the property that is a field elsewhere, and the properties.
    #[inline(always)]
    pub(crate) fn write<S: Sink>(
        &self,
        packet: PacketType,
        place: Place,
        version: Version,
        apart: Option<Apart>,
        sink: &mut S,
    ) -> Result<(), EncodeError> {
        if !self.is_none() || apart.is_some() {
            return self.write_some(packet, place, version, apart, sink);
        }
        if version == Version::V5 {
            sink.u8(0); // MQTT-2.2.2-1
        }
        Ok(())
    }

    fn write_some<S: Sink>(
        &self,
        packet: PacketType,
        place: Place,
        version: Version,
        apart: Option<Apart>,
        sink: &mut S,
    ) -> Result<(), EncodeError> {
        sink.varint(self.length_of_some(packet, place, version, apart)?);
        self.write_bytes(apart, sink);
        Ok(())
    }

    /// Checks what the types leave open. Returns the Property Length, if the version has one.
    #[inline(always)]
    pub(crate) fn length(
        &self,
        packet: PacketType,
        place: Place,
        version: Version,
        apart: Option<Apart>,
    ) -> Result<Option<u32>, EncodeError> {
        if !self.is_none() || apart.is_some() {
            return self.length_of_some(packet, place, version, apart).map(Some);
        }
        Ok(if version == Version::V5 { Some(0) } else { None })
    }

    #[inline]
    fn length_of_some(
        &self,
        packet: PacketType,
        place: Place,
        version: Version,
        apart: Option<Apart>,
    ) -> Result<u32, EncodeError> {
        // One that is too long to encode is allowed nowhere.
        let is_misplaced = self.present & !HIDDEN & !place.allowed() != 0;
        let lacks_method =
            self.contains(PropertyId::AuthenticationData) && !self.contains(PropertyId::AuthenticationMethod);
        if version != Version::V5 || is_misplaced || lacks_method {
            return Err(self.mistake(packet, place, version, apart));
        }
        let len = self.encoded_len().saturating_add(apart.map_or(0, Apart::len));
        as_varint(len, packet, PROPERTY_LENGTH)
    }

    /// What the types leave open: properties of a message that came another way, and values that are too long.
    #[cold]
    fn mistake(&self, packet: PacketType, place: Place, version: Version, apart: Option<Apart>) -> EncodeError {
        if version != Version::V5 {
            let field = apart.map(Apart::id).or_else(|| self.iter().next().map(|(id, _)| id));
            return match field {
                Some(id) => EncodeError::NotInVersion { packet, field: id.name(), version },
                // None that can be seen, but not none: one was too long to be put in.
                None => overlong(packet, place),
            };
        }
        if self.present & OVERLONG != 0 {
            return overlong(packet, place);
        }
        if let Some((id, _)) = self.iter().find(|(id, _)| id.bit() & place.allowed() == 0) {
            let rule = "this packet does not carry this property";
            return EncodeError::Forbidden { packet, field: id.name(), rule };
        }
        let (field, rule) = ("Authentication Method", "Authentication Data needs one [U5-3.1.2.11.10]");
        EncodeError::Missing { packet, field, rule }
    }

    #[inline]
    pub(crate) fn write_bytes<S: Sink>(&self, apart: Option<Apart>, sink: &mut S) {
        match apart {
            None => {}
            Some(Apart::TopicAlias(alias)) => {
                let [high, low] = alias.get().to_be_bytes();
                sink.put(&[PropertyId::TopicAlias as u8, high, low]);
            }
            Some(Apart::WillDelayInterval(seconds)) => {
                let [a, b, c, d] = seconds.to_be_bytes();
                sink.put(&[PropertyId::WillDelayInterval as u8, a, b, c, d]);
            }
        }
        if self.has_hidden() {
            self.write_visible(sink);
        } else {
            sink.put(self.bytes.as_ref());
        }
    }

    #[cold]
    fn write_visible<S: Sink>(&self, sink: &mut S) {
        self.visible().for_each(|property| sink.put(property.bytes));
    }
}

impl Properties<Bytes> {
    /// Puts a property in, in the place of all of its name. A binary value longer than 65,535 bytes makes the packet
    /// impossible to encode, until a shorter one takes its place.
    pub(crate) fn set(&mut self, id: PropertyId, value: PropertyValue<'_>) {
        self.remove(id);
        if let PropertyValue::Binary(_) = value {
            self.present &= !OVERLONG;
        }
        self.add(id, value);
    }

    /// Puts a property in, unless one of its name is there.
    pub(crate) fn set_if_absent(&mut self, id: PropertyId, value: PropertyValue<'_>) {
        if !self.contains(id) {
            self.add(id, value);
        }
    }

    /// Puts a property in, after all others. The caller sees to it that it may repeat.
    pub(crate) fn add(&mut self, id: PropertyId, value: PropertyValue<'_>) {
        if !fits(value) {
            self.present |= OVERLONG;
            return;
        }
        // Bytes that nobody else holds grow in place.
        let mut bytes = mem::take(&mut self.bytes).try_into_mut().unwrap_or_else(|shared| BytesMut::from(&*shared));
        write(&mut bytes, id, value);
        self.bytes = bytes.freeze();
        self.present |= id.bit();
    }

    /// Takes all properties of this name out; tells whether there was one.
    pub(crate) fn remove(&mut self, id: PropertyId) -> bool {
        if !self.contains(id) {
            return false;
        }
        let mut kept = BytesMut::with_capacity(self.bytes.len());
        for property in self.visible().filter(|property| property.id != id) {
            kept.put(property.bytes);
        }
        self.bytes = kept.freeze();
        self.present &= !(id.bit() | HIDDEN);
        true
    }
}

/// A property that is a field of its packet, and goes before the others.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Apart {
    TopicAlias(NonZeroU16),
    /// In seconds.
    WillDelayInterval(u32),
}

impl Apart {
    fn id(self) -> PropertyId {
        match self {
            Self::TopicAlias(_) => PropertyId::TopicAlias,
            Self::WillDelayInterval(_) => PropertyId::WillDelayInterval,
        }
    }

    /// Bytes that it takes.
    #[inline]
    fn len(self) -> usize {
        match self {
            Self::TopicAlias(_) => 3,
            Self::WillDelayInterval(_) => 5,
        }
    }
}

/// One property among encoded ones.
struct Encoded<'a> {
    id: PropertyId,
    value: PropertyValue<'a>,
    /// Identifier and value.
    bytes: &'a [u8],
}

impl<'a> Encoded<'a> {
    /// Reads properties that have been checked; stops at what is none.
    fn all(bytes: &'a [u8]) -> impl Iterator<Item = Self> {
        let mut reader = Reader::unframed(bytes);
        core::iter::from_fn(move || {
            if reader.is_empty() {
                return None;
            }
            let before = reader.clone();
            let row = read_id(&mut reader).ok()?;
            let value = read_value(&mut reader, row).ok()?;
            Some(Encoded { id: row.id, value, bytes: reader.since(&before) })
        })
    }
}

impl<B: Storage> PartialEq for Properties<B> {
    fn eq(&self, other: &Self) -> bool {
        if self.present & !HIDDEN != other.present & !HIDDEN {
            return false;
        }
        if self.has_hidden() || other.has_hidden() {
            return self.visible().map(|property| property.bytes).eq(other.visible().map(|property| property.bytes));
        }
        self.bytes == other.bytes
    }
}

impl<B: Storage> Eq for Properties<B> {}

impl<B: Storage> Hash for Properties<B> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.present & !HIDDEN).hash(state);
        // One by one, so that a hidden property makes no difference.
        self.visible().for_each(|property| property.bytes.hash(state));
    }
}

impl<B: Storage> fmt::Debug for Properties<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (id, value) in self.iter() {
            match id {
                // A log must not hold secrets.
                PropertyId::AuthenticationData => map.entry(&id, &"..."),
                _ => map.entry(&id, &value),
            };
        }
        map.finish()
    }
}

fn fits(value: PropertyValue<'_>) -> bool {
    match value {
        // Texts are never too long.
        PropertyValue::Byte(_) | PropertyValue::Number(_) | PropertyValue::Text(_) | PropertyValue::Pair(..) => true,
        PropertyValue::Binary(bytes) => bytes.len() <= text::MAX_LEN,
    }
}

fn overlong(packet: PacketType, place: Place) -> EncodeError {
    // Each place has one binary property at most.
    let is_message = place.allowed() & PropertyId::CorrelationData.bit() != 0;
    let id = if is_message { PropertyId::CorrelationData } else { PropertyId::AuthenticationData };
    EncodeError::TooLong { packet, field: id.name(), max: text::MAX_LEN }
}

/// The properties that are fields elsewhere.
const HIDDEN: u64 = PropertyId::TopicAlias.bit() | PropertyId::WillDelayInterval.bit();
const OVERLONG: u64 = 1 << 63;
const PROPERTY_LENGTH: &str = "Property Length";

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(properties: &Properties) -> alloc::vec::Vec<PropertyId> {
        properties.iter().map(|(id, _)| id).collect()
    }

    #[test]
    fn removing_takes_all_of_one_name_and_leaves_the_order() {
        let mut properties = Properties::default();
        properties.add(PropertyId::UserProperty, PropertyValue::Pair("a", "1"));
        properties.set(PropertyId::ReasonString, PropertyValue::Text("why"));
        properties.add(PropertyId::UserProperty, PropertyValue::Pair("b", "2"));
        properties.set(PropertyId::ReceiveMaximum, PropertyValue::Number(3));
        assert!(properties.remove(PropertyId::UserProperty));
        assert!(!properties.remove(PropertyId::UserProperty));
        assert_eq!(ids(&properties), [PropertyId::ReasonString, PropertyId::ReceiveMaximum]);
        assert!(properties.remove(PropertyId::ReasonString) && properties.remove(PropertyId::ReceiveMaximum));
        assert!(properties.is_empty());
        assert_eq!(properties, Properties::default());
    }

    // A Topic Alias among them is a field of PUBLISH: it is neither seen nor sent with them.
    #[test]
    fn a_hidden_property_does_not_count() {
        let (version, place) = (Version::V5, Place::of(PacketType::Publish));
        // Content Type, Topic Alias, User Property.
        let bytes = Bytes::from_static(b"\x0e\x03\0\x01t\x23\0\x05\x26\0\x01a\0\x01b");
        let mut reader = Reader::new(&bytes, &bytes, PacketType::Publish, version);
        let Ok((properties, alias)) = Properties::decode(&mut reader, place) else { panic!("it is legal") };
        assert_eq!(alias, Some(5));
        assert_eq!(ids(&properties), [PropertyId::ContentType, PropertyId::UserProperty]);
        assert_eq!(properties.encoded_len(), 4 + 7);
    }

    #[test]
    fn set_if_absent_leaves_what_is_there() {
        let mut properties = Properties::default();
        properties.set_if_absent(PropertyId::ReceiveMaximum, PropertyValue::Number(3));
        properties.set_if_absent(PropertyId::ReceiveMaximum, PropertyValue::Number(4));
        assert_eq!(properties.receive_maximum().map(u16::from), Some(3));
    }

    #[test]
    fn a_clone_is_not_changed_by_what_is_added_to_the_other() {
        let mut properties = Properties::default();
        properties.add(PropertyId::UserProperty, PropertyValue::Pair("a", "1"));
        let before = properties.clone();
        properties.add(PropertyId::UserProperty, PropertyValue::Pair("b", "2"));
        assert_eq!((before.user_properties().count(), properties.user_properties().count()), (1, 2));
    }
}
