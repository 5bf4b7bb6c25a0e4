//! The store in a file keeps what it was given, in its order, and says so when it cannot.
#![cfg(feature = "redb")]

use bytes::Bytes;
use mqtt_client::{Message, Options, OptionsError, QoS, ReasonCode, RedbStore, Store, StoredChange, Text, TopicName};
use mqtt_proto::{Change, Connect, Connection, Instant, PacketId, Session, Token, Version};

fn message(number: u64, qos: QoS) -> Message {
    Message::new(TopicName::from_static("t"), number.to_string())
        .with_qos(qos)
        .with_user_property(Text::from_static("k"), Text::from_static("v"))
}

fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

/// A token as a session gives it out: the only way to get one.
fn tokens(count: usize) -> Vec<Token> {
    let connack = [0x20, 3, 0, 0, 0];
    let connect = Connect::new(Version::V5, Text::from_static("c"));
    let mut connection =
        Connection::connect(Instant::ZERO, connect, mqtt_proto::Config::default(), Session::new()).unwrap();
    connection.handle_input(Instant::ZERO, &mut bytes::BytesMut::from(&connack[..]));
    (0..count).map(|_| connection.publish(Instant::ZERO, message(0, QoS::AtMostOnce)).unwrap()).collect()
}

#[test]
fn what_was_committed_is_there_after_opening_again_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("session");
    let token = tokens(4);
    let published = |number: u16, qos| {
        let message = message(number.into(), qos);
        StoredChange::Session(Change::Published {
            packet_id: id(number),
            token: token[usize::from(number) - 1],
            message,
        })
    };
    let batches = [
        vec![StoredChange::ClientId(Text::from_static("assigned")), StoredChange::Session(Change::Cleared)],
        // Packet ids are taken out of order; the order of sending is what counts.
        vec![published(3, QoS::ExactlyOnce), published(1, QoS::AtLeastOnce), published(2, QoS::ExactlyOnce)],
        vec![StoredChange::Queued { number: 8, message: message(8, QoS::AtLeastOnce) }],
        vec![StoredChange::Queued { number: 7, message: message(7, QoS::ExactlyOnce) }],
        vec![StoredChange::Session(Change::Released { packet_id: id(2), reason: ReasonCode::NO_MATCHING_SUBSCRIBERS })],
        vec![StoredChange::Session(Change::Accepted { packet_id: id(40_000) })],
        vec![StoredChange::Session(Change::Accepted { packet_id: id(5) })],
        vec![StoredChange::Session(Change::Finished { packet_id: id(1) })],
        vec![StoredChange::Session(Change::Completed { packet_id: id(5) })],
        vec![StoredChange::Unqueued { number: 8 }, published(4, QoS::AtLeastOnce)],
    ];
    for batch in &batches {
        RedbStore::open(&path).unwrap().commit(batch).unwrap();
    }
    let loaded = RedbStore::open(&path).unwrap().load().unwrap();
    let expected = [
        StoredChange::ClientId(Text::from_static("assigned")),
        StoredChange::Session(Change::Cleared),
        published(3, QoS::ExactlyOnce),
        published(2, QoS::ExactlyOnce),
        published(4, QoS::AtLeastOnce),
        StoredChange::Session(Change::Released { packet_id: id(2), reason: ReasonCode::NO_MATCHING_SUBSCRIBERS }),
        StoredChange::Session(Change::Accepted { packet_id: id(40_000) }),
        StoredChange::Queued { number: 7, message: message(7, QoS::ExactlyOnce) },
    ];
    assert_eq!(loaded, expected);

    RedbStore::open(&path).unwrap().commit(&[StoredChange::Session(Change::Cleared)]).unwrap();
    let cleared = RedbStore::open(&path).unwrap().load().unwrap();
    assert_eq!(cleared, [expected[0].clone(), expected[1].clone(), expected[7].clone()]);
}

#[test]
fn a_file_that_is_no_store_or_is_in_use_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    std::fs::write(&path, "not a database at all, but long enough to be taken for one by its size").unwrap();
    let error = RedbStore::open(&path).unwrap_err().to_string();
    assert!(error.starts_with("the session store failed: ") && error.contains("notes.txt"), "{error}");

    let path = folder.path().join("session");
    let first = RedbStore::open(&path).unwrap();
    let error = RedbStore::open(&path).unwrap_err().to_string();
    assert!(error.contains("already open"), "{error}");
    drop(first);
    RedbStore::open(&path).unwrap();
}

#[test]
fn a_store_does_not_go_with_a_clean_start() {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStore::open(folder.path().join("session")).unwrap();
    let options = Options::new("localhost", 1883).client_id("c").store(store);
    let Err(OptionsError::Value { option, .. }) = mqtt_client::new(options) else { panic!("it was taken") };
    assert_eq!(option, "store");
}

#[test]
fn a_message_is_stored_with_all_its_properties() {
    let message = message(1, QoS::ExactlyOnce).with_retain(true).with_message_expiry_interval(9);
    let bytes = mqtt_client::encode_message(&message).unwrap();
    assert_eq!(mqtt_client::decode_message(bytes.clone()).unwrap(), message);
    assert!(mqtt_client::decode_message(bytes.slice(1..)).is_err());
    assert!(mqtt_client::decode_message(Bytes::new()).is_err());
}
