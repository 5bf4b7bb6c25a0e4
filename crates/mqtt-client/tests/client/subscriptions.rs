//! Subscribing, subscribing again, and whom a message is for.

use mqtt_client::{Error, Event, SubscriberId, Version};
use mqtt_proto::{
    ConnAck, QoS, ReasonCode, RetainHandling, ServerEvent, Subscribe, SubscriptionId, TopicFilter, Unsubscribe,
};

use crate::world::{World, message, options, subscriptions};

const GRANTED: ReasonCode = ReasonCode::GRANTED_QOS_2;

fn deliver(world: &mut World, topic: &str, identifiers: &[u32]) -> Vec<SubscriberId> {
    let mut message = message(topic, QoS::AtLeastOnce);
    for identifier in identifiers {
        message = message.with_subscription_identifier(SubscriptionId::new(*identifier).unwrap());
    }
    world.server.publish(world.now, message).unwrap();
    world.settle();
    let received = world.received();
    world.settle();
    world.seen.retain(|event| !matches!(event, ServerEvent::Acknowledged(_)));
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].0, topic);
    received[0].1.clone()
}

fn identifier(subscribe: &Subscribe) -> Option<u32> {
    subscribe.properties().subscription_identifiers().next().map(SubscriptionId::get)
}

#[test]
fn each_subscribe_call_has_an_identifier_that_routes_its_messages() {
    let mut world = World::connected(options());
    let one = world.subscribe(&["a/#"]);
    assert_eq!(identifier(&world.grant(&[GRANTED])), Some(1));
    let two = world.subscribe(&["a/b"]);
    assert_eq!(identifier(&world.grant(&[GRANTED])), Some(2));
    assert_eq!(deliver(&mut world, "a/b", &[2]), [two], "the copy for the second alone");
    assert_eq!(deliver(&mut world, "a/b", &[1]), [one]);
    assert_eq!(deliver(&mut world, "a/b", &[2, 1]), [two, one], "one copy for both");
    assert_eq!(deliver(&mut world, "a/b", &[]), [one, two], "no identifier: by the filters");
    assert_eq!(deliver(&mut world, "other", &[]), []);
}

#[test]
fn an_identifier_from_an_earlier_process_does_not_misroute() {
    let mut world = World::connected(options());
    let one = world.subscribe(&["a"]);
    world.grant(&[GRANTED]);
    assert_eq!(deliver(&mut world, "old", &[1]), []);
    assert_eq!(deliver(&mut world, "a", &[9]), [one]);
}

// U5-3.3.2.3.8b: the server's mistake, or an identifier of a session that an earlier process left.
#[test]
fn a_message_with_an_identifier_that_nobody_knows_is_routed_by_its_topic() {
    let mut world = World::connected(options());
    let one = world.subscribe(&["a/#"]);
    world.grant(&[GRANTED]);
    assert_eq!(deliver(&mut world, "a/b", &[99]), [one]);
    assert_eq!(deliver(&mut world, "other", &[99]), []);
}

#[test]
fn without_identifiers_filters_decide() {
    for version in [Version::V31, Version::V311] {
        let mut world = World::connected(options().version(version));
        let one = world.subscribe(&["a/#", "c"]);
        world.grant(&[GRANTED, GRANTED]);
        let two = world.subscribe(&["+/b"]);
        world.grant(&[GRANTED]);
        assert_eq!(deliver(&mut world, "a/x", &[]), [one]);
        assert_eq!(deliver(&mut world, "a/b", &[]), [two, one]);
        assert_eq!(deliver(&mut world, "c", &[]), [one]);
        assert_eq!(deliver(&mut world, "d", &[]), []);
    }
}

#[test]
fn identifiers_can_be_left_to_the_application() {
    let mut world = World::connected(options().subscription_identifiers(false));
    world.subscribe(&["a"]);
    assert_eq!(identifier(&world.grant(&[GRANTED])), None);
}

#[test]
fn a_server_without_identifiers_is_not_sent_any() {
    let mut world = World::new(options());
    world.config.subscription_identifiers_available = false;
    world.connect(None);
    let id = world.subscribe(&["a"]);
    assert_eq!(identifier(&world.grant(&[GRANTED])), None);
    assert_eq!(deliver(&mut world, "a", &[]), [id]);
}

