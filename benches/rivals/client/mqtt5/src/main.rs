//! Scenarios on mqtt5, as its own benchmark does them: QoS 1 and 2 by as many tasks as the window holds, each of which
//! awaits its publish; messages by a callback. A runtime of one thread.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use harness::{Counting, Job, Latencies, Memory, Meter, TOPIC, Task, is_right, verify_sink};
use mqtt5::{ConnectOptions, MqttClient, ProtocolVersion, PublishResult, QoS, SubscribeOptions};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const WHO: &str = "mqtt5";

fn main() {
    let job = Job::from_args();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        match job.task {
            Task::Publish(qos) => publish(&job, level(qos)).await,
            Task::Receive(qos) => receive(job, level(qos)).await,
            Task::Latency => latency(&job).await,
            Task::Idle => idle(&job).await,
            Task::Connect => connect_and_leave(&job).await,
        }
    });
}

async fn connect(job: &Job) -> MqttClient {
    let version = if job.is_v5 { ProtocolVersion::V5 } else { ProtocolVersion::V311 };
    let options = ConnectOptions::new(job.client_id())
        .with_protocol_version(version)
        .with_keep_alive(Duration::from_secs(3_600))
        .with_automatic_reconnect(false);
    let client = MqttClient::new(job.client_id());
    let url = format!("mqtt://{}", job.address);
    Box::pin(client.connect_with_options(&url, options)).await.expect("it connects");
    client
}

async fn publish(job: &Job, qos: QoS) {
    let client = connect(job).await;
    publish_many(job, &client, qos, job.warm_up()).await;
    let meter = Meter::start();
    publish_many(job, &client, qos, job.count).await;
    if qos == QoS::AtMostOnce {
        publish_one(&client, QoS::AtLeastOnce, job.payload().to_vec()).await;
    }
    meter.stop(WHO, job);
    verify_sink(job);
}

async fn publish_many(job: &Job, client: &MqttClient, qos: QoS, count: u64) {
    let payload = job.payload().to_vec();
    if qos == QoS::AtMostOnce {
        for _ in 0..count {
            publish_one(client, qos, payload.clone()).await;
        }
        return;
    }
    let workers = u64::from(job.window());
    let mut tasks = JoinSet::new();
    for worker in 0..workers {
        let (client, payload) = (client.clone(), payload.clone());
        tasks.spawn(async move {
            for _ in (worker..count).step_by(workers as usize) {
                publish_one(&client, qos, payload.clone()).await;
            }
        });
    }
    tasks.join_all().await;
}

async fn publish_one(client: &MqttClient, qos: QoS, payload: Vec<u8>) {
    let result = client.publish_qos(TOPIC, payload, qos).await.expect("it is acknowledged");
    assert!(matches!(result, PublishResult::Sent(_)));
}

async fn receive(job: Job, qos: QoS) {
    let client = connect(&job).await;
    let (done, end) = oneshot::channel();
    let total = job.warm_up() + job.count + 1;
    let (sent, warm_up) = (job.payload(), job.warm_up());
    let state = Mutex::new((0, None, Some((done, job))));
    let state = Arc::new(state);
    let options = SubscribeOptions { qos, ..SubscribeOptions::default() };
    let subscribed = client.subscribe_with_options(TOPIC, options, move |message| {
        let mut state = state.lock().expect("nobody panics with it");
        let (received, meter, finish) = &mut *state;
        assert!(is_right(*received, &message.payload, &sent));
        *received += 1;
        if *received == warm_up {
            *meter = Some(Meter::start());
        } else if *received == total {
            let (done, job) = finish.take().expect("it comes once");
            meter.take().expect("it was started").stop(WHO, &job);
            done.send(()).expect("it is awaited");
        }
    });
    subscribed.await.expect("it is granted");
    end.await.expect("all arrives");
}

async fn latency(job: &Job) {
    let client = connect(job).await;
    let payload = job.payload().to_vec();
    let mut latencies = Latencies::with_capacity(job.count);
    let mut meter = None;
    for index in 0..job.warm_up() + job.count {
        if index == job.warm_up() {
            meter = Some(Meter::start());
        }
        let before = Instant::now();
        publish_one(&client, QoS::AtLeastOnce, payload.clone()).await;
        if meter.is_some() {
            latencies.push(before.elapsed());
        }
    }
    meter.expect("it was started").stop_with(WHO, job, latencies);
    verify_sink(job);
}

async fn idle(job: &Job) {
    let mut clients = Vec::with_capacity(job.count as usize);
    clients.push(connect(job).await);
    let memory = Memory::before();
    for _ in 0..job.count {
        clients.push(connect(job).await);
    }
    memory.after(WHO, job);
}

async fn connect_and_leave(job: &Job) {
    let mut meter = None;
    for index in 0..job.warm_up() + job.count {
        if index == job.warm_up() {
            meter = Some(Meter::start());
        }
        connect(job).await.disconnect().await.expect("it disconnects");
    }
    meter.expect("it was started").stop(WHO, job);
}

fn level(qos: u8) -> QoS {
    [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(qos)]
}
