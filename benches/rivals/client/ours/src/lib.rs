//! Scenarios on our client. The adapters have the same handle, so they have the same program.
//!
//! What an application would write: `publish(..).accepted().await` to be slowed down to the server's pace, and
//! `disconnect().await`, which fails unless everything was acknowledged.

use std::num::NonZeroU16;
use std::time::Instant;

use harness::{Job, Latencies, Memory, Meter, TOPIC, Task, is_right, verify_sink};
use mqtt_client::{Error, Handle, Options, QoS, TopicName, Version};

/// Does the job with the `connect` of an adapter.
///
/// # Panics
///
/// If anything fails.
pub async fn run<F: Future<Output = Result<Handle, Error>>>(who: &str, job: Job, connect: impl Fn(Options) -> F) {
    match job.task {
        Task::Publish(qos) => publish(who, &job, qos, connect(options(&job)).await.expect("it connects")).await,
        Task::Receive(qos) => receive(who, &job, qos, connect(options(&job)).await.expect("it connects")).await,
        Task::Latency => latency(who, &job, connect(options(&job)).await.expect("it connects")).await,
        Task::Idle => {
            let mut handles = Vec::with_capacity(job.count as usize);
            handles.push(connect(options(&job)).await.expect("it connects"));
            let memory = Memory::before();
            for _ in 0..job.count {
                handles.push(connect(options(&job)).await.expect("it connects"));
            }
            memory.after(who, &job);
        }
        Task::Connect => {
            for _ in 0..job.warm_up() {
                connect(options(&job)).await.expect("it connects").disconnect().await.expect("it disconnects");
            }
            let meter = Meter::start();
            for _ in 0..job.count {
                connect(options(&job)).await.expect("it connects").disconnect().await.expect("it disconnects");
            }
            meter.stop(who, &job);
        }
    }
}

/// What the job says, as options.
///
/// # Panics
///
/// If the window is empty.
#[must_use]
pub fn options(job: &Job) -> Options {
    Options::new(job.address.ip().to_string(), job.address.port())
        .version(if job.is_v5 { Version::V5 } else { Version::V311 })
        .client_id(job.client_id())
        .keep_alive(0)
        .send_maximum(NonZeroU16::new(job.window()).expect("not zero"))
}

async fn publish(who: &str, job: &Job, qos: u8, client: Handle) {
    let (topic, payload) = (TopicName::from_static(TOPIC), job.payload());
    let level = level(qos);
    for index in 1..=job.warm_up() {
        let mut ticket = client.publish(topic.clone(), payload.clone(), level);
        ticket.accepted().await.expect("there will be room");
        if index == job.warm_up() {
            ticket.await.expect("it is acknowledged");
        }
    }
    let meter = Meter::start();
    for _ in 0..job.count {
        client.publish(topic.clone(), payload.clone(), level).accepted().await.expect("there will be room");
    }
    if qos == 0 {
        client.publish(topic.clone(), payload.clone(), QoS::AtLeastOnce).await.expect("it is acknowledged");
    }
    client.disconnect().await.expect("all is acknowledged");
    meter.stop(who, job);
    verify_sink(job);
}

async fn receive(who: &str, job: &Job, qos: u8, client: Handle) {
    let sent = job.payload();
    let mut messages = client.subscribe(TOPIC, level(qos)).await.expect("it is granted");
    for index in 0..job.warm_up() {
        let message = messages.next().await.expect("there is more");
        assert!(is_right(index, &message.payload, &sent));
    }
    let meter = Meter::start();
    for index in 0..job.count {
        let message = messages.next().await.expect("there is more");
        assert!(is_right(index, &message.payload, &sent));
    }
    messages.next().await.expect("the last, which comes when all others are acknowledged");
    meter.stop(who, job);
}

async fn latency(who: &str, job: &Job, client: Handle) {
    let (topic, payload) = (TopicName::from_static(TOPIC), job.payload());
    let publish = || client.publish(topic.clone(), payload.clone(), QoS::AtLeastOnce);
    for _ in 0..job.warm_up() {
        publish().await.expect("it is acknowledged");
    }
    let mut latencies = Latencies::with_capacity(job.count);
    let meter = Meter::start();
    for _ in 0..job.count {
        let before = Instant::now();
        publish().await.expect("it is acknowledged");
        latencies.push(before.elapsed());
    }
    meter.stop_with(who, job, latencies);
    verify_sink(job);
}

fn level(qos: u8) -> QoS {
    [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(qos)]
}
