//! The family of mqttbytes: the crate, and what rumqttc and rumqttc-next have made of it. All copy texts into `String`s, and share
//! payloads with the read buffer.

use std::fmt::Debug;
use std::hint::black_box;
use std::rc::Rc;

use bytes::BytesMut;
use mqtt_benches::Row;
use mqtt_benches::samples::Sample;

use crate::{is_v5, loops};

const MAX: usize = 2 << 20;

pub(crate) fn rows(sample: &Sample) -> Vec<Row> {
    if is_v5(sample) { v5(sample) } else { v4(sample) }
}

fn v4(sample: &Sample) -> Vec<Row> {
    let mut rows = family(
        "mqttbytes 0.6.0",
        sample,
        |buffer| mqttbytes::v4::read(buffer, MAX),
        |packet, out| {
            use mqttbytes::v4::Packet;
            match packet {
                Packet::Publish(publish) => publish.write(out),
                Packet::PubAck(puback) => puback.write(out),
                Packet::Connect(connect) => connect.write(out),
                packet => unreachable!("{packet:?} is no sample"),
            }
            .expect("it has been decoded");
        },
    );
    rows.extend(family(
        "rumqttc 0.25.1",
        sample,
        |buffer| rumqttc::mqttbytes::v4::Packet::read(buffer, MAX),
        |packet, out| assert!(packet.write(out, MAX).is_ok()),
    ));
    rows.extend(family(
        "rumqttc-next 0.34.0",
        sample,
        |buffer| next_v4::mqttbytes::v4::Packet::read(buffer, MAX),
        |packet, out| assert!(packet.write(out, MAX).is_ok()),
    ));
    rows
}

fn v5(sample: &Sample) -> Vec<Row> {
    let mut rows = family(
        "mqttbytes 0.6.0",
        sample,
        |buffer| mqttbytes::v5::read(buffer, MAX),
        |packet, out| {
            use mqttbytes::v5::Packet;
            match packet {
                Packet::Publish(publish) => publish.write(out),
                Packet::PubAck(puback) => puback.write(out),
                Packet::Connect(connect) => connect.write(out),
                packet => unreachable!("{packet:?} is no sample"),
            }
            .expect("it has been decoded");
        },
    );
    rows.extend(family(
        "rumqttc 0.25.1",
        sample,
        |buffer| rumqttc::v5::mqttbytes::v5::Packet::read(buffer, Some(MAX as u32)),
        |packet, out| assert!(packet.write(out, Some(MAX as u32)).is_ok()),
    ));
    rows.extend(family(
        "rumqttc-next 0.34.0",
        sample,
        |buffer| next_v5::mqttbytes::v5::Packet::read(buffer, Some(MAX as u32)),
        |packet, out| assert!(packet.write(out, Some(MAX as u32)).is_ok()),
    ));
    rows
}

fn family<P: 'static, E: Debug>(
    who: &str,
    sample: &Sample,
    read: impl Fn(&mut BytesMut) -> Result<P, E> + 'static,
    write: impl Fn(&P, &mut BytesMut) + 'static,
) -> Vec<Row> {
    let packet = read(&mut BytesMut::from(&sample.frame()[..])).expect("it is legal");
    let mut rows = Vec::new();
    let (read, write) = (Rc::new(read), Rc::new(write));
    let (reads, writes) = (Rc::clone(&read), Rc::clone(&write));
    if sample.name == loops::IN_PIECES {
        let large = read(&mut loops::large_frame(sample)).expect("it is legal");
        rows.extend(loops::large(who, sample, move |out| {
            writes(&large, out);
            black_box(&out[..]).len()
        }));
    }
    // That there is no whole packet yet is an error.
    rows.extend(loops::in_pieces(who, sample, move |buffer| black_box(&reads(buffer)).is_ok()));
    rows.extend(loops::from_read_buffer(who, sample, move |buffer| read(buffer)));
    rows.extend(loops::encode(who, sample, move |out| write(&packet, out)));
    rows
}
