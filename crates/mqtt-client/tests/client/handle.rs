//! Tickets, requests, the end, and what wakes whom.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use mqtt_client::{Backoff, ConnectionEvent, Error, QoS, QueuePolicy, ReasonCode, TopicName};
use mqtt_proto::{Instant, ServerEvent};

use crate::rig::{Alarm, Rig, poll};
use crate::world::options;

#[test]
fn a_ticket_resolves_once_its_message_is_acknowledged_and_wakes_once() {
    let mut rig = Rig::new(options());
    let alarm = Arc::new(Alarm::default());
    let mut ticket = pin!(rig.publish("a", QoS::ExactlyOnce));
    assert!(alarm.poll(ticket.as_mut()).is_pending());
    rig.crank();
    assert_eq!(alarm.count(), 0);
    assert_eq!(rig.acknowledge(), 1);
    assert_eq!(alarm.count(), 1);
    let Poll::Ready(Ok(acknowledgement)) = poll(ticket.as_mut()) else { panic!("PUBCOMP has come") };
    assert_eq!(acknowledgement.reason, ReasonCode::SUCCESS);
}

#[test]
fn errors_that_are_known_at_once_need_no_waiting() {
    let rig = Rig::new(options());
    let error = rig.handle.publish("a/+", "", QoS::AtMostOnce).wait().unwrap_err();
    assert!(error.to_string().starts_with("not a topic to publish to: "), "{error}");
    let error = rig.handle.subscribe("a/#/b", QoS::AtMostOnce).wait().unwrap_err();
    assert!(error.to_string().starts_with("not a topic filter: "), "{error}");
    assert!(rig.handle.unsubscribe("").wait().is_err());
    // A topic that has been checked before has no error of its own.
    drop(rig.handle.publish(TopicName::from_static("a"), "", QoS::AtMostOnce));
}

#[test]
fn a_dropped_ticket_still_sends_its_message() {
    let mut rig = Rig::new(options());
    drop(rig.publish("a", QoS::AtLeastOnce));
    rig.crank();
    assert_eq!(rig.acknowledge(), 1);
}

#[test]
fn accepted_waits_for_room_and_a_dropped_waiting_ticket_takes_its_message_back() {
    let at_once = Backoff { initial: Duration::ZERO, ..Backoff::default() };
    let mut rig = Rig::new(options().queue_limit(1, 1 << 20).queue_policy(QueuePolicy::Wait).backoff(at_once));
    rig.cut();
    let mut first = rig.publish("first", QoS::AtLeastOnce);
    let dropped = rig.publish("dropped", QoS::AtLeastOnce);
    let mut last = rig.publish("last", QoS::AtLeastOnce);
    assert_eq!(poll(pin!(first.accepted())), Poll::Ready(Ok(())));
    assert!(poll(pin!(last.accepted())).is_pending());
    drop(dropped);
    rig.driver.handle_timeout();
    rig.connect();
    assert_eq!(poll(pin!(last.accepted())), Poll::Ready(Ok(())));
    assert_eq!(rig.acknowledge(), 2);
    assert!(poll(pin!(last)).is_ready());
}

#[test]
fn a_blocked_thread_is_woken() {
    let mut rig = Rig::new(options());
    let ticket = rig.publish("a", QoS::AtLeastOnce);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| ticket.wait());
        rig.crank();
        rig.acknowledge();
        assert!(waiting.join().unwrap().is_ok());
    });
}

#[test]
fn the_driver_is_woken_when_there_is_something_to_do_and_only_then() {
    let mut rig = Rig::new(options());
    assert!(rig.driver.poll_timeout().is_some(), "the driver looks before it sleeps");
    // How often a sleeping driver is woken meanwhile.
    let woken = |meanwhile: &mut dyn FnMut()| {
        let alarm = Arc::new(Alarm::default());
        let mut wake = pin!(rig.driver.listen());
        assert!(alarm.poll(wake.as_mut()).is_pending());
        meanwhile();
        alarm.count()
    };
    let handle = rig.handle.clone();
    let nothing = || {
        drop(handle.events());
        assert!(handle.connected().wait().is_ok());
        drop(handle.clone());
    };
    assert_eq!(woken(&mut { nothing }), 0, "nothing to do for a driver");
    assert_eq!(woken(&mut || drop(handle.publish("a", "", QoS::AtMostOnce))), 1);
    assert_eq!(woken(&mut || drop(handle.publish("b", "", QoS::AtMostOnce))), 0, "it has not written the first yet");
    rig.crank();
    assert_eq!(rig.acknowledge(), 2);
    let alarm = Arc::new(Alarm::default());
    let mut wake = pin!(rig.driver.listen());
    assert!(alarm.poll(wake.as_mut()).is_pending());
    drop(handle.publish("c", "", QoS::AtMostOnce));
    assert_eq!(alarm.count(), 1);
}

