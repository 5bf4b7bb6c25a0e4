//! Acknowledgements cost the same with one message in flight and with 65,535 (bugs.tsv 51).
//!
//! Times are compared with each other, generously: work that grows with the number in flight would be thousands of times
//! slower, not ten.

use std::time::Duration;

use bytes::Buf;
use mqtt_proto::{Ack, Client, ClientEvent, CommandError, Instant, Message, QoS, ServerEvent, TopicName, Version};
use mqtt_sim::{cpu_time, pair::Solo};

const NOW: Instant = Instant::ZERO;
const ALL: u32 = 65_535;

fn message(qos: QoS) -> Message {
    Message::new(TopicName::from_static("t"), "x").with_qos(qos)
}

/// A client with so many messages in flight.
fn in_flight(count: u32, qos: QoS) -> Solo<Client> {
    let mut client = Solo::client(Version::V311);
    for _ in 0..count {
        client.connection.publish(NOW, message(qos)).unwrap();
        let outbox = client.connection.outbox();
        outbox.advance(outbox.remaining());
    }
    client
}

/// Ids 1 to `count` in an order.
fn orders(count: u32) -> [Vec<u16>; 3] {
    let rising: Vec<u16> = (1..=count).map(|id| id as u16).collect();
    let falling = rising.iter().rev().copied().collect();
    // 40,503 and 65,536 have no common divisor: every id comes once.
    let scattered =
        (0..65_536_u32).map(|step| (step * 40_503 % 65_536) as u16).filter(|id| (1..=count).contains(&u32::from(*id)));
    [rising, falling, scattered.collect()]
}

fn acknowledge(client: &mut Solo<Client>, ids: &[u16], packets: &[u8]) -> Duration {
    let begin = cpu_time();
    for first in packets {
        for id in ids {
            let [high, low] = id.to_be_bytes();
            client.feed(&[*first, 2, high, low]);
            while let Some(event) = client.connection.poll_event() {
                assert!(matches!(event, ClientEvent::Acknowledged(_)), "{event:?}");
            }
            let outbox = client.connection.outbox();
            outbox.advance(outbox.remaining());
        }
    }
    cpu_time() - begin
}

/// How much slower the first is than the second; the best of three attempts, because other programs take room in the caches.
fn slowdown(mut attempt: impl FnMut() -> (Duration, Duration)) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let (one, other) = attempt();
        best = best.min(one.as_secs_f64() / other.as_secs_f64().max(1e-9));
        if best < LIMIT {
            break;
        }
    }
    best
}

const LIMIT: f64 = 10.0;

#[test]
fn an_acknowledgement_costs_the_same_however_much_is_in_flight() {
    let (ack, rec_and_comp): (&[u8], &[u8]) = (&[0x40], &[0x50, 0x70]);
    for (qos, packets, order) in
        [(QoS::AtLeastOnce, ack, 1), (QoS::AtLeastOnce, ack, 2), (QoS::ExactlyOnce, rec_and_comp, 2)]
    {
        let ratio = slowdown(|| {
            let mut full = in_flight(ALL, qos);
            let with_all = acknowledge(&mut full, &orders(ALL)[order], packets);
            assert!(full.connection.session().is_empty());
            let mut with_few = Duration::ZERO;
            let mut client = in_flight(0, qos);
            // Of fifteen ids each is free again when its turn comes.
            let few: Vec<u16> = (1..=15).collect();
            for _ in 0..ALL / 15 {
                for _ in 0..15 {
                    client.connection.publish(NOW, message(qos)).unwrap();
                }
                client.sent_bytes();
                with_few += acknowledge(&mut client, &few, packets);
            }
            (with_all, with_few)
        });
        assert!(ratio < LIMIT, "{qos}, order {order}: {ratio:.1} times slower with 65,535 in flight");
    }
}

#[test]
fn the_last_quarter_of_the_acknowledgements_costs_what_the_first_does() {
    for order in 0..3 {
        let quarter = ALL as usize / 4;
        let ratio = slowdown(|| {
            let mut client = in_flight(ALL, QoS::AtLeastOnce);
            let ids = &orders(ALL)[order];
            let first = acknowledge(&mut client, &ids[..quarter], &[0x40]);
            acknowledge(&mut client, &ids[quarter..3 * quarter], &[0x40]);
            let last = acknowledge(&mut client, &ids[3 * quarter..4 * quarter], &[0x40]);
            (first.max(last), first.min(last))
        });
        assert!(ratio < LIMIT, "order {order}: {ratio:.1}");
    }
}

// MQTT-2.2.1-3
#[test]
fn the_65_536th_message_waits_and_no_id_is_used_twice() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut client = in_flight(ALL, qos);
        let error = client.connection.publish(NOW, message(qos)).unwrap_err();
        assert_eq!(error.kind(), &CommandError::Full);
        assert!(client.connection.publish(NOW, message(QoS::AtMostOnce)).is_ok());
        let filter = mqtt_proto::TopicFilter::from_static("f");
        let subscribe = mqtt_proto::Subscribe::new(vec![mqtt_proto::Subscription::new(filter, QoS::AtMostOnce)]);
        assert_eq!(client.connection.subscribe(NOW, subscribe), Err(CommandError::Full));
        client.sent_bytes();
        let id = 40_000_u16.to_be_bytes();
        client.feed(&[0x40 + if qos == QoS::ExactlyOnce { 0x10 } else { 0 }, 2, id[0], id[1]]);
        if qos == QoS::ExactlyOnce {
            client.feed(&[0x70, 2, id[0], id[1]]);
        }
        client.sent_bytes();
        client.connection.publish(NOW, message(qos)).unwrap();
        assert!(client.sent()[0].starts_with("PUBLISH id 40000 "));
        assert!(client.connection.publish(NOW, message(qos)).is_err());
    }
}

// The receiver's side: 65,535 messages that the application has not acknowledged, then acknowledged in any order.
#[test]
fn the_application_acknowledges_in_constant_time_too() {
    for (qos, first) in [(QoS::AtLeastOnce, 0x32), (QoS::ExactlyOnce, 0x34)] {
        let receive = |count: u32| {
            let mut server = Solo::server(Version::V311);
            let mut acks: Vec<Option<Ack>> = Vec::new();
            for id in 1..=count {
                let [high, low] = (id as u16).to_be_bytes();
                server.feed(&[first, 5, 0, 1, b't', high, low]);
                let Some(ServerEvent::Message(delivery)) = server.connection.poll_event() else { panic!() };
                acks.push(delivery.ack);
            }
            (server, acks)
        };
        for order in 0..3 {
            let time = |count: u32| {
                let (mut server, mut acks) = receive(count);
                let begin = cpu_time();
                for id in &orders(count)[order] {
                    let ack = acks[usize::from(*id) - 1].take().unwrap();
                    server.connection.ack(NOW, ack).unwrap();
                }
                let elapsed = cpu_time() - begin;
                assert_eq!(server.sent_bytes().len(), 4 * count as usize);
                elapsed
            };
            let ratio = slowdown(|| (time(ALL), (0..64).map(|_| time(1_023)).sum()));
            assert!(ratio < LIMIT, "{qos}, order {order}: {ratio:.1} times slower with 65,535 unacknowledged");
        }
    }
}
