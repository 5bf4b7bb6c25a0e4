//! Packets that may carry a Reason String and User Properties, which give way to the peer's Maximum Packet Size.

use bytes::BytesMut;

use crate::{
    AckPacket, Auth, ConnAck, Disconnect, EncodeError, PacketType, Properties, PropertyId, SubAck, UnsubAck, Version,
};

/// A packet of which the optional parts may be left out.
pub(crate) trait Control {
    /// Whether it may carry a Reason String and User Properties to a client that asked for no problem information
    /// (MQTT-3.1.2-29).
    const KEEPS_PROBLEM_INFORMATION: bool = false;
    fn properties_mut(&mut self) -> &mut Properties;
    fn encoded_len(&self, version: Version) -> Result<usize, EncodeError>;
    fn encode(&self, version: Version, out: &mut BytesMut) -> Result<(), EncodeError>;
}

/// Leaves out User Properties, then the Reason String, until the packet is within `maximum`. Returns its length.
pub(crate) fn fit<P: Control>(
    packet: &mut P,
    version: Version,
    maximum: u32,
    problem_information: bool,
) -> Result<usize, EncodeError> {
    if !problem_information && !P::KEEPS_PROBLEM_INFORMATION {
        packet.properties_mut().remove(PropertyId::UserProperty);
        packet.properties_mut().remove(PropertyId::ReasonString);
    }
    let mut len = packet.encoded_len(version)?;
    for optional in [PropertyId::UserProperty, PropertyId::ReasonString] {
        if len > maximum as usize && packet.properties_mut().remove(optional) {
            len = packet.encoded_len(version)?;
        }
    }
    Ok(len)
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP with its type.
pub(crate) struct TypedAck(pub(crate) PacketType, pub(crate) AckPacket);

impl Control for TypedAck {
    fn properties_mut(&mut self) -> &mut Properties {
        &mut self.1.properties
    }

    fn encoded_len(&self, version: Version) -> Result<usize, EncodeError> {
        self.1.encoded_len(self.0, version)
    }

    fn encode(&self, version: Version, out: &mut BytesMut) -> Result<(), EncodeError> {
        self.1.encode(self.0, version, out)
    }
}

impl Control for ConnAck {
    const KEEPS_PROBLEM_INFORMATION: bool = true;

    fn properties_mut(&mut self) -> &mut Properties {
        &mut self.properties
    }

    fn encoded_len(&self, version: Version) -> Result<usize, EncodeError> {
        Self::encoded_len(self, version)
    }

    fn encode(&self, version: Version, out: &mut BytesMut) -> Result<(), EncodeError> {
        Self::encode(self, version, out)
    }
}

impl Control for Disconnect {
    const KEEPS_PROBLEM_INFORMATION: bool = true;

    fn properties_mut(&mut self) -> &mut Properties {
        &mut self.properties
    }

    fn encoded_len(&self, version: Version) -> Result<usize, EncodeError> {
        Self::encoded_len(self, version)
    }

    fn encode(&self, version: Version, out: &mut BytesMut) -> Result<(), EncodeError> {
        Self::encode(self, version, out)
    }
}

impl Control for SubAck {
    fn properties_mut(&mut self) -> &mut Properties {
        &mut self.properties
    }

    fn encoded_len(&self, version: Version) -> Result<usize, EncodeError> {
        Self::encoded_len(self, version)
    }

    fn encode(&self, version: Version, out: &mut BytesMut) -> Result<(), EncodeError> {
        Self::encode(self, version, out)
    }
}

impl Control for UnsubAck {
    fn properties_mut(&mut self) -> &mut Properties {
        &mut self.properties
    }

    fn encoded_len(&self, version: Version) -> Result<usize, EncodeError> {
        Self::encoded_len(self, version)
    }

    fn encode(&self, version: Version, out: &mut BytesMut) -> Result<(), EncodeError> {
        Self::encode(self, version, out)
    }
}

impl Control for Auth {
    fn properties_mut(&mut self) -> &mut Properties {
        &mut self.properties
    }

    fn encoded_len(&self, version: Version) -> Result<usize, EncodeError> {
        Self::encoded_len(self, version)
    }

    fn encode(&self, version: Version, out: &mut BytesMut) -> Result<(), EncodeError> {
        Self::encode(self, version, out)
    }
}
