//! Scenarios on `mqtt_client::Client`, the client as a value, in a loop of the caller's own with `poll`, as an application without
//! a runtime has it. It is what the program of libmosquitto does.

mod link;

use std::time::Instant;

use harness::{Counting, Job, Latencies, Memory, Meter, TOPIC, Task, is_right, verify_sink};
use link::{Link, Loop};
use mqtt_client::{Event, Message, QoS, TopicName};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const WHO: &str = "ours/poll";

fn main() {
    let (job, mut own) = (Job::from_args(), Loop::new());
    match job.task {
        Task::Publish(qos) => publish(&mut own, &job, qos),
        Task::Receive(qos) => receive(&mut own, &job, qos),
        Task::Latency => latency(&mut own, &job),
        Task::Idle => {
            let mut links = Vec::with_capacity(job.count as usize);
            links.push(Link::connect(&mut own, &job));
            let memory = Memory::before();
            links.extend((0..job.count).map(|_| Link::connect(&mut own, &job)));
            memory.after(WHO, &job);
        }
        Task::Connect => {
            (0..job.warm_up()).for_each(|_| Link::connect(&mut own, &job).disconnect(&own));
            let meter = Meter::start();
            (0..job.count).for_each(|_| Link::connect(&mut own, &job).disconnect(&own));
            meter.stop(WHO, &job);
        }
    }
}

fn message(job: &Job, qos: u8) -> Message {
    Message::new(TopicName::from_static(TOPIC), job.payload()).with_qos(level(qos))
}

fn publish(own: &mut Loop, job: &Job, qos: u8) {
    let mut link = Link::connect(own, job);
    let message = message(job, qos);
    let (window, mut sent, mut ended) = (u64::from(job.window()), 0, 0);
    let mut publish_until = |link: &mut Link, own: &mut Loop, last: u64| {
        while ended < last {
            // At QoS 0 as much as one write takes.
            while sent < last && if qos == 0 { link.unwritten(own) < BLOCK } else { sent < ended + window } {
                link.publish(own, message.clone());
                sent += 1;
            }
            link.turn(own, |event| ended += u64::from(matches!(event, Event::Published { .. })));
        }
    };
    publish_until(&mut link, own, job.warm_up());
    let meter = Meter::start();
    publish_until(&mut link, own, job.warm_up() + job.count);
    if qos == 0 {
        link.publish(own, message.with_qos(QoS::AtLeastOnce));
        let mut is_acknowledged = false;
        while !is_acknowledged {
            link.turn(own, |event| is_acknowledged |= matches!(event, Event::Published { .. }));
        }
    }
    link.disconnect(own);
    meter.stop(WHO, job);
    verify_sink(job);
}

fn receive(own: &mut Loop, job: &Job, qos: u8) {
    let mut link = Link::connect(own, job);
    link.subscribe(own, TOPIC, level(qos));
    let (sent, mut received, mut meter) = (job.payload(), 0, None);
    while received < job.warm_up() + job.count + 1 {
        link.turn(own, |event| {
            if let Event::Message(delivery) = event {
                assert!(is_right(received, &delivery.message.payload, &sent));
                received += 1;
                if received == job.warm_up() {
                    meter = Some(Meter::start());
                }
            }
        });
    }
    meter.expect("it was started").stop(WHO, job);
}

fn latency(own: &mut Loop, job: &Job) {
    let mut link = Link::connect(own, job);
    let message = message(job, 1);
    let mut exchange = || {
        let (before, mut is_acknowledged) = (Instant::now(), false);
        link.publish(own, message.clone());
        while !is_acknowledged {
            link.turn(own, |event| is_acknowledged |= matches!(event, Event::Published { .. }));
        }
        before.elapsed()
    };
    for _ in 0..job.warm_up() {
        exchange();
    }
    let mut latencies = Latencies::with_capacity(job.count);
    let meter = Meter::start();
    (0..job.count).for_each(|_| latencies.push(exchange()));
    meter.stop_with(WHO, job, latencies);
    verify_sink(job);
}

fn level(qos: u8) -> QoS {
    [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(qos)]
}

/// Bytes in one write.
const BLOCK: usize = 64 << 10;
