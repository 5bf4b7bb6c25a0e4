//! The server of the client scenarios. It is no broker: it knows just enough of MQTT 3.1.1 and 5.0 to acknowledge and to
//! send, from prepared bytes and with one write for each read, so that it never is what a client waits for.
//!
//! The client id says what is to be sent: `receive-SIZE-QOS-COUNT` starts with the first SUBSCRIBE, `idle` connections
//! are kept without a thread. A connection that begins with `r` instead of a CONNECT is told what the last publisher sent.
//!
//! `peer [ADDRESS]` prints the address it listens at.

mod serve;
mod source;

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use harness::Frames;
use serve::{Greeting, Serving};

/// What was received since the last CONNECT, complete to the last step of its QoS.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    by_qos: [u64; 3],
    wrong: u64,
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".into());
    let listener = TcpListener::bind(address)?;
    println!("{}", listener.local_addr()?);
    let seen = Arc::new(Mutex::new(Seen::default()));
    let mut idle: Vec<TcpStream> = Vec::new();
    for stream in listener.incoming() {
        let mut stream = stream?;
        stream.set_nodelay(true)?;
        let mut frames = Frames::default();
        // One at a time: every client of ours speaks at once when it has connected.
        match serve::greet(&mut stream, &mut frames) {
            Ok(Greeting::Question) => {
                if let Err(error) = answer(&mut stream, &seen) {
                    eprintln!("no answer: {error}"); // who asked has gone; others come
                }
            }
            Ok(Greeting::Connect(connect)) if connect.client_id.starts_with("idle") => {
                // Those of a process that has ended are in the way of the next one's: they go together.
                if idle.first_mut().is_some_and(is_closed) {
                    idle.clear();
                }
                stream.set_nonblocking(true)?;
                idle.push(stream);
            }
            Ok(Greeting::Connect(connect)) => {
                *seen.lock().expect("nobody panics with it") = Seen::default();
                let seen = Arc::clone(&seen);
                // A client that goes away, however it goes, ends its thread and nothing else.
                std::thread::spawn(move || Serving::new(stream, frames, connect, seen).run());
            }
            Err(error) => eprintln!("no CONNECT: {error}"),
        }
    }
    Ok(())
}

fn answer(stream: &mut TcpStream, seen: &Mutex<Seen>) -> io::Result<()> {
    let Seen { by_qos: [zero, one, two], wrong } = *seen.lock().expect("nobody panics with it");
    stream.write_all(format!("{zero} {one} {two} {wrong}\n").as_bytes())
}

/// Whether an idle client has gone, with or without a DISCONNECT before.
fn is_closed(stream: &mut TcpStream) -> bool {
    loop {
        match stream.read(&mut [0; 16]) {
            Ok(1..) => {}
            Ok(0) => return true,
            Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
        }
    }
}
