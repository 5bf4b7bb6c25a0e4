//! The least that physics asks: the same bytes through the same kind of socket. Packets are prepared, packet ids go round,
//! what arrives is found by its length and acknowledged by its id. No state, no checks of the protocol, no reconnecting.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Instant;

use harness::{Counting, Frames, Job, Latencies, Memory, Meter, TOPIC, Task, is_right, publish_frame, verify_sink};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const WHO: &str = "floor";

fn main() {
    if let [_, name, count] = std::env::args().collect::<Vec<_>>().as_slice() {
        assert_eq!(name, "handover", "the only scenario without a peer");
        return handover(count.parse().expect("a count"));
    }
    let job = Job::from_args();
    match job.task {
        Task::Publish(0) => publish_qos0(&job),
        Task::Publish(qos) => publish(&job, qos),
        Task::Receive(qos) => receive(&job, qos),
        Task::Latency => latency(&job),
        Task::Idle => {
            let mut streams = Vec::with_capacity(job.count as usize);
            let memory = Memory::before();
            streams.extend((0..job.count).map(|_| connect(&job)));
            memory.after(WHO, &job);
        }
        Task::Connect => {
            (0..job.warm_up()).for_each(|_| disconnect(connect(&job)));
            let meter = Meter::start();
            (0..job.count).for_each(|_| disconnect(connect(&job)));
            meter.stop(WHO, &job);
        }
    }
}

fn connect(job: &Job) -> TcpStream {
    let mut stream = TcpStream::connect(job.address).expect("the peer listens");
    stream.set_nodelay(true).expect("a socket");
    let id = job.client_id();
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', if job.is_v5 { 5 } else { 4 }, 2, 0, 0];
    body.extend_from_slice(if job.is_v5 { &[0] } else { &[] });
    body.extend([0, id.len() as u8]);
    body.extend_from_slice(id.as_bytes());
    let mut frame = vec![0x10, body.len() as u8];
    frame.extend(body);
    stream.write_all(&frame).expect("the peer reads");
    let mut connack = [0; 8];
    let length = if job.is_v5 { 8 } else { 4 };
    stream.read_exact(&mut connack[..length]).expect("the peer answers");
    stream
}

fn disconnect(mut stream: TcpStream) {
    stream.write_all(&[0xe0, 0]).expect("the peer reads");
}

fn publish_qos0(job: &Job) {
    let mut stream = connect(job);
    let (frame, _) = publish_frame(0, &job.payload(), job.is_v5);
    let per_block = (BLOCK / frame.len()).max(1) as u64;
    let block = frame.repeat(per_block as usize);
    let mut send = |count: u64| {
        (0..count / per_block).for_each(|_| stream.write_all(&block).expect("the peer reads"));
        stream.write_all(&block[..(count % per_block) as usize * frame.len()]).expect("the peer reads");
    };
    send(job.warm_up());
    let meter = Meter::start();
    send(job.count);
    let (mut last, id_at) = publish_frame(1, &job.payload(), job.is_v5);
    last[id_at + 1] = 1;
    stream.write_all(&last).expect("the peer reads");
    stream.read_exact(&mut [0; 4]).expect("the peer answers");
    meter.stop(WHO, job);
    verify_sink(job);
}

fn publish(job: &Job, qos: u8) {
    let mut stream = connect(job);
    let (mut frame, id_at) = publish_frame(qos, &job.payload(), job.is_v5);
    let total = job.warm_up() + job.count;
    let (mut meter, mut sent, mut done) = (None, 0, 0);
    let (mut frames, mut out) = (Frames::default(), Vec::new());
    let mut send = |id: [u8; 2], out: &mut Vec<u8>, mut stream: &TcpStream| {
        if sent < total {
            sent += 1;
            frame[id_at..id_at + 2].copy_from_slice(&id);
            match frame.len() < BLOCK {
                true => out.extend_from_slice(&frame),
                false => stream.write_all(&frame).expect("the peer reads"),
            }
        }
    };
    (1..=job.window()).for_each(|id| send(id.to_be_bytes(), &mut out, &stream));
    while done < total {
        stream.write_all(&out).expect("the peer reads");
        out.clear();
        assert!(frames.fill(&mut stream).expect("the peer answers"));
        while let Some(frame) = frames.take() {
            let id = [frame.body[0], frame.body[1]];
            if frame.first == 0x50 {
                out.extend([0x62, 2, id[0], id[1]]);
                continue;
            }
            done += 1;
            if done == job.warm_up() {
                meter = Some(Meter::start());
            }
            send(id, &mut out, &stream);
        }
    }
    meter.expect("it was started").stop(WHO, job);
    verify_sink(job);
}

fn receive(job: &Job, qos: u8) {
    let mut stream = connect(job);
    let mut subscribe = vec![0x82, 5 + TOPIC.len() as u8 + u8::from(job.is_v5), 0, 1];
    subscribe.extend_from_slice(if job.is_v5 { &[0] } else { &[] });
    subscribe.extend([0, TOPIC.len() as u8]);
    subscribe.extend_from_slice(TOPIC.as_bytes());
    subscribe.push(qos);
    stream.write_all(&subscribe).expect("the peer reads");
    let (sent, mut received, mut meter) = (job.payload(), 0, None);
    let (mut frames, mut out) = (Frames::default(), Vec::new());
    let (id_at, head) = (2 + TOPIC.len(), 2 + TOPIC.len() + if qos > 0 { 2 } else { 0 } + usize::from(job.is_v5));
    while received < job.warm_up() + job.count + 1 {
        assert!(frames.fill(&mut stream).expect("the peer sends"));
        while let Some(frame) = frames.take() {
            match frame.first >> 4 {
                3 => {
                    assert!(is_right(received, &frame.body[head..], &sent));
                    received += 1;
                    if received == job.warm_up() {
                        meter = Some(Meter::start());
                    }
                    if qos > 0 {
                        let first = if qos == 1 { 0x40 } else { 0x50 };
                        out.extend([first, 2, frame.body[id_at], frame.body[id_at + 1]]);
                    }
                }
                6 => out.extend([0x70, 2, frame.body[0], frame.body[1]]),
                _ => assert_eq!(frame.first, 0x90),
            }
        }
        stream.write_all(&out).expect("the peer reads");
        out.clear();
    }
    meter.expect("it was started").stop(WHO, job);
}

fn latency(job: &Job) {
    let mut stream = connect(job);
    let (mut frame, id_at) = publish_frame(1, &job.payload(), job.is_v5);
    frame[id_at + 1] = 1;
    let mut exchange = || {
        let before = Instant::now();
        stream.write_all(&frame).expect("the peer reads");
        stream.read_exact(&mut [0; 4]).expect("the peer answers");
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

/// Bytes in one write.
const BLOCK: usize = 64 << 10;

/// `client-floor handover COUNT`: what it costs when one thread hands its turn to another and waits for it to come back.
fn handover(count: u32) {
    let this = thread::current();
    let other = thread::spawn(move || {
        for _ in 0..count {
            thread::park();
            this.unpark();
        }
    });
    let meter = Meter::start();
    for _ in 0..count {
        other.thread().unpark();
        thread::park();
    }
    println!("{}", meter.line(2 * u64::from(count)));
}
