//! The threads of one connection of the test peer.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, MutexGuard},
    thread,
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use mqtt_proto::{
    Config, ConnAck, Connect, Connection, FixedHeader, Instant, PacketType, ReasonCode, ServerEvent, SubscribeRequest,
    Text, UnsubscribeRequest, Version,
};

use super::peer::{Cut, Link, Shared, State};

/// Accepts connections until the peer stops.
pub(super) fn accept(shared: &Arc<Shared>, listener: &TcpListener) {
    while let Ok((stream, _)) = listener.accept() {
        let mut state = shared.lock();
        if state.stopping {
            return;
        }
        let stream = Arc::new(stream);
        stream.set_nodelay(true).expect("TCP can do without delay");
        let id = state.seen.links;
        state.seen.links += 1;
        let connection = Connection::listen(shared.now(), Config::default());
        let link = Link { connection, stream: Arc::clone(&stream), client: None, lasting: false, leaving: false };
        state.links.insert(id, link);
        drop(state);
        shared.changed.notify_all();
        for run in [read, write] {
            let (shared, stream) = (Arc::clone(shared), Arc::clone(&stream));
            thread::spawn(move || {
                run(&shared, id, &stream);
                shared.lock().end(shared.now(), id);
                shared.changed.notify_all();
            });
        }
    }
}

/// Wakes the threads of a link. If it does not end in good order, the stream is reset when they let go of it.
pub(super) fn close(stream: &TcpStream, in_good_order: bool) {
    // Both fail only if the client has already done the same.
    if !in_good_order {
        let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
    }
    let _ = stream.shutdown(Shutdown::Both);
}

fn read(shared: &Shared, id: usize, mut stream: &TcpStream) {
    let mut input = BytesMut::new();
    let mut chunk = vec![0; CHUNK];
    while let Ok(len @ 1..) = stream.read(&mut chunk) {
        input.extend_from_slice(&chunk[..len]);
        let mut state = shared.lock();
        while state.script.deaf && state.links.contains_key(&id) {
            state = shared.wait(state, None);
        }
        drop(state);
        while let Some(frame) = next_frame(&mut input) {
            if !handle_frame(shared, id, frame) {
                return;
            }
        }
    }
}

/// Feeds one frame to the connection of the link. `false`: the link is over.
fn handle_frame(shared: &Shared, id: usize, frame: Bytes) -> bool {
    let mut state = shared.lock();
    let kind = kind(&frame);
    state.seen.count_packet(frame[0]);
    if kind.is_some_and(|kind| state.is_cut(Cut::BeforeReading(kind))) {
        return false;
    }
    let mut frame = BytesMut::from(frame);
    loop {
        let now = shared.now();
        let Some(mut link) = state.links.remove(&id) else { return false };
        let taken = link.connection.handle_input(now, &mut frame);
        drain(&mut state, now, &mut link);
        let closed = link.connection.is_closed();
        state.links.insert(id, link);
        state.send_queued(now, id);
        shared.changed.notify_all();
        if frame.is_empty() {
            return true;
        }
        if closed {
            // The writer sends what is left and closes.
            return wait_for_end(shared, state, id);
        }
        if taken == 0 {
            // Paused until the outbox has drained.
            state = shared.wait(state, None);
        }
    }
}

fn wait_for_end(shared: &Shared, mut state: MutexGuard<'_, State>, id: usize) -> bool {
    while state.links.contains_key(&id) {
        state = shared.wait(state, None);
    }
    false
}

fn write(shared: &Shared, id: usize, mut stream: &TcpStream) {
    while let Some(mut output) = next_output(shared, id) {
        while let Some(frame) = next_frame(&mut output) {
            let kind = kind(&frame);
            if kind.is_some_and(|kind| shared.lock().is_cut(Cut::BeforeWriting(kind))) {
                return;
            }
            let mut rest = &frame[..];
            while !rest.is_empty() {
                let Ok(len) = stream.write(rest) else { return };
                rest = &rest[len..];
                shared.lock().seen.written += len as u64;
                shared.changed.notify_all();
            }
            if kind.is_some_and(|kind| shared.lock().is_cut(Cut::AfterWriting(kind))) {
                return hang_up(shared, id, stream);
            }
        }
    }
    hang_up(shared, id, stream);
}

/// Ends our direction in good order, so that the client gets all that was written before, and waits for it to end its own.
fn hang_up(shared: &Shared, id: usize, stream: &TcpStream) {
    let _ = stream.shutdown(Shutdown::Write);
    wait_for_end(shared, shared.lock(), id);
}

