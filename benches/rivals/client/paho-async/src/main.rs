//! Scenarios on Paho C's asynchronous client (`MQTTAsync`), which has two threads of its own: one writes, one reads and calls back.
//!
//! A connection takes it a quarter of a second, in steps of 100 ms: no figures for connecting, and for thousands of clients.

mod client;
mod ffi;

use std::ffi::CString;
use std::time::Instant;

use client::Client;
use harness::{Job, Latencies, Meter, TOPIC, Task, verify_sink};

fn main() {
    let job = Job::from_args();
    if job.is_v5 {
        job.unsupported(); // it would be other functions for the same thing
    }
    let who = format!("paho-c-async {}", client::version());
    let topic = CString::new(TOPIC).expect("no zero in it");
    match job.task {
        Task::Publish(qos) => publish(&who, &job, &topic, qos),
        Task::Receive(qos) => receive(&who, &job, &topic, qos),
        Task::Latency => latency(&who, &job, &topic),
        Task::Idle | Task::Connect => job.unsupported(),
    }
}

fn publish(who: &str, job: &Job, topic: &CString, qos: u8) {
    let client = Client::connect(job);
    let payload = job.payload();
    let window = u64::from(job.window());
    let publish = |from: u64, to: u64| {
        for index in from..to {
            // Half a window at a time, so that nobody is woken for each message. At QoS 0, too: what is not written would pile up.
            if index >= window && index.is_multiple_of(window / 2) {
                client.wait_ended(index - window / 2);
            }
            client.publish(topic, &payload, qos);
        }
        client.wait_ended(to);
    };
    publish(0, job.warm_up());
    let meter = Meter::start();
    let all = job.warm_up() + job.count;
    publish(job.warm_up(), all);
    if qos == 0 {
        client.publish(topic, &payload, 1);
        client.wait_ended(all + 1);
    }
    meter.stop(who, job);
    verify_sink(job);
}

fn receive(who: &str, job: &Job, topic: &CString, qos: u8) {
    let client = Client::connect(job);
    client.subscribe(topic, qos);
    client.wait_received(job.warm_up() + job.count + 1);
    client.take_meter().expect("it was started").stop(who, job);
}

fn latency(who: &str, job: &Job, topic: &CString) {
    let client = Client::connect(job);
    let payload = job.payload();
    let mut latencies = Latencies::with_capacity(job.count);
    let mut meter = None;
    for index in 0..job.warm_up() + job.count {
        if index == job.warm_up() {
            meter = Some(Meter::start());
        }
        let before = Instant::now();
        client.publish(topic, &payload, 1);
        client.wait_ended(index + 1);
        if meter.is_some() {
            latencies.push(before.elapsed());
        }
    }
    meter.expect("it was started").stop_with(who, job, latencies);
    verify_sink(job);
}