#[test]
fn two_calls_with_the_same_filter_share_it() {
    let mut world = World::connected(options());
    let one = world.subscribe(&["a"]);
    world.grant(&[GRANTED]);
    let two = world.subscribe(&["a"]);
    world.grant(&[GRANTED]);
    // For the server the second has replaced the first.
    assert_eq!(deliver(&mut world, "a", &[2]), [two, one]);
    world.client.drop_subscriber(world.now, one, true);
    world.settle();
    assert!(world.seen.is_empty(), "the other one still wants it");
    assert_eq!(deliver(&mut world, "a", &[2]), [two]);
    world.client.drop_subscriber(world.now, two, true);
    world.settle();
    assert_eq!(world.unsubscribe_seen().unsubscribe.filters, [TopicFilter::from_static("a")]);
}

// U311-3.8.4
#[test]
fn messages_before_suback_are_routed() {
    let mut world = World::connected(options());
    let id = world.subscribe(&["a"]);
    assert_eq!(deliver(&mut world, "a", &[1]), [id]);
}

#[test]
fn the_applications_own_identifier_is_kept() {
    let mut world = World::connected(options());
    let own = SubscriptionId::new(77).unwrap();
    let id = world.client.subscribe(world.now, Subscribe::new(subscriptions(&["a"])).with_subscription_identifier(own));
    world.settle();
    assert_eq!(identifier(&world.grant(&[GRANTED])), Some(77));
    assert_eq!(deliver(&mut world, "a", &[77]), [id.unwrap()]);
}

#[test]
fn a_shared_subscription_is_routed_by_its_filter() {
    let mut world = World::connected(options());
    let id = world.subscribe(&["$share/group/a/+"]);
    world.grant(&[GRANTED]);
    assert_eq!(deliver(&mut world, "a/b", &[]), [id]);
}

#[test]
fn a_lost_session_is_subscribed_again_with_the_same_identifiers() {
    let mut world = World::connected(options());
    world.subscribe(&["a", "b"]);
    world.grant(&[GRANTED, ReasonCode::NOT_AUTHORIZED]);
    let gone = world.subscribe(&["gone"]);
    world.grant(&[GRANTED]);
    world.client.drop_subscriber(world.now, gone, true);
    let three = world.subscribe(&["c"]);
    world.seen.clear();
    world.cut();
    world.events.clear();
    world.wait_for_dial();
    world.connect(None);
    let requests: Vec<Subscribe> = std::mem::take(&mut world.seen)
        .into_iter()
        .filter_map(|event| match event {
            ServerEvent::Subscribe(request) => {
                let subscribe = request.subscribe.clone();
                world.server.suback(world.now, request, &[GRANTED]).unwrap();
                Some(subscribe)
            }
            _ => None,
        })
        .collect();
    let filters =
        |request: &Subscribe| request.subscriptions.iter().map(|one| one.filter.to_string()).collect::<Vec<_>>();
    assert_eq!(
        requests.iter().map(filters).collect::<Vec<_>>(),
        [["a"], ["c"]],
        "only what was granted or not answered"
    );
    assert_eq!(requests.iter().map(identifier).collect::<Vec<_>>(), [Some(1), Some(3)]);
    world.settle();
    let answers: Vec<&Event> = world.events.iter().filter(|event| matches!(event, Event::Subscribed { .. })).collect();
    assert_eq!(answers, [&Event::Subscribed { id: three, result: Ok(vec![GRANTED]) }], "each call is answered once");
}

#[test]
fn a_kept_session_repeats_only_requests_without_an_answer() {
    let mut world = World::connected(options());
    world.subscribe(&["answered"]);
    world.grant(&[GRANTED]);
    let open = world.subscribe(&["open"]);
    let unsubscribe = world.client.unsubscribe(world.now, Unsubscribe::new(vec![TopicFilter::from_static("other")]));
    world.settle();
    world.seen.clear();
    let server = world.cut();
    world.wait_for_dial();
    world.connect(Some(server));
    let request = world.unsubscribe_seen();
    world.server.unsuback(world.now, request, &[ReasonCode::NO_SUBSCRIPTION_EXISTED]).unwrap();
    world.grant(&[GRANTED]);
    assert!(world.seen.is_empty());
    assert!(world.events.contains(&Event::Subscribed { id: open, result: Ok(vec![GRANTED]) }));
    let result = Ok(ReasonCode::NO_SUBSCRIPTION_EXISTED);
    assert!(world.events.contains(&Event::Unsubscribed { id: unsubscribe.unwrap(), result }));
}

