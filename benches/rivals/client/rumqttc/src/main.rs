//! Scenarios on rumqttc, as its own benchmarks use it: a task that publishes through [`AsyncClient`], an event loop that is
//! polled beside it, a runtime of one thread.

use std::time::{Duration, Instant};

use harness::{Counting, Job, Latencies, Memory, Meter, TOPIC, Task, is_right, verify_sink};
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Outgoing, Packet, QoS};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const WHO: &str = "rumqttc";

fn main() {
    let job = Job::from_args();
    if job.is_v5 {
        job.unsupported(); // its v5 module is the same code again
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
    let mut options = MqttOptions::new(job.client_id(), job.address.ip().to_string(), job.address.port());
    options.set_keep_alive(Duration::ZERO).set_inflight(job.window());
    options.set_max_packet_size(job.size + 1024, job.size + 1024);
    let (client, mut eventloop) = AsyncClient::new(options, usize::from(job.window()));
    let mut network = eventloop.network_options();
    network.set_tcp_nodelay(true);
    eventloop.set_network_options(network);
    (client, eventloop)
}

async fn publish(job: &Job, qos: u8) {
    let (client, mut eventloop) = new(job);
    let total = job.warm_up() + job.count;
    let payload = job.payload();
    tokio::spawn(async move {
        for _ in 0..total {
            client.publish_bytes(TOPIC, level(qos), false, payload.clone()).await.expect("there will be room");
        }
        if qos == 0 {
            client.publish_bytes(TOPIC, QoS::AtLeastOnce, false, payload).await.expect("there will be room");
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
    let payload = job.payload();
    let mut latencies = Latencies::with_capacity(job.count);
    let mut meter = None;
    for index in 0..job.warm_up() + job.count {
        if index == job.warm_up() {
            meter = Some(Meter::start());
        }
        let before = Instant::now();
        client.publish_bytes(TOPIC, QoS::AtLeastOnce, false, payload.clone()).await.expect("there is room");
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
