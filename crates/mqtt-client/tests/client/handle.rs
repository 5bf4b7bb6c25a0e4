//! Tickets, requests, the end, and what wakes whom.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, Waker};
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
    rig.look();
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
fn the_time_for_the_first_dial_begins_when_it_is_asked_for() {
    let timeout = Duration::from_secs(10);
    let (_handle, driver) = mqtt_client::new(options().connect_timeout(timeout)).unwrap();
    let made = std::time::Instant::now();
    while made.elapsed() < Duration::from_millis(20) {}
    let asked = std::time::Instant::now();
    assert!(driver.poll_open().is_some());
    let deadline = Arc::new(Alarm::default()).turn(&driver).deadline.unwrap();
    // The clients' clock counts milliseconds.
    assert!(deadline + Duration::from_millis(2) >= asked + timeout, "{:?} too early", asked + timeout - deadline);
}

#[test]
fn a_turn_tells_when_there_is_something_to_dial() {
    let (_handle, driver) = mqtt_client::new(options()).unwrap();
    let alarm = Arc::new(Alarm::default());
    assert!(alarm.turn(&driver).open);
    assert!(driver.poll_open().is_some());
    assert!(!alarm.turn(&driver).open);
}

#[test]
fn the_driver_is_woken_when_there_is_something_to_do_and_only_then() {
    let mut rig = Rig::new(options());
    // How often a sleeping driver is woken meanwhile.
    let woken = |meanwhile: &mut dyn FnMut()| {
        let alarm = Arc::new(Alarm::default());
        assert!(alarm.turn(&rig.driver).deadline.is_some());
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
    assert!(!alarm.turn(&rig.driver).write);
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
    assert!(!rig.look().close, "the stream still wants messages");
    drop(stream);
    rig.crank();
    assert!(rig.look().close);
    assert!(rig.server.is_closed(), "DISCONNECT has come");
    rig.driver.handle_closed();
    assert!(rig.look().done);
}

// MQTT-3.14.4-1, MQTT-3.14.4-2
#[test]
fn disconnect_resolves_when_the_transport_is_closed() {
    let mut rig = Rig::new(options());
    let mut disconnecting = pin!(rig.handle.disconnect());
    rig.crank();
    assert!(rig.look().close);
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

#[test]
fn one_part_of_a_driver_wakes_the_other_when_there_is_more_than_it_knew() {
    let mut rig = Rig::new(options());
    let mut stream = rig.subscribe("a");
    let [reader, writer, third] = [(); 3].map(|()| Arc::new(Alarm::default()));
    assert!(!writer.turn(&rig.driver).write && !reader.turn(&rig.driver).write);
    // The acknowledgement is the application's doing, and wakes both.
    rig.flood("a", QoS::AtLeastOnce, 1);
    assert!(stream.try_next().is_some());
    assert_eq!((reader.count(), writer.count()), (1, 1));
    assert!(writer.turn(&rig.driver).write && reader.turn(&rig.driver).write);
    assert_eq!((reader.count(), writer.count()), (1, 1), "the other knows it");
    rig.crank();
    // PUBREL is the answer to what the reader has handed over, which only its turn tells.
    drop(rig.publish("b", QoS::ExactlyOnce));
    rig.driver.outbox(|outbox| bytes::Buf::advance(outbox, bytes::Buf::remaining(outbox)));
    assert!(!writer.turn(&rig.driver).write && !reader.turn(&rig.driver).write);
    let before = writer.count();
    rig.driver.handle_input(&mut bytes::BytesMut::from(&[0x50, 2, 0, 1][..]));
    assert_eq!(writer.count(), before);
    assert!(reader.turn(&rig.driver).write);
    assert_eq!(writer.count(), before + 1);
    // There is room for two: a third takes the place of one, which is woken.
    assert!(writer.turn(&rig.driver).write);
    let before = reader.count() + writer.count();
    assert!(third.turn(&rig.driver).write);
    assert_eq!(reader.count() + writer.count(), before + 1);
}

#[test]
fn a_task_keeps_its_place_with_a_waker_that_does_not_look_like_its_last_one() {
    let rig = Rig::new(options());
    let [reader, writer] = [(); 2].map(|()| Arc::new(Alarm::default()));
    let (std, futures) = (Waker::from(Arc::clone(&writer)), futures_task::waker(Arc::clone(&writer)));
    assert!(!std.will_wake(&futures));
    assert!(!reader.turn(&rig.driver).write);
    for waker in [&std, &futures, &std] {
        assert!(!rig.driver.turn(waker).write);
    }
    assert_eq!((reader.count(), writer.count()), (0, 0), "nobody is put out of his place");
    drop(rig.handle.publish("a", "", QoS::AtMostOnce));
    assert_eq!((reader.count(), writer.count()), (1, 1));
}

#[test]
fn a_transport_is_read_to_its_end_unless_the_server_has_nothing_to_say() {
    let lingers = |mut rig: Rig, subscribes: bool| {
        let stream = subscribes.then(|| rig.subscribe("a"));
        drop(stream);
        rig.crank();
        if subscribes {
            let Some(ServerEvent::Unsubscribe(request)) = rig.seen.pop() else { panic!("no UNSUBSCRIBE") };
            rig.server.unsuback(Instant::ZERO, request, &[ReasonCode::SUCCESS]).unwrap();
        }
        drop(rig.publish("b", QoS::AtLeastOnce));
        rig.crank();
        rig.acknowledge();
        drop(rig.handle.disconnect());
        rig.crank();
        let turn = rig.look();
        assert!(turn.close);
        turn.lingers
    };
    assert!(!lingers(Rig::new(options()), false));
    assert!(lingers(Rig::new(options()), true), "messages may be under way");
    assert!(lingers(Rig::new(options().clean_start(false)), false), "an earlier client may have subscribed");
    let mut rig = Rig::new(options().backoff(Backoff { initial: Duration::ZERO, ..Backoff::default() }));
    rig.cut();
    rig.look();
    rig.connect();
    assert!(!lingers(rig, false), "the session is this client's");
}