// The server lost the session, and its CONNACK that said so got lost, too; then it resumes the session that it began.
#[test]
fn a_session_whose_connack_may_have_been_lost_is_subscribed_again() {
    for version in [Version::V31, Version::V311, Version::V5] {
        let mut world = World::connected(options().version(version).clean_start(false));
        world.subscribe(&["a"]);
        world.grant(&[GRANTED]);
        world.cut();
        world.wait_for_dial();
        world.dial();
        world.server.accept(world.now, ConnAck::new(false, ReasonCode::SUCCESS), None).unwrap();
        let begun = world.cut();
        world.wait_for_dial();
        world.connect(Some(begun));
        let again = world.grant(&[GRANTED]);
        let expected = if version == Version::V5 { RetainHandling::SendIfNew } else { RetainHandling::Send };
        assert_eq!(again.subscriptions[0].retain_handling, expected, "its retained messages have been here");
        // Once is enough.
        let server = world.cut();
        world.wait_for_dial();
        world.connect(Some(server));
        assert!(world.seen.is_empty() || version == Version::V31);
    }
}

#[test]
fn a_refused_subscription_is_an_error_and_is_forgotten() {
    let mut world = World::connected(options());
    let id = world.subscribe(&["a"]);
    world.grant(&[ReasonCode::NOT_AUTHORIZED]);
    let refused = Error::SubscribeRefused(ReasonCode::NOT_AUTHORIZED);
    assert!(world.events.contains(&Event::Subscribed { id, result: Err(refused) }));
    world.cut();
    world.wait_for_dial();
    world.connect(None);
    assert!(world.seen.is_empty());
}

#[test]
fn a_subscription_refused_after_a_reconnect_ends() {
    let mut world = World::connected(options());
    let id = world.subscribe(&["a"]);
    world.grant(&[GRANTED]);
    world.cut();
    world.wait_for_dial();
    world.connect(None);
    world.grant(&[ReasonCode::NOT_AUTHORIZED]);
    assert!(world.events.contains(&Event::SubscriptionEnded { id, refused: Some(ReasonCode::NOT_AUTHORIZED) }));
}

#[test]
fn a_subscription_goes_on_when_a_reconnect_costs_it_one_filter_of_two() {
    let mut world = World::connected(options());
    let id = world.subscribe(&["a", "b"]);
    world.grant(&[GRANTED, GRANTED]);
    world.cut();
    world.wait_for_dial();
    world.connect(None);
    world.events.clear();
    world.grant(&[ReasonCode::NOT_AUTHORIZED, GRANTED]);
    assert!(world.events.is_empty(), "{:?}", world.events);
    assert_eq!(deliver(&mut world, "b", &[]), [id]);
}

#[test]
fn an_identifier_given_to_two_calls_stays_with_the_later_one_when_the_first_ends() {
    let mut world = World::connected(options());
    let mut subscribe = |filter: &str, identifier| {
        let subscribe = Subscribe::new(subscriptions(&[filter]))
            .with_subscription_identifier(SubscriptionId::new(identifier).unwrap());
        let id = world.client.subscribe(world.now, subscribe).unwrap();
        world.settle();
        world.grant(&[GRANTED]);
        id
    };
    let (first, second) = (subscribe("x", 5), subscribe("a/#", 5));
    subscribe("+/x", 6);
    world.client.drop_subscriber(world.now, first, true);
    assert_eq!(deliver(&mut world, "a/x", &[5]), [second]);
}

#[test]
fn a_request_that_finds_the_outbox_full_waits_for_room() {
    let mut world = World::connected(options());
    let large = mqtt_proto::Message::new(mqtt_proto::TopicName::from_static("t"), vec![0; 300_000]);
    world.client.publish(world.now, large).unwrap();
    world.subscribe(&["a"]);
    world.grant(&[GRANTED]);
}

#[test]
fn what_the_server_does_not_offer_is_an_error() {
    let mut world = World::new(options());
    world.config.wildcard_subscription_available = false;
    world.connect(None);
    let id = world.subscribe(&["a/#"]);
    let answer = world.events.iter().find_map(|event| match event {
        Event::Subscribed { id: answered, result: Err(error) } if *answered == id => Some(error.to_string()),
        _ => None,
    });
    assert_eq!(
        answer.unwrap(),
        "the server does not offer this: wildcards in filters (Wildcard Subscription Available 0)"
    );
}

