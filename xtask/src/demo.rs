//! The main job, shown: a message from `mqtt pub` through Mosquitto to `mqtt sub`, in each version of MQTT.

use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, ChildStderr, Command, Stdio};

use crate::shell::{command, run as run_command, target_dir};

/// The value of `-V`, and what a reader calls it.
const VERSIONS: [(&str, &str); 3] = [("mqttv31", "MQTT 3.1"), ("mqttv311", "MQTT 3.1.1"), ("mqttv5", "MQTT 5.0")];

/// How often another process may take the port between our choosing it and Mosquitto's binding it.
const ATTEMPTS: usize = 5;

pub(crate) fn run(_: &[String]) -> Result<(), String> {
    run_command(&mut command("cargo build --locked --quiet --package mqtt-cli"))?;
    let (mosquitto, port) = start_mosquitto()?;

    // Retained, so that the subscriber may come after the publishers.
    for (version, name) in VERSIONS {
        let mut publish = mqtt("pub", port);
        publish.args(["-V", version, "-r", "-q", "1", "-t"]);
        publish.arg(format!("greetings/{version}"));
        run_command(publish.arg("-m").arg(format!("hello over {name}")))?;
    }
    let mut subscribe = mqtt("sub", port);
    subscribe.args(["-v", "-q", "1", "-t", "greetings/#", "-C", "3"]);
    run_command(subscribe.args(["-W", "10"]))?;

    drop(mosquitto);
    Ok(())
}

/// Starts Mosquitto on a port that was free a moment ago, and returns once it listens there.
fn start_mosquitto() -> Result<(Mosquitto, u16), String> {
    for _ in 0..ATTEMPTS {
        let port = free_port().map_err(|error| format!("no free port: {error}"))?;
        println!("$ mosquitto -p {port} &");
        let mut process =
            Command::new("mosquitto").args(["-p", &port.to_string()]).stderr(Stdio::piped()).spawn().map_err(
                |error| match error.kind() {
                    ErrorKind::NotFound => {
                        "Mosquitto is not installed (apt-get install mosquitto, brew install mosquitto)".into()
                    }
                    _ => format!("cannot run mosquitto: {error}"),
                },
            )?;

        let mut log = BufReader::new(process.stderr.take().expect("the log is piped"));
        let listens = listens(&mut log);
        let mosquitto = Mosquitto { process, _log: log };
        if listens {
            return Ok((mosquitto, port));
        }
    }
    Err(format!("Mosquitto ended at once, {ATTEMPTS} times"))
}

/// Reads the log until it says that the broker runs. A broker that cannot listen ends, and so does its log.
fn listens(log: &mut impl BufRead) -> bool {
    log.lines().map_while(Result::ok).any(|line| line.ends_with(" running"))
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// The program just built, told where Mosquitto listens.
fn mqtt(subcommand: &str, port: u16) -> Command {
    let mut mqtt = Command::new(target_dir().join("debug").join("mqtt"));
    mqtt.arg(subcommand).arg("--url");
    mqtt.arg(format!("mqtt://127.0.0.1:{port}"));
    mqtt
}

/// A Mosquitto of the demo's own; it ends with this value.
struct Mosquitto {
    process: Child,
    /// Held open: Mosquitto logs into it until it ends.
    _log: BufReader<ChildStderr>,
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
