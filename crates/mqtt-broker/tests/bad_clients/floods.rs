//! Clients that send as much as the server takes.

use std::net::TcpStream;

use mqtt_broker::Config;
use mqtt_proto::{Message, Packet, PacketId, Publish, QoS, Subscribe, Subscription, TopicFilter, TopicName, Version};

use super::field::{Field, withstand};
use super::{MIB, encoded, hello};

fn publish(topic: &str, payload: usize, qos: QoS, id: u16) -> Vec<u8> {
    let message = Message::new(TopicName::try_from(topic).unwrap(), vec![b'x'; payload]).with_qos(qos);
    let id = PacketId::new(id).filter(|_| qos != QoS::AtMostOnce);
    encoded(Version::V311, &Packet::Publish(Publish::new(message, id)))
}

/// Sends a batch again and again until the fight is over or the server hangs up; reads nothing unless `reads`.
fn pour(field: &Field, number: usize, reads: bool, batch: &[u8]) {
    let mut stream = field.dial(&hello(Version::V311, format!("flood {number}")));
    let mut buffer = [0; 4_096];
    while field.push(&mut stream, batch) && !field.is_over() {
        if reads && field.pull(&mut stream, &mut buffer).is_empty() {
            return;
        }
        field.count();
    }
}

#[test]
fn a_flood_of_messages_nobody_wants_disturbs_nobody() {
    let batch = publish("flood/nobody", 100, QoS::AtMostOnce, 0).repeat(300);
    withstand(Config::default(), 4, 32 * MIB, |field, number| pour(field, number, false, &batch));
}

#[test]
fn a_flood_of_messages_to_one_who_reads_disturbs_nobody() {
    let batch = publish("flood/echo", 100, QoS::AtLeastOnce, 1).repeat(50);
    let wish = Subscription::new(TopicFilter::from_static("flood/#"), QoS::AtLeastOnce);
    let wish = encoded(Version::V311, &Packet::Subscribe(Subscribe::new(vec![wish])));
    withstand(Config::default(), 2, 48 * MIB, |field, number| {
        let bytes = [&wish[..], &batch].concat();
        pour(field, number, true, &bytes);
    });
}

#[test]
fn a_flood_of_pings_whose_answers_nobody_reads_disturbs_nobody() {
    let batch = [0xC0, 0].repeat(8_192);
    withstand(Config::default(), 2, 32 * MIB, |field, number| pour(field, number, false, &batch));
}

/// bugs.tsv 40, 41: filters by the hundred, and gone again.
#[test]
fn a_flood_of_subscriptions_disturbs_nobody() {
    let batches: Vec<Vec<u8>> = (0..4)
        .map(|number| {
            let filters = (0..200).map(|n| TopicFilter::try_from(format!("+/{number}/{n}/+/#")).unwrap());
            let wishes = filters.map(|filter| Subscription::new(filter, QoS::AtLeastOnce)).collect();
            encoded(Version::V311, &Packet::Subscribe(Subscribe::new(wishes)))
        })
        .collect();
    withstand(Config::default(), 4, 32 * MIB, |field, number| pour(field, number, true, &batches[number]));
}

/// bugs.tsv 82: one client fills the memory with retained messages on ever other topics.
#[test]
fn a_flood_of_retained_messages_ends_at_the_limit() {
    let config = Config { maximum_retained_messages: 2_000, maximum_retained_bytes: 4 * MIB, ..Config::default() };
    withstand(config, 2, 32 * MIB, |field, number| {
        let mut stream = field.dial(&hello(Version::V311, format!("flood {number}")));
        for n in 0..3_000 {
            let topic = TopicName::try_from(format!("kept/{number}/{n}")).unwrap();
            let message = Message::new(topic, vec![b'x'; 2_000]).with_retain(true);
            if !field.push(&mut stream, &encoded(Version::V311, &Packet::Publish(Publish::new(message, None)))) {
                return;
            }
        }
    });
}

/// bugs.tsv 82: while one client retains all that it is let, others retain, too.
#[test]
fn a_flood_of_retained_messages_by_one_client_leaves_room_for_others() {
    let config = Config {
        maximum_retained_messages: 2_000,
        maximum_retained_messages_per_client: 1_000,
        maximum_retained_bytes: 8 * MIB,
        ..Config::default()
    };
    withstand(config, 1, 32 * MIB, |field, _| {
        // The reason code of PUBACK; 0 where it has none.
        let retain = |stream: &mut TcpStream, topic: String| {
            let topic = TopicName::try_from(topic).unwrap();
            let message = Message::new(topic, vec![b'x'; 2_000]).with_retain(true).with_qos(QoS::AtLeastOnce);
            field.push(stream, &encoded(Version::V5, &Packet::Publish(Publish::new(message, PacketId::new(1)))));
            let puback = field.packet(stream)?;
            assert_eq!(puback[..4], [0x40, puback[1], 0, 1]);
            Some(puback.get(4).copied().unwrap_or(0))
        };
        let enter = |id: &str| {
            let mut stream = field.dial(&hello(Version::V5, id));
            field.packet(&mut stream).map(|_| stream)
        };
        let Some(mut greedy) = enter("greedy") else { return };
        for n in 0..1_200 {
            let Some(reason) = retain(&mut greedy, format!("greedy/{n}")) else { return };
            assert_eq!(reason, if n < 1_000 { 0x10 } else { 0x97 }, "{n}");
        }
        let Some(mut modest) = enter("modest") else { return };
        let reason = retain(&mut modest, "modest".into());
        assert!(matches!(reason, None | Some(0x10)), "{reason:x?}");
    });
}

/// bugs.tsv 42, 54: QoS 2 messages and no PUBREL, up to the Receive Maximum and beyond.
#[test]
fn messages_that_are_never_released_end_their_connection_and_disturb_nobody() {
    let batch: Vec<u8> = (1..=2_000).flat_map(|id| publish("flood/open", 10, QoS::ExactlyOnce, id)).collect();
    withstand(Config::default(), 2, 32 * MIB, |field, number| {
        // MQTT 5.0, in which Receive Maximum holds: an empty property length after each identifier.
        let message = Message::new(TopicName::from_static("flood/open"), "x").with_qos(QoS::ExactlyOnce);
        let packets = (1..=1_001).map(|id| Packet::Publish(Publish::new(message.clone(), PacketId::new(id))));
        let batch_of_v5: Vec<u8> = packets.flat_map(|packet| encoded(Version::V5, &packet)).collect();
        let mut stream = field.dial(&hello(Version::V5, format!("flood {number}")));
        field.push(&mut stream, &batch_of_v5);
        let Some(words) = field.last_words(&mut stream) else { return };
        assert!(words.ends_with(&[0xE0, 1, 0x93]) || words.ends_with(&[0xE0, 2, 0x93, 0]), "Receive Maximum exceeded");
        // 3.1.1 has no words for it; it is answered or closed.
        pour(field, number, true, &batch);
    });
}