#[test]
fn unsubscribing_ends_calls_that_have_no_filter_left() {
    let mut world = World::connected(options());
    let both = world.subscribe(&["a", "b"]);
    world.grant(&[GRANTED, GRANTED]);
    let one = world.subscribe(&["a"]);
    world.grant(&[GRANTED]);
    let request = world.client.unsubscribe(world.now, Unsubscribe::new(vec![TopicFilter::from_static("a")])).unwrap();
    world.settle();
    let seen = world.unsubscribe_seen();
    world.server.unsuback(world.now, seen, &[ReasonCode::SUCCESS]).unwrap();
    world.settle();
    assert!(world.events.contains(&Event::Unsubscribed { id: request, result: Ok(ReasonCode::SUCCESS) }));
    assert!(world.events.contains(&Event::SubscriptionEnded { id: one, refused: None }));
    assert!(!world.events.contains(&Event::SubscriptionEnded { id: both, refused: None }));
    world.events.clear();
    assert_eq!(deliver(&mut world, "b", &[1]), [both]);
}

#[test]
fn a_subscription_given_up_before_it_was_sent_leaves_no_trace() {
    let mut world = World::new(options());
    let id = world.client.subscribe(world.now, Subscribe::new(subscriptions(&["a"]))).unwrap();
    world.client.drop_subscriber(world.now, id, true);
    world.connect(None);
    assert!(world.seen.is_empty());
}

#[test]
fn a_disconnect_does_not_wait_for_a_subscription_that_was_given_up_before_it_was_sent() {
    let mut world = World::new(options());
    let id = world.client.subscribe(world.now, Subscribe::new(subscriptions(&["a"]))).unwrap();
    world.client.drop_subscriber(world.now, id, true);
    world.client.disconnect(world.now, mqtt_proto::Disconnect::new(ReasonCode::SUCCESS)).unwrap();
    world.poll();
    assert_eq!(world.stop_reason(), Some(&Error::Stopped));
}

#[test]
fn a_subscription_given_up_after_a_cut_that_took_its_suback_is_unsubscribed() {
    let mut world = World::connected(options());
    let id = world.subscribe(&["a"]);
    drop(world.subscribe_seen()); // the server has it, and its answer is lost
    let session = world.cut();
    world.client.drop_subscriber(world.now, id, true);
    world.wait_for_dial();
    world.connect(Some(session));
    assert_eq!(world.unsubscribe_seen().unsubscribe.filters[0].as_str(), "a");
}

#[test]
fn who_gave_a_subscription_up_does_not_hear_that_it_failed() {
    let mut world = World::connected(options());
    let id = world.subscribe(&["a"]);
    world.client.drop_subscriber(world.now, id, true);
    world.client.abort(world.now, Error::DriverGone);
    world.poll();
    let answered = |event: &&Event| matches!(event, Event::Subscribed { .. } | Event::SubscriptionEnded { .. });
    assert_eq!(world.events.iter().find(answered), None);
}

#[test]
fn requests_are_sent_before_messages_that_were_published_later() {
    let mut world = World::new(options());
    world.publish("a", QoS::AtLeastOnce).unwrap();
    world.client.subscribe(world.now, Subscribe::new(subscriptions(&["a"]))).unwrap();
    world.dial();
    world.accept(ConnAck::new(false, ReasonCode::SUCCESS), None);
    assert!(matches!(world.seen[..], [ServerEvent::Subscribe(_), ServerEvent::Message(_)]));
}

#[test]
fn a_message_does_not_overtake_a_request_that_finds_no_packet_identifier() {
    let mut world = World::connected(options());
    for _ in 0..u16::MAX {
        world.publish("a", QoS::AtLeastOnce).unwrap();
        world.client.outbox(world.now, |outbox| bytes::Buf::advance(outbox, bytes::Buf::remaining(outbox)));
    }
    world.client.subscribe(world.now, Subscribe::new(subscriptions(&["a"]))).unwrap();
    world.publish("late", QoS::AtMostOnce).unwrap();
    world.poll();
    assert!(!world.client.wants_output());
    world.client.handle_input(world.now, &mut bytes::BytesMut::from(&[0x40, 2, 0, 1][..]));
    world.poll();
    let written = world.written();
    let late = written.windows(4).position(|bytes| bytes == b"late");
    assert!(written[0] == 0x82 && late > Some(0), "SUBSCRIBE comes first: {written:02x?}");
}

#[test]
fn a_transport_that_breaks_before_connect_is_written_leaves_no_doubt_about_the_session() {
    let mut world = World::connected(options().clean_start(false));
    world.subscribe(&["a"]);
    world.grant(&[GRANTED]);
    let session = world.cut();
    world.wait_for_dial();
    world.client.poll_open(world.now).unwrap();
    world.client.handle_open(world.now);
    world.client.handle_eof(world.now);
    world.close();
    world.wait_for_dial();
    world.connect(Some(session));
    assert!(world.seen.is_empty(), "the server has the subscription: {:?}", world.seen);
}
