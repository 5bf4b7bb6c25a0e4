//! Random packets come back as they were, from both storages.

use bytes::BytesMut;
use mqtt_proto::FixedHeader;
use proptest::{collection::vec, prelude::*, sample::select};

use crate::generate::packet;
use crate::util::decode;

proptest! {
    // I4, I5 of the reliability plan.
    #[test]
    fn what_is_encoded_decodes_to_the_same_packet((version, packet) in packet()) {
        let mut out = BytesMut::new();
        packet.encode(version, &mut out).unwrap();
        prop_assert_eq!(packet.encoded_len(version), Ok(out.len()));
        let header = FixedHeader::parse(&out).unwrap().unwrap();
        prop_assert_eq!((header.frame_len(), header.packet_type()), (out.len(), packet.packet_type()));
        // `decode` of the tests compares both storages.
        prop_assert_eq!(decode(version, &out).unwrap(), packet);
    }

    // I1: whatever comes, and decoded packets can be encoded again, or the encoder says why not.
    #[test]
    fn any_bytes_are_survived(version in select(&crate::util::VERSIONS[..]), bytes in vec(any::<u8>(), 0..60)) {
        let _ = FixedHeader::parse(&bytes);
        for first_byte in [0x10, 0x20, 0x30, 0x3D, 0x40, 0x62, 0x82, 0x90, 0xA2, 0xB0, 0xE0, 0xF0] {
            let frame = crate::util::frame(first_byte, &bytes);
            if let Ok(packet) = decode(version, &frame) {
                let mut out = BytesMut::new();
                if packet.encode(version, &mut out).is_ok() {
                    prop_assert_eq!(decode(version, &out).unwrap(), packet);
                }
            }
        }
    }

    // I1, nearer to what is legal: damaged packets.
    #[test]
    fn damaged_packets_are_survived((version, packet) in packet(), place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut out = BytesMut::new();
        packet.encode(version, &mut out).unwrap();
        let place = place.index(out.len());
        out[place] = byte;
        if let Ok(packet) = decode(version, &out) {
            let mut again = BytesMut::new();
            if packet.encode(version, &mut again).is_ok() {
                prop_assert_eq!(decode(version, &again).unwrap(), packet);
            }
        }
    }
}
