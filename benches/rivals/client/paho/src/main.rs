//! Scenarios on Paho C, its blocking client without callbacks: so it has no threads of its own, which costs least.
//!
//! That client waits for acknowledgements in steps of 100 ms (`MQTTClient_yield`): no figures where it
//! would wait for most, connecting among it.

mod client;
mod ffi;

use std::ffi::CString;

use client::Client;
use harness::{Job, Meter, TOPIC, Task, is_right, verify_sink};

fn main() {
    let job = Job::from_args();
    if job.is_v5 {
        job.unsupported(); // it would be other functions for the same thing
    }
    let who = format!("paho-c {}", client::version());
    let topic = CString::new(TOPIC).expect("no zero in it");
    match job.task {
        Task::Publish(0) => publish(&who, &job, &topic),
        Task::Publish(_) | Task::Latency | Task::Idle | Task::Connect => job.unsupported(),
        Task::Receive(qos) => receive(&who, &job, &topic, qos),
    }
}

fn publish(who: &str, job: &Job, topic: &CString) {
    let client = Client::connect(job);
    let payload = job.payload();
    for _ in 0..job.warm_up() {
        client.publish(topic, &payload, 0);
    }
    let meter = Meter::start();
    for _ in 0..job.count {
        client.publish(topic, &payload, 0);
    }
    client.wait(client.publish(topic, &payload, 1));
    meter.stop(who, job);
    verify_sink(job);
}

fn receive(who: &str, job: &Job, topic: &CString, qos: u8) {
    let client = Client::connect(job);
    let sent = job.payload();
    client.subscribe(topic, qos);
    for index in 0..job.warm_up() {
        client.receive(|payload| assert!(is_right(index, payload, &sent)));
    }
    let meter = Meter::start();
    for index in 0..job.count {
        client.receive(|payload| assert!(is_right(index, payload, &sent)));
    }
    client.receive(|payload| assert!(is_right(0, payload, &sent)));
    meter.stop(who, job);
}
