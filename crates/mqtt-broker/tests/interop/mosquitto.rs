//! `mosquitto_pub` and `mosquitto_sub`.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use mqtt_broker::Server;

const VERSIONS: [&str; 3] = ["mqttv31", "mqttv311", "5"];

/// One of the clients, with the options that both take.
fn client(program: &str, server: &Server, version: &str, options: &str) -> Command {
    let mut command = Command::new(program);
    command.args(["-h", "127.0.0.1", "-p", &server.address().port().to_string(), "-V", version]);
    command.args(options.split_whitespace());
    command
}

/// Runs a client to its end.
fn run(mut command: Command) -> Output {
    let output = command.output().expect("mosquitto-clients are installed");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn publish(server: &Server, version: &str, options: &str) {
    run(client("mosquitto_pub", server, version, options));
}

/// A `mosquitto_sub` whose subscriptions stand; it is killed when dropped.
struct Subscriber {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Subscriber {
    fn new(server: &Server, version: &str, options: &str) -> Self {
        // A retained message that nobody else asks for shows that the subscription stands.
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let topic = format!("ready/{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        publish(server, version, &format!("-t {topic} -m ready -q 1 -r"));
        let mut command = client("mosquitto_sub", server, version, options);
        let mut child = command.args(["-t", &topic]).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut subscriber = Self { child, lines };
        assert!(subscriber.line().contains("ready"));
        subscriber
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "it has ended");
        line.trim_end().to_owned()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().expect("a child can be waited for");
    }
}

#[test]
fn messages_travel_at_every_quality_of_service() {
    let server = Server::start().unwrap();
    for (from, to) in VERSIONS.into_iter().flat_map(|from| VERSIONS.map(|to| (from, to))) {
        for asked in 0..3 {
            let mut subscriber = Subscriber::new(&server, to, &format!("-F %t:%p:%q -t qos/+ -q {asked}"));
            for sent in 0..3 {
                publish(&server, from, &format!("-t qos/{sent} -m from{from} -q {sent}"));
                assert_eq!(subscriber.line(), format!("qos/{sent}:from{from}:{}", sent.min(asked)), "to {to}");
            }
        }
    }
}

#[test]
fn a_retained_message_waits_for_a_subscriber_and_is_cleared() {
    let server = Server::start().unwrap();
    for version in VERSIONS {
        publish(&server, version, "-t kept -m body -q 1 -r");
        let seen = run(client("mosquitto_sub", &server, version, "-F %p:%r -t kept -C 1"));
        assert_eq!(seen.stdout, b"body:1\n", "{version}");
        publish(&server, version, "-t kept -n -q 1 -r");
        let mut subscriber = Subscriber::new(&server, version, "-F %p:%r -t kept");
        publish(&server, version, "-t kept -m live");
        assert_eq!(subscriber.line(), "live:0", "{version}");
    }
}

#[test]
fn a_will_is_sent_for_who_is_killed_and_for_nobody_else() {
    let server = Server::start().unwrap();
    for version in VERSIONS {
        let mut watcher = Subscriber::new(&server, version, "-F %t:%p:%q -t will/+ -q 2");
        let victim = Subscriber::new(&server, version, "-t x --will-topic will/v --will-payload gone --will-qos 2");
        drop(victim);
        assert_eq!(watcher.line(), "will/v:gone:2", "{version}");
        publish(&server, version, "-t x -m x --will-topic will/p --will-payload gone");
        publish(&server, version, "-t will/end -m end");
        assert_eq!(watcher.line(), "will/end:end:0", "{version}");
    }
}

#[test]
fn a_session_keeps_what_came_while_its_client_was_away() {
    let server = Server::start().unwrap();
    for version in VERSIONS {
        let session = if version == "5" { "-c -i s -q 2 -x 600 -t away/+" } else { "-c -i s -q 2 -t away/+" };
        run(client("mosquitto_sub", &server, version, &format!("{session} -E")));
        for number in 0..5 {
            publish(&server, version, &format!("-t away/{number} -m {number} -q 2"));
        }
        let seen = run(client("mosquitto_sub", &server, version, &format!("{session} -C 5")));
        assert_eq!(seen.stdout, b"0\n1\n2\n3\n4\n", "{version}");
        // And ends with a clean start.
        run(client("mosquitto_sub", &server, version, "-i s -t away/none -E"));
    }
}

#[test]
fn a_large_payload_arrives_whole() {
    let server = Server::start().unwrap();
    let payload: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    for version in VERSIONS {
        let mut publisher = client("mosquitto_pub", &server, version, "-t large -s -q 2 -r");
        let mut publisher = publisher.stdin(Stdio::piped()).spawn().unwrap();
        publisher.stdin.take().unwrap().write_all(&payload).unwrap();
        assert!(publisher.wait().unwrap().success());
        let mut subscriber = client("mosquitto_sub", &server, version, "-t large -N -C 1 -q 2");
        let mut subscriber = subscriber.stdout(Stdio::piped()).spawn().unwrap();
        let mut seen = Vec::new();
        subscriber.stdout.take().unwrap().read_to_end(&mut seen).unwrap();
        assert!(subscriber.wait().unwrap().success());
        assert!(seen == payload, "{version}: {} bytes", seen.len());
    }
}

#[test]
fn a_group_shares_its_messages() {
    let server = Server::start().unwrap();
    let mut members = [(); 3].map(|()| Subscriber::new(&server, "5", "-F %t -t $share/group/jobs/+ -t end -q 1"));
    for number in 0..12 {
        publish(&server, "5", &format!("-t jobs/{number} -m x -q 1"));
    }
    publish(&server, "5", "-t end -m x -q 1");
    let mut seen: Vec<u32> = Vec::new();
    for member in &mut members {
        loop {
            let line = member.line();
            let Some(number) = line.strip_prefix("jobs/") else { break };
            seen.push(number.parse().unwrap());
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..12).collect::<Vec<_>>());
}

#[test]
fn properties_travel() {
    let server = Server::start().unwrap();
    let mut subscriber = Subscriber::new(&server, "5", "-F %C|%D|%F|%R|%P|%p -t properties");
    let sent = "-t properties -m body -D publish content-type text -D publish correlation-data id \
                -D publish payload-format-indicator 1 -D publish response-topic answers \
                -D publish user-property a 1 -D publish user-property b 2";
    publish(&server, "5", sent);
    assert_eq!(subscriber.line(), "text|id|1|answers|a:1 b:2|body");
}
