//! How tickets learn of the end of their messages, whenever they ask.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use mqtt_client::{Acknowledgement, Backoff, Error, QoS, QueuePolicy, ReasonCode, Ticket};
use mqtt_proto::{Instant, ServerEvent};

use crate::rig::{Alarm, Rig, poll};
use crate::world::options;

/// Publishes so many messages, which the server reads.
fn publish(rig: &mut Rig, messages: usize) -> Vec<Ticket> {
    let publish = |_| {
        let ticket = rig.publish("a", QoS::AtLeastOnce);
        rig.crank();
        ticket
    };
    (0..messages).map(publish).collect()
}

/// The outcome that a ticket has now.
fn outcome(ticket: Ticket) -> Result<Acknowledgement, Error> {
    match poll(pin!(ticket)) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("it is pending"),
    }
}

/// The server refuses every third message that has come, and acknowledges the others.
fn refuse_every_third(rig: &mut Rig) {
    for (index, event) in std::mem::take(&mut rig.seen).into_iter().enumerate() {
        let ServerEvent::Message(delivery) = event else { continue };
        let ack = delivery.ack.expect("QoS 1");
        let reason = if index % 3 == 0 { ReasonCode::QUOTA_EXCEEDED } else { ReasonCode::SUCCESS };
        rig.server.ack(Instant::ZERO, ack.with_reason(reason)).unwrap();
    }
    rig.crank();
}

#[test]
fn a_ticket_that_asks_late_learns_the_same() {
    let mut rig = Rig::new(options());
    let tickets = publish(&mut rig, 1_000);
    refuse_every_third(&mut rig);
    for (index, ticket) in tickets.into_iter().enumerate() {
        let expected = if index % 3 == 0 { Err(Error::PublishRefused(ReasonCode::QUOTA_EXCEEDED)) } else { Ok(()) };
        assert_eq!(outcome(ticket).map(|_| ()), expected, "message {index}");
    }
}

#[test]
fn tickets_may_be_asked_in_any_order_and_several_times() {
    let mut rig = Rig::new(options());
    let mut tickets: Vec<_> = publish(&mut rig, 600).into_iter().map(Box::pin).collect();
    for ticket in tickets.iter_mut().rev().step_by(7) {
        assert!(poll(ticket.as_mut()).is_pending());
    }
    refuse_every_third(&mut rig);
    for _ in 0..2 {
        for (index, ticket) in tickets.iter_mut().enumerate().rev() {
            let Poll::Ready(outcome) = poll(ticket.as_mut()) else { panic!("message {index} is finished") };
            assert_eq!(outcome.is_err(), index % 3 == 0, "message {index}");
        }
    }
}

#[test]
fn what_is_not_written_fails_also_for_a_ticket_that_asks_late() {
    let mut rig = Rig::new(options());
    let lost = rig.publish("a", QoS::AtMostOnce);
    rig.cut();
    assert_eq!(outcome(lost), Err(Error::NotWritten));
}

#[test]
fn what_gave_way_in_the_queue_fails_also_for_a_ticket_that_asks_late() {
    for policy in [QueuePolicy::DropOldest, QueuePolicy::KeepLatest] {
        let at_once = Backoff { initial: Duration::ZERO, ..Backoff::default() };
        let mut rig = Rig::new(options().queue_limit(2, 1 << 20).queue_policy(policy).backoff(at_once));
        rig.cut();
        let [first, second, third] = ["a", "b", "c"].map(|topic| rig.publish(topic, QoS::AtLeastOnce));
        // Takes the place of the second one, or makes it give way.
        let fourth = rig.publish("b", QoS::AtLeastOnce);
        rig.look();
        rig.connect();
        let mut pending = pin!(fourth);
        assert!(poll(pending.as_mut()).is_pending());
        assert_eq!(rig.acknowledge(), 2);
        assert_eq!(outcome(first), Err(Error::Superseded));
        assert_eq!(outcome(second), Err(Error::Superseded));
        assert!(outcome(third).is_ok());
        assert!(poll(pending).is_ready());
    }
}

#[test]
fn a_dropped_ticket_of_a_refused_message_leaves_the_others_alone() {
    let mut rig = Rig::new(options());
    let kept = rig.publish("a", QoS::AtLeastOnce);
    drop(rig.publish("a", QoS::AtLeastOnce));
    let mut polled = Box::pin(rig.publish("a", QoS::AtLeastOnce));
    let alarm = Arc::new(Alarm::default());
    assert!(alarm.poll(polled.as_mut()).is_pending());
    drop(polled);
    rig.crank();
    refuse_every_third(&mut rig);
    assert_eq!(alarm.count(), 0, "nobody waits for it any more");
    assert!(outcome(kept).is_err());
}

#[test]
fn accepting_lets_a_driver_run_whose_transport_is_behind() {
    let rig = Rig::new(options());
    let large = vec![0; 300_000];
    let mut ticket = rig.handle.publish("a", large, QoS::AtMostOnce);
    let alarm = Arc::new(Alarm::default());
    let mut accepted = pin!(ticket.accepted());
    assert!(alarm.poll(accepted.as_mut()).is_pending());
    assert_eq!(alarm.count(), 1, "it is to be asked again at once");
    assert_eq!(alarm.poll(accepted), Poll::Ready(Ok(())));
}

#[test]
fn a_driver_that_takes_turns_is_woken_once_by_others_and_never_by_itself() {
    let mut rig = Rig::new(options());
    let mut stream = rig.subscribe("a");
    let alarm = Arc::new(Alarm::default());
    let waker = Waker::from(Arc::clone(&alarm));
    let turn = rig.driver.turn(&waker);
    assert!(!turn.write && turn.read && !turn.close && turn.deadline.is_some());
    drop(rig.publish("b", QoS::AtMostOnce));
    drop(rig.publish("b", QoS::AtMostOnce));
    assert_eq!(alarm.count(), 1);
    assert!(rig.driver.turn(&waker).write);
    // What comes in and is written is its own doing; the acknowledgement is the application's.
    rig.flood("a", QoS::AtLeastOnce, 3);
    assert!(!rig.driver.turn(&waker).write);
    assert_eq!(alarm.count(), 1);
    assert!(stream.try_next().is_some() && stream.try_next().is_some());
    assert_eq!(alarm.count(), 2);
    assert!(rig.driver.turn(&waker).write);
    let disconnecting = rig.handle.disconnect();
    assert_eq!(alarm.count(), 3);
    rig.crank();
    assert!(rig.driver.turn(&waker).close);
    drop(disconnecting);
}