/// Waits for bytes to write. `None`: there will be no more.
fn next_output(shared: &Shared, id: usize) -> Option<BytesMut> {
    let mut state = shared.lock();
    loop {
        let now = shared.now();
        state.send_queued(now, id);
        let mut link = state.links.remove(&id)?;
        link.connection.handle_timeout(now);
        drain(&mut state, now, &mut link);
        let outbox = link.connection.outbox();
        let output = if state.script.mute { Bytes::new() } else { outbox.copy_to_bytes(outbox.remaining()) };
        let is_last = link.leaving || link.connection.is_closed();
        let wait = link.connection.poll_timeout().map(|at| at.since(now).max(TICK));
        state.links.insert(id, link);
        if !output.is_empty() {
            shared.changed.notify_all();
            return Some(output.into());
        }
        if is_last && !state.script.mute {
            return None;
        }
        state = shared.wait(state, wait);
    }
}

/// Handles every event of a link that the caller has taken out of the state.
pub(super) fn drain(state: &mut State, now: Instant, link: &mut Link) {
    while let Some(event) = link.connection.poll_event() {
        match event {
            ServerEvent::Connect(connect) => handle_connect(state, now, link, *connect),
            ServerEvent::Message(delivery) => {
                state.seen.messages.push(delivery.message.clone());
                state.route(now, &delivery.message);
                if let Some(ack) = delivery.ack {
                    // It fails only if the connection is over, and then the next one asks for it again.
                    let _ = link.connection.ack(now, ack);
                }
            }
            ServerEvent::Subscribe(request) => handle_subscribe(state, now, link, request),
            ServerEvent::Unsubscribe(request) => handle_unsubscribe(state, now, link, request),
            ServerEvent::Closed(closed) => state.seen.closed.push(closed),
            ServerEvent::Acknowledged(_) | ServerEvent::Auth(_) => {}
        }
    }
}

fn handle_connect(state: &mut State, now: Instant, link: &mut Link, connect: Connect) {
    state.seen.connects.push(connect.clone());
    let mut connack = ConnAck::new(false, ReasonCode::SUCCESS);
    let mut client = connect.client_id.as_str().to_owned();
    if client.is_empty() {
        client = format!("assigned-{}", state.seen.connects.len());
        if connect.version == Version::V5 {
            let id = Text::try_from(client.clone()).expect("letters and digits");
            connack = connack.with_assigned_client_identifier(id);
        }
    }
    let session = state.resume(now, &client, connect.clean_start);
    link.lasting = match connect.version {
        Version::V5 => connect.properties().session_expiry_interval().is_some_and(|seconds| seconds > 0),
        Version::V31 | Version::V311 => !connect.clean_start,
    };
    link.client = Some(client);
    link.connection.accept(now, connack, session).expect("a CONNECT is accepted once, by a legal CONNACK");
}

fn handle_subscribe(state: &mut State, now: Instant, link: &mut Link, request: SubscribeRequest) {
    let client = link.client.clone().unwrap_or_default();
    let mut reasons = Vec::new();
    for subscription in &request.subscribe.subscriptions {
        let filters = &mut state.subscriber(&client).filters;
        filters.retain(|(filter, _)| *filter != subscription.filter);
        filters.push((subscription.filter.clone(), subscription.qos));
        reasons.push(ReasonCode(subscription.qos as u8));
    }
    link.connection.suback(now, request, &reasons).expect("one reason for each filter");
}

fn handle_unsubscribe(state: &mut State, now: Instant, link: &mut Link, request: UnsubscribeRequest) {
    let client = link.client.clone().unwrap_or_default();
    let mut reasons = Vec::new();
    for unwanted in &request.unsubscribe.filters {
        state.subscriber(&client).filters.retain(|(filter, _)| filter != unwanted);
        reasons.push(ReasonCode::SUCCESS);
    }
    link.connection.unsuback(now, request, &reasons).expect("one reason for each filter");
}

/// The next whole frame; what does not parse goes to the connection in one piece, which knows what to say.
fn next_frame(input: &mut BytesMut) -> Option<Bytes> {
    let len = match FixedHeader::parse(input) {
        Ok(Some(header)) => header.frame_len(),
        Ok(None) => return None,
        Err(_) => input.len(),
    };
    (input.len() >= len).then(|| input.split_to(len).freeze())
}

fn kind(frame: &[u8]) -> Option<PacketType> {
    PacketType::new(frame[0] >> 4)
}

/// How much is read at a time.
const CHUNK: usize = 64 * 1024;
/// The machine's clock has milliseconds: waiting for less would spin.
const TICK: Duration = Duration::from_millis(1);
