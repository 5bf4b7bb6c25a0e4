//! The server and clients that are not ours: paho-mqtt, mqtt.js, and Mosquitto's two programs.
//!
//! The scripts beside this file hold the cases of the first two. `cargo xtask interop` installs both, in the versions that
//! it names, and runs their tests, which plain `cargo test` lists as ignored. Mosquitto's clients come with the system.
#![cfg(unix)]

mod mosquitto;

use std::path::Path;
use std::process::Command;

use mqtt_broker::Server;

const VERSIONS: [&str; 3] = ["3.1", "3.1.1", "5.0"];

/// Runs a script in each version against a server of its own, with modules from a folder of the installed clients.
fn run(interpreter: &str, script: &str, variable: &str, modules: &str) {
    let clients = std::env::var_os("MQTT_INTEROP").expect("`cargo xtask interop` installs the clients and says where");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(script);
    for version in VERSIONS {
        let server = Server::start().unwrap();
        let mut command = Command::new(interpreter);
        command.arg(&script).arg(server.address().port().to_string()).arg(version);
        let output = command.env(variable, Path::new(&clients).join(modules)).output().unwrap();
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed);
        print!("{printed}");
        assert!(output.status.success(), "{interpreter}, MQTT {version}: {}\n{printed}", output.status);
        server.shut_down().unwrap();
    }
}

#[test]
#[ignore = "needs paho-mqtt: run `cargo xtask interop`"]
fn paho_is_served() {
    run("python3", "with_paho.py", "PYTHONPATH", "python");
}

#[test]
#[ignore = "needs mqtt.js: run `cargo xtask interop`"]
fn mqtt_js_is_served() {
    run("node", "with_mqttjs.js", "NODE_PATH", "node_modules");
}
