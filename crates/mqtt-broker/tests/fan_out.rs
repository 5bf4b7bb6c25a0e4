//! What a message costs on its way through the broker, counted.

use mqtt_broker::{Action, Broker, Config, Origin, Peer};
use mqtt_proto::{
    Connect, Delivery, Instant, Message, QoS, ServerEvent, Subscription, Text, TopicFilter, TopicName, Version,
};

const SUBSCRIBERS: u64 = 20;
const NOW: Instant = Instant::ZERO;

/// One message to all subscribers and out again; how many copies left.
fn round(broker: &mut Broker, message: &Message) -> u64 {
    let delivery = Delivery { message: message.clone(), dup: false, ack: None };
    broker.handle_event(NOW, Peer::new(1), ServerEvent::Message(delivery));
    let mut copies = 0;
    while let Some((peer, action)) = broker.poll_action() {
        assert!(matches!(action, Action::Deliver));
        while let Some(outgoing) = broker.poll_message(NOW, peer, |_| true) {
            assert_eq!(outgoing.message.payload, message.payload);
            copies += 1;
        }
    }
    copies
}

// The queues grow once, and are used again.
#[test]
fn a_message_that_passes_through_allocates_nothing() {
    let config = Config { status_interval: std::time::Duration::ZERO, ..Config::default() };
    let mut broker = Broker::new(config, Box::new(()));
    broker.handle_open(NOW, Peer::new(1), Origin::default()).unwrap();
    let connect = Connect::new(Version::V5, Text::from_static("publisher"));
    broker.handle_event(NOW, Peer::new(1), ServerEvent::Connect(Box::new(connect)));
    for number in 2..2 + SUBSCRIBERS {
        broker.open_local(Peer::new(number), Text::from_static("local")).unwrap();
        let filter = TopicFilter::from_static(if number % 2 == 0 { "a/+" } else { "$share/group/a/#" });
        broker.subscribe_local(Peer::new(number), &Subscription::new(filter, QoS::AtMostOnce)).unwrap();
    }
    while broker.poll_action().is_some() {}
    let message = Message::new(TopicName::from_static("a/b"), "twelve bytes");
    // Ten plain subscribers, and one of the group.
    (0..100).for_each(|_| assert_eq!(round(&mut broker, &message), SUBSCRIBERS / 2 + 1));
    let counted = allocation_counter::measure(|| {
        (0..100).for_each(|_| assert_eq!(round(&mut broker, &message), SUBSCRIBERS / 2 + 1));
    });
    assert_eq!(counted.count_total, 0);
}
