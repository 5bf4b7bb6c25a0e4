//! Scenarios on rumqttc-next, in its crate for 3.1.1, as its examples use it: a task that publishes through
//! [`AsyncClient`], an event loop that is polled beside it, a runtime of one thread. Topics are validated once
//! ([`ValidatedTopic`]), requests are taken in batches.

use std::time::Instant;

use harness::{Counting, Job, Latencies, Memory, Meter, TOPIC, Task, is_right, verify_sink};
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Outgoing, Packet, PublishOptions, QoS, ValidatedTopic};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const WHO: &str = "rumqttc-next";

fn main() {
    let job = Job::from_args();
    if job.is_v5 {
        job.unsupported(); // its crate for 5.0 is the same code again
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        match job.task {
            Task::Publish(qos) => publish(&job, qos).await,
            Task::Receive(qos) => receive(&job, qos).await,
            Task::Latency => latency(&job).await,
            Task::Idle => idle(&job).await,
            Task::Connect => connect(&job).await,
        }
    });
}

fn new(job: &Job) -> (AsyncClient, EventLoop) {
    let broker = (job.address.ip().to_string(), job.address.port());
    let mut options = MqttOptions::new(job.client_id(), broker);
    options.set_keep_alive(0).set_inflight(job.window());
    options.set_max_packet_size(job.size + 1024, job.size + 1024);
    options.set_max_request_batch(usize::from(job.window()));
    let (client, mut eventloop) = AsyncClient::builder(options).capacity(usize::from(job.window())).build();
    let mut network = eventloop.network_options();
    network.set_tcp_nodelay(true);
    eventloop.set_network_options(network);
    (client, eventloop)
}

async fn publish(job: &Job, qos: u8) {
    let (client, mut eventloop) = new(job);
    let total = job.warm_up() + job.count;
    let (topic, payload) = (ValidatedTopic::new(TOPIC).expect("it is one"), job.payload());
    tokio::spawn(async move {
        for _ in 0..total {
            client
                .publish(topic.clone(), payload.clone(), PublishOptions::new(level(qos)))
                .await
                .expect("there will be room");
        }
        if qos == 0 {
            client.publish(topic.clone(), payload, PublishOptions::at_least_once()).await.expect("there will be room");
        }
        std::future::pending::<()>().await; // a client that is gone ends the event loop
    });
    let (mut meter, mut done) = (None, 0);
    loop {
        match eventloop.poll().await.expect("the connection lasts") {
            Event::Outgoing(Outgoing::Publish(_)) if qos == 0 && done < total => done += 1,
            Event::Incoming(Packet::PubAck(_) | Packet::PubComp(_)) => done += 1,
            _ => {}
        }
        if done == job.warm_up() && meter.is_none() {
            meter = Some(Meter::start());
        }
        if done == total + u64::from(qos == 0) {
            break;
        }
    }
    meter.expect("it was started").stop(WHO, job);
    verify_sink(job);
}

async fn receive(job: &Job, qos: u8) {
    let (client, mut eventloop) = new(job);
    client.subscribe(TOPIC, level(qos)).await.expect("there is room");
    let sent = job.payload();
    let (mut meter, mut received) = (None, 0);
    while received < job.warm_up() + job.count + 1 {
        if let Event::Incoming(Packet::Publish(publish)) = eventloop.poll().await.expect("the connection lasts") {
            assert!(is_right(received, &publish.payload, &sent));
            received += 1;
            if received == job.warm_up() {
                meter = Some(Meter::start());
            }
        }
    }
    meter.expect("it was started").stop(WHO, job);
}

async fn latency(job: &Job) {
    let (client, mut eventloop) = new(job);
    let (topic, payload) = (ValidatedTopic::new(TOPIC).expect("it is one"), job.payload());
    let mut latencies = Latencies::with_capacity(job.count);
    let mut meter = None;
    for index in 0..job.warm_up() + job.count {
        if index == job.warm_up() {
            meter = Some(Meter::start());
        }
        let before = Instant::now();
        client.publish(topic.clone(), payload.clone(), PublishOptions::at_least_once()).await.expect("there is room");
        while !matches!(eventloop.poll().await, Ok(Event::Incoming(Packet::PubAck(_)))) {}
        if meter.is_some() {
            latencies.push(before.elapsed());
        }
    }
    meter.expect("it was started").stop_with(WHO, job, latencies);
    verify_sink(job);
}

async fn connected(job: &Job) -> (AsyncClient, EventLoop) {
    let (client, mut eventloop) = new(job);
    while !matches!(eventloop.poll().await.expect("it connects"), Event::Incoming(Packet::ConnAck(_))) {}
    (client, eventloop)
}

async fn idle(job: &Job) {
    let mut clients = Vec::with_capacity(job.count as usize);
    clients.push(connected(job).await);
    let memory = Memory::before();
    for _ in 0..job.count {
        clients.push(connected(job).await);
    }
    memory.after(WHO, job);
}

async fn connect(job: &Job) {
    let mut meter = None;
    for index in 0..job.warm_up() + job.count {
        if index == job.warm_up() {
            meter = Some(Meter::start());
        }
        let (client, mut eventloop) = connected(job).await;
        client.disconnect().await.expect("there is room");
        while !matches!(eventloop.poll().await, Ok(Event::Outgoing(Outgoing::Disconnect)) | Err(_)) {}
    }
    meter.expect("it was started").stop(WHO, job);
}

fn level(qos: u8) -> QoS {
    [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(qos)]
}
