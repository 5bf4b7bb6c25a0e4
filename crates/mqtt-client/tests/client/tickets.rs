//! How tickets learn of the end of their messages, whenever they ask.

use std::num::NonZeroU16;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use mqtt_client::{Acknowledgement, Backoff, Error, QoS, QueuePolicy, ReasonCode, Ticket};
use mqtt_proto::{Instant, ServerEvent, Text};

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

fn is_pending(ticket: &mut Pin<Box<Ticket>>) -> bool {
    poll(ticket.as_mut()).is_pending()
}

const POLICIES: [QueuePolicy; 4] =
    [QueuePolicy::Wait, QueuePolicy::Refuse, QueuePolicy::DropOldest, QueuePolicy::KeepLatest];

// A ticket that is asked for the first time finds out by looking where its message is.
#[test]
fn a_ticket_is_pending_wherever_its_message_is() {
    for policy in POLICIES {
        let options = options().queue_policy(policy).queue_limit(if policy == QueuePolicy::Wait { 1 } else { 9 }, 99);
        for asked_after in 0..3 {
            let mut rig = Rig::new(options.clone().send_maximum(NonZeroU16::MIN));
            let mut tickets = ["a", "b", "c"].map(|topic| Box::pin(rig.publish(topic, QoS::AtLeastOnce)));
            for _ in 0..asked_after {
                rig.crank();
                assert_eq!(rig.acknowledge(), 1);
            }
            let pending = tickets.each_mut().map(is_pending);
            assert_eq!(pending, [0, 1, 2].map(|index| index >= asked_after), "{policy:?}");
        }
    }
}

#[test]
fn a_ticket_is_pending_while_its_message_waits_to_be_sent_again() {
    for asked_after in 0..4 {
        let at_once = Backoff { initial: Duration::ZERO, ..Backoff::default() };
        let mut rig = Rig::new(options().backoff(at_once));
        let mut tickets: Vec<_> = publish(&mut rig, 4).into_iter().map(Box::pin).collect();
        rig.config.receive_maximum = NonZeroU16::MIN;
        rig.cut();
        rig.look();
        rig.connect();
        for _ in 0..asked_after {
            assert_eq!(rig.acknowledge(), 1);
        }
        let pending: Vec<_> = tickets.iter_mut().map(is_pending).collect();
        assert_eq!(pending, [0, 1, 2, 3].map(|index| index >= asked_after));
    }
}

#[test]
fn a_ticket_of_qos_0_is_pending_until_its_message_is_written() {
    for policy in POLICIES {
        let mut rig = Rig::new(options().queue_policy(policy));
        let mut first = Box::pin(rig.publish("a", QoS::AtMostOnce));
        assert!(is_pending(&mut first), "{policy:?}");
        let mut others = ["b", "c"].map(|topic| Box::pin(rig.publish(topic, QoS::AtMostOnce)));
        assert!(is_pending(&mut others[0]), "{policy:?}");
        rig.crank();
        assert!(!is_pending(&mut others[1]), "{policy:?}");
    }
}

#[test]
fn a_ticket_that_asks_late_learns_what_the_server_had_to_say() {
    let mut rig = Rig::new(options());
    let tickets = publish(&mut rig, 3);
    for (index, event) in std::mem::take(&mut rig.seen).into_iter().enumerate() {
        let ServerEvent::Message(delivery) = event else { continue };
        let ack = delivery.ack.expect("QoS 1");
        let ack = match index {
            0 => ack.with_reason(ReasonCode::NO_MATCHING_SUBSCRIBERS),
            1 => ack.with_reason_string(Text::from_static("welcome")),
            _ => ack,
        };
        rig.server.ack(Instant::ZERO, ack).unwrap();
    }
    rig.crank();
    let said = tickets.into_iter().map(|ticket| {
        let Acknowledgement { reason, properties } = outcome(ticket).unwrap();
        (reason, properties.reason_string().map(str::to_owned))
    });
    let expected = [
        (ReasonCode::NO_MATCHING_SUBSCRIBERS, None),
        (ReasonCode::SUCCESS, Some("welcome".to_owned())),
        (ReasonCode::SUCCESS, None),
    ];
    assert!(said.eq(expected));
}

#[test]
fn whoever_waits_for_a_message_that_gives_way_is_woken_at_once() {
    let mut rig = Rig::new(options().queue_limit(1, 1 << 20).queue_policy(QueuePolicy::DropOldest));
    rig.cut();
    let mut first = Box::pin(rig.publish("a", QoS::AtMostOnce));
    let alarm = Arc::new(Alarm::default());
    assert!(alarm.poll(first.as_mut()).is_pending());
    drop(rig.publish("b", QoS::AtMostOnce));
    assert_eq!(alarm.count(), 1);
    assert_eq!(poll(first.as_mut()), Poll::Ready(Err(Error::Superseded)));
}
