//! Our broker with its defaults: the server that `mqtt broker` runs, without a configuration to read.
//! `broker-ours ADDRESS`; ends with its standard input.

use std::io::Read;
use std::net::SocketAddr;

use mqtt_broker::Server;

fn main() {
    let address: SocketAddr = std::env::args().nth(1).and_then(|text| text.parse().ok()).expect("broker-ours ADDRESS");
    let server = Server::builder().listen(address).start().expect("the address is free");
    std::io::stdin().read_to_end(&mut Vec::new()).expect("it is a pipe");
    drop(server);
}
