//! Packets that may carry a Reason String and User Properties, which give way to the peer's Maximum Packet Size.

use crate::write::{self, Sink, Write};
use crate::{
    AckPacket, Auth, ConnAck, Disconnect, EncodeError, PacketType, Properties, PropertyId, SubAck, UnsubAck, Version,
};

/// A packet of which the optional parts may be left out.
pub(crate) trait Control: Write {
    fn properties_mut(&mut self) -> &mut Properties;
}

/// Leaves out User Properties, then the Reason String, until the packet is within `maximum`. Returns its length.
pub(crate) fn fit<P: Control>(
    packet: &mut P,
    version: Version,
    maximum: u32,
    problem_information: bool,
) -> Result<usize, EncodeError> {
    // MQTT-3.1.2-29
    if !problem_information && !matches!(packet.packet_type(), PacketType::ConnAck | PacketType::Disconnect) {
        packet.properties_mut().remove(PropertyId::UserProperty);
        packet.properties_mut().remove(PropertyId::ReasonString);
    }
    let mut len = write::encoded_len(packet, version)?;
    for optional in [PropertyId::UserProperty, PropertyId::ReasonString] {
        if len > maximum as usize && packet.properties_mut().remove(optional) {
            len = write::encoded_len(packet, version)?;
        }
    }
    Ok(len)
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP with its type.
pub(crate) struct TypedAck(pub(crate) PacketType, pub(crate) AckPacket);

impl Write for TypedAck {
    fn packet_type(&self) -> PacketType {
        self.0
    }

    #[inline]
    fn write<S: Sink>(&self, version: Version, sink: &mut S) -> Result<(), EncodeError> {
        self.1.write_as(self.0, version, sink)
    }
}

impl Control for TypedAck {
    fn properties_mut(&mut self) -> &mut Properties {
        &mut self.1.properties
    }
}

macro_rules! control {
    ($($packet:ident),*) => {$(
        impl Control for $packet {
            fn properties_mut(&mut self) -> &mut Properties {
                &mut self.properties
            }
        }
    )*};
}

control!(ConnAck, Disconnect, SubAck, UnsubAck, Auth);
