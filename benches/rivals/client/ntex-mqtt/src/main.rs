//! Scenarios on ntex-mqtt, as its documentation says for speed: `send_at_least_once_no_block` with a callback for the
//! acknowledgements, `ready()` before it; a handler for what arrives; ntex's runtime (one thread, Tokio below).
//!
//! It has no QoS 2 with more than one message under way (the second PUBREC replaces what the first waits on), and its client
//! answers incoming QoS 2 with PUBACK: no figures there.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

use harness::{Counting, Job, Latencies, Memory, Meter, TOPIC, Task, is_right, verify_sink};
use ntex_bytes::{ByteString, Bytes};
use ntex_mqtt::v3::client::{Client, Connect, MqttConnector, ProtocolMessage};
use ntex_mqtt::v3::{MqttSink, codec};
use ntex_mqtt::{MqttServiceConfig, QoS};
use ntex_net::DefaultRuntime;
use ntex_rt::{System, spawn};
use ntex_service::cfg::SharedCfg;
use ntex_service::pipeline::Pipeline;
use ntex_util::time::{Millis, Seconds, sleep};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const WHO: &str = "ntex-mqtt";

fn main() {
    System::new(WHO, DefaultRuntime).block_on(run(Job::from_args()));
}

async fn run(job: Job) {
    if job.is_v5 {
        job.unsupported(); // its v5 module is the same code again
    }
    match job.task {
        Task::Publish(qos @ (0 | 1)) => publish(&job, qos).await,
        Task::Receive(qos @ (0 | 1)) => receive(job, qos).await,
        Task::Publish(_) | Task::Receive(_) => job.unsupported(),
        Task::Latency => latency(&job).await,
        Task::Idle => idle(&job).await,
        Task::Connect => connect(&job).await,
    }
}

async fn client(job: &Job) -> Client {
    let limits =
        MqttServiceConfig::new().set_max_send(job.window()).set_max_receive(2 * job.window()).set_max_receive_size(0);
    let connector = Pipeline::new(SharedCfg::new("client").add(limits).build(), MqttConnector::new());
    let connect = Connect::new(job.address.to_string()).client_id(job.client_id()).clean_session();
    connector.call(connect.keep_alive(Seconds::ZERO)).await.expect("it connects")
}

/// Connects, and has a task handle what comes.
async fn running(job: &Job) -> MqttSink {
    let client = client(job).await;
    let sink = client.sink();
    spawn(client.start_default());
    sink
}

async fn publish(job: &Job, qos: u8) {
    let sink = running(job).await;
    let (topic, payload) = (ByteString::from_static(TOPIC), Bytes::copy_from_slice(&job.payload()));
    let total = job.warm_up() + job.count;
    let acknowledged = Rc::new(Cell::new(0));
    let counter = Rc::clone(&acknowledged);
    sink.publish_ack_cb(move |_, is_disconnected| {
        assert!(!is_disconnected);
        counter.set(counter.get() + 1);
    });
    let mut meter = None;
    for index in 0..total {
        if index == job.warm_up() {
            meter = Some(Meter::start());
        }
        while !sink.is_ready() {
            assert!(sink.ready().await);
        }
        let message = sink.publish(topic.clone());
        let sent = match qos {
            0 => message.send_at_most_once(payload.clone()),
            _ => message.send_at_least_once_no_block(payload.clone()),
        };
        sent.expect("it is sent");
    }
    if qos == 0 {
        sink.publish(topic).send_at_least_once(payload).await.expect("it is acknowledged");
    } else {
        while acknowledged.get() < total {
            sleep(Millis(1)).await;
        }
    }
    meter.expect("it was started").stop(WHO, job);
    verify_sink(job);
}

async fn receive(job: Job, qos: u8) {
    let client = client(&job).await;
    let sink = client.sink();
    let (sent, received) = (job.payload(), Cell::new(0));
    let (meter, total) = (RefCell::new(None), job.warm_up() + job.count + 1);
    let (done, end) = ntex_util::channel::oneshot::channel();
    let done = Cell::new(Some(done));
    spawn(client.start(async move |message: ProtocolMessage| {
        if let ProtocolMessage::Publish(publish) = &message {
            let payload = publish.read_all().await.expect("it is whole");
            assert!(is_right(received.get(), &payload, &sent));
            received.set(received.get() + 1);
            if received.get() == job.warm_up() {
                *meter.borrow_mut() = Some(Meter::start());
            } else if received.get() == total {
                meter.take().expect("it was started").stop(WHO, &job);
                done.take().expect("it comes once").send(()).expect("it is awaited");
            }
        }
        Ok::<_, ()>(message.ack())
    }));
    let level = if qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
    let granted = sink.subscribe().topic_filter(ByteString::from_static(TOPIC), level).send().await;
    assert_eq!(granted.expect("it is granted"), [codec::SubscribeReturnCode::Success(level)]);
    end.await.expect("all arrives");
}

async fn latency(job: &Job) {
    let sink = running(job).await;
    let (topic, payload) = (ByteString::from_static(TOPIC), Bytes::copy_from_slice(&job.payload()));
    let mut latencies = Latencies::with_capacity(job.count);
    let mut meter = None;
    for index in 0..job.warm_up() + job.count {
        if index == job.warm_up() {
            meter = Some(Meter::start());
        }
        let before = Instant::now();
        sink.publish(topic.clone()).send_at_least_once(payload.clone()).await.expect("it is acknowledged");
        if meter.is_some() {
            latencies.push(before.elapsed());
        }
    }
    meter.expect("it was started").stop_with(WHO, job, latencies);
    verify_sink(job);
}

async fn idle(job: &Job) {
    let mut sinks = Vec::with_capacity(job.count as usize);
    sinks.push(running(job).await);
    let memory = Memory::before();
    for _ in 0..job.count {
        sinks.push(running(job).await);
    }
    memory.after(WHO, job);
}

async fn connect(job: &Job) {
    let mut meter = None;
    for index in 0..job.warm_up() + job.count {
        if index == job.warm_up() {
            meter = Some(Meter::start());
        }
        let client = client(job).await;
        let sink = client.sink();
        sink.close();
        client.start_default().await;
    }
    meter.expect("it was started").stop(WHO, job);
}
