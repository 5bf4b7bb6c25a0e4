//! Scenarios on libmosquitto, driven from one thread by `mosquitto_loop`, which costs less than its own thread does.

mod client;
mod ffi;

use std::ffi::CString;
use std::time::Instant;

use client::Client;
use harness::{Job, Latencies, Memory, Meter, TOPIC, Task, verify_sink};

fn main() {
    let job = Job::from_args();
    if job.is_v5 {
        job.unsupported(); // it would be other functions for the same thing
    }
    let who = format!("libmosquitto {}", client::init());
    let topic = CString::new(TOPIC).expect("no zero in it");
    match job.task {
        Task::Publish(qos) => publish(&who, &job, &topic, qos),
        Task::Receive(qos) => receive(&who, &job, &topic, qos),
        Task::Latency => latency(&who, &job, &topic),
        Task::Idle => {
            let mut clients = Vec::with_capacity(job.count as usize);
            clients.push(Client::connect(&job));
            let memory = Memory::before();
            clients.extend((0..job.count).map(|_| Client::connect(&job)));
            memory.after(&who, &job);
        }
        Task::Connect => {
            (0..job.warm_up()).for_each(|_| Client::connect(&job).disconnect());
            let meter = Meter::start();
            (0..job.count).for_each(|_| Client::connect(&job).disconnect());
            meter.stop(&who, &job);
        }
    }
}

fn publish(who: &str, job: &Job, topic: &CString, qos: u8) {
    let client = Client::connect(job);
    let payload = job.payload();
    let window = u64::from(job.window());
    let publish = |from: u64, to: u64| {
        for index in from..to {
            // At QoS 0, too: what it has not written would pile up.
            while index >= client.published() + window {
                client.turn();
            }
            client.publish(topic, &payload, qos);
        }
        while client.published() < to {
            client.turn();
        }
    };
    publish(0, job.warm_up());
    let meter = Meter::start();
    publish(job.warm_up(), job.warm_up() + job.count);
    if qos == 0 {
        let before = client.published();
        client.publish(topic, &payload, 1);
        while client.published() == before {
            client.turn();
        }
    }
    meter.stop(who, job);
    verify_sink(job);
}

fn receive(who: &str, job: &Job, topic: &CString, qos: u8) {
    let client = Client::connect(job);
    client.subscribe(topic, qos);
    while client.received() < job.warm_up() + job.count + 1 {
        client.turn();
    }
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
        while client.published() <= index {
            client.turn();
        }
        if meter.is_some() {
            latencies.push(before.elapsed());
        }
    }
    meter.expect("it was started").stop_with(who, job, latencies);
    verify_sink(job);
}
