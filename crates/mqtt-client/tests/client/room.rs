//! What a client holds and allocates, by a counting allocator.

use std::num::NonZeroU16;
use std::time::Duration;

use allocation_counter::measure;
use mqtt_client::QueuePolicy;
use mqtt_proto::{Connection, Delivery, QoS, ReasonCode, ServerEvent, TopicFilter, Unsubscribe};

use crate::world::{World, message, options};

fn forget(world: &mut World) {
    (world.events, world.seen) = (Vec::new(), Vec::new());
}

#[test]
fn a_client_gives_the_room_of_a_busy_time_back_when_it_is_quiet_for_a_keep_alive() {
    let mut world = World::new(options().keep_alive(60).queue_limit(10_000, 1 << 20).queue_policy(QueuePolicy::Refuse));
    world.config.receive_maximum = NonZeroU16::new(1_000).unwrap();
    (world.config.event_limit, world.config.event_bytes_limit) = (100_000, 1 << 24);
    world.connect(None);
    world.advance(Duration::from_secs(61));
    forget(&mut world);
    let held = measure(|| {
        let session = world.cut();
        for _ in 0..3_000 {
            world.publish("a", QoS::AtLeastOnce).unwrap();
            world.publish("a", QoS::AtMostOnce).unwrap();
            let unsubscribe = Unsubscribe::new(vec![TopicFilter::from_static("a")]);
            world.client.unsubscribe(world.now, unsubscribe).unwrap();
        }
        world.wait_for_dial();
        world.connect(Some(session));
        while !world.seen.is_empty() {
            for event in std::mem::take(&mut world.seen) {
                match event {
                    ServerEvent::Message(Delivery { ack: Some(ack), .. }) => world.server.ack(world.now, ack).unwrap(),
                    ServerEvent::Unsubscribe(request) => {
                        world.server.unsuback(world.now, request, &[ReasonCode::SUCCESS]).unwrap();
                    }
                    _ => {}
                }
            }
            world.settle();
        }
        world.advance(Duration::from_secs(61));
        // What the server and the tests keep is not the client's.
        world.server = Connection::listen(world.now, world.config.clone());
        forget(&mut world);
    });
    assert!(held.bytes_current < 1_000, "{} bytes more than before", held.bytes_current);
}

#[test]
fn a_busy_client_allocates_nothing_for_a_message() {
    let mut world = World::connected(options());
    let mut publish = |qos, counted: &mut u64| {
        let message = message("a", qos);
        let publish = measure(|| assert!(world.client.publish(world.now, message).is_ok()));
        world.settle();
        assert_eq!(world.arrived().len(), 1);
        *counted += publish.count_total;
    };
    let (mut first, mut others) = (0, 0);
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        publish(qos, &mut first);
        (0..20).for_each(|_| publish(qos, &mut others));
    }
    assert!(first > 0 && others == 0, "{first}, then {others}");
}
