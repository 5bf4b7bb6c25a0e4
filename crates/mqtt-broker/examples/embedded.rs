//! A broker inside a program, which takes part in it without a socket: `cargo run -p mqtt-broker --example embedded`.
use mqtt_broker::{Listener, QoS, Server};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let server = Server::builder().listen(Listener::tcp(format!("localhost:{port}"))).start()?;
    let port = server.address().port();
    println!("In another terminal, to hear what the program echoes, and to say something to it (Ctrl-C ends it):");
    println!("cargo run -- sub -p {port} -t program/echo");
    println!("cargo run -- pub -p {port} -t program/say -m hello");

    let mut said = server.subscribe("program/say", QoS::AtLeastOnce)?;
    while let Some(message) = said.next().wait() {
        println!("{}", String::from_utf8_lossy(&message.payload));
        server.publish("program/echo", message.payload, QoS::AtLeastOnce)?;
    }
    Ok(())
}