#[test]
fn a_dropped_driver_fails_all_that_waits() {
    let mut rig = Rig::new(options());
    let mut stream = rig.subscribe("a");
    let Rig { handle, driver, .. } = rig;
    let ticket = handle.publish("a", "", QoS::AtLeastOnce);
    drop(driver);
    assert_eq!(ticket.wait(), Err(Error::DriverGone));
    assert!(stream.next().wait().is_none());
    assert_eq!(handle.publish("a", "", QoS::AtLeastOnce).wait(), Err(Error::DriverGone));
    assert_eq!(handle.disconnect().wait(), Err(Error::DriverGone));
}

#[test]
fn a_driver_dropped_before_it_ran_fails_connected() {
    let (handle, driver) = mqtt_client::new(options()).unwrap();
    drop(driver);
    assert_eq!(handle.connected().wait(), Err(Error::DriverGone));
}

#[test]
fn the_last_handle_or_stream_ends_the_client() {
    let mut rig = Rig::new(options().unsubscribe_on_drop(false));
    let stream = rig.subscribe("a");
    let clone = rig.handle.clone();
    let other = mqtt_client::new(options()).unwrap().0;
    drop(std::mem::replace(&mut rig.handle, other));
    drop(clone);
    rig.crank();
    assert!(!rig.driver.wants_close(), "the stream still wants messages");
    drop(stream);
    rig.crank();
    assert!(rig.driver.wants_close());
    assert!(rig.server.is_closed(), "DISCONNECT has come");
    rig.driver.handle_closed();
    assert!(rig.driver.is_done());
}

// MQTT-3.14.4-1, MQTT-3.14.4-2
#[test]
fn disconnect_resolves_when_the_transport_is_closed() {
    let mut rig = Rig::new(options());
    let mut disconnecting = pin!(rig.handle.disconnect());
    rig.crank();
    assert!(rig.driver.wants_close());
    assert!(poll(disconnecting.as_mut()).is_pending());
    rig.driver.handle_closed();
    assert_eq!(poll(disconnecting.as_mut()), Poll::Ready(Ok(())));
    assert_eq!(rig.handle.disconnect().wait(), Ok(()), "it is disconnected already");
}

#[test]
fn unsubscribing_ends_the_stream_and_says_what_the_server_said() {
    let mut rig = Rig::new(options());
    let mut stream = rig.subscribe("a");
    let mut unsubscribing = pin!(rig.handle.unsubscribe("a"));
    assert!(poll(unsubscribing.as_mut()).is_pending());
    rig.crank();
    let Some(ServerEvent::Unsubscribe(request)) = rig.seen.pop() else { panic!("no UNSUBSCRIBE") };
    rig.server.unsuback(Instant::ZERO, request, &[ReasonCode::NO_SUBSCRIPTION_EXISTED]).unwrap();
    rig.crank();
    assert_eq!(poll(unsubscribing.as_mut()), Poll::Ready(Ok(ReasonCode::NO_SUBSCRIPTION_EXISTED)));
    assert!(stream.next().wait().is_none());
}

#[test]
fn a_dropped_subscribing_gives_the_subscription_up() {
    let mut rig = Rig::new(options());
    drop(rig.handle.subscribe("a", QoS::AtMostOnce));
    rig.crank();
    assert!(matches!(rig.seen[..], [ServerEvent::Subscribe(_), ServerEvent::Unsubscribe(_)]));
}

#[test]
fn the_connections_events_are_told() {
    let mut rig = Rig::new(options());
    let mut events = rig.handle.events();
    let alarm = Arc::new(Alarm::default());
    assert!(alarm.poll(pin!(events.next())).is_pending());
    assert!(rig.handle.is_connected());
    rig.cut();
    assert_eq!(alarm.count(), 1);
    assert!(!rig.handle.is_connected());
    assert!(matches!(
        events.next().wait(),
        Some(ConnectionEvent::Disconnected { reason: Error::ConnectionLost { .. }, retry_in: Some(_) })
    ));
    drop(rig.driver);
    while events.next().wait().is_some() {}
}
