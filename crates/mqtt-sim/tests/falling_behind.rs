//! An application that lets events wait: the machine takes no more input, and the silence is not the server's.

use mqtt_proto::{Config, ConnAck, Connect, Message, Packet, Publish, ReasonCode, Session, Text, TopicName, Version};
use mqtt_sim::pair::Solo;

const LIMIT: usize = 10_000;

fn message(len: usize) -> Packet {
    let message = Message::new(TopicName::from_static("t"), vec![b'x'; len]);
    Packet::Publish(Publish { message, dup: false, packet_id: None, topic_alias: None })
}

fn client() -> Solo<mqtt_proto::Client> {
    let config = Config { event_bytes_limit: LIMIT, ..Config::default() };
    let connect = Connect::new(Version::V5, Text::from_static("c")).with_keep_alive(1);
    Solo::dialling(connect, config, Session::new()).welcome(ConnAck::new(false, ReasonCode::SUCCESS))
}

#[test]
fn large_messages_stop_the_input_before_there_are_many() {
    let mut client = client();
    for _ in 0..10 {
        client.feed_packet(&message(LIMIT / 2));
    }
    assert!(!client.connection.wants_input());
    assert_eq!(client.events().len(), 2, "together they reach the limit");
    assert!(client.connection.wants_input());
    client.feed(&[]);
    assert_eq!(client.events().len(), 2, "the next ones have waited");
}

#[test]
fn one_message_may_exceed_the_limit() {
    let mut client = client();
    client.feed_packet(&message(LIMIT * 3));
    client.feed_packet(&message(1));
    assert_eq!(client.events().len(), 1);
    client.feed(&[]);
    assert_eq!(client.events().len(), 1);
}

#[test]
fn a_server_whose_answer_waits_behind_large_messages_is_not_taken_for_dead() {
    let mut client = client();
    client.feed_packet(&message(LIMIT));
    for _ in 0..10 {
        client.now += 10_000;
        client.connection.handle_timeout(client.instant());
        assert!(!client.connection.is_closed());
    }
    client.events();
    for _ in 0..3 {
        client.now += 10_000;
        client.connection.handle_timeout(client.instant());
    }
    assert!(client.connection.is_closed(), "nothing came although it could");
}

#[test]
fn a_large_message_that_cannot_be_written_does_not_keep_the_machine_from_reading() {
    let mut client = client();
    let large = Message::new(TopicName::from_static("t"), vec![b'x'; 10 << 20]);
    client.connection.publish(client.instant(), large).expect("one message may exceed the outbox's limit");
    client.feed_packet(&message(1));
    assert_eq!(client.events().len(), 1, "the server may be writing, and read only afterwards");
}
