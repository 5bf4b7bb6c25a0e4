//! What an idle connection holds of the hub and the broker, counted, and compared with `docs/limits.md`.

use bytes::{Buf, BytesMut};
use mqtt_broker::{Broker, Config, Hub, Origin};
use mqtt_proto::Instant;

const NOW: Instant = Instant::ZERO;
/// A power of two: the broker's lists grow by doubling, and have no room to spare then.
const CONNECTIONS: usize = 1 << 12;

fn packet(first: u8, body: &[u8]) -> BytesMut {
    let len = u8::try_from(body.len()).unwrap();
    BytesMut::from_iter([first, len].iter().chain(body).copied())
}

/// A hub with so many clients, which are connected and have subscribed to so many filters each.
fn hub(connections: usize, filters: usize) -> Hub {
    let config = Config { status_interval: std::time::Duration::ZERO, ..Config::default() };
    let mut hub = Hub::new(Broker::new(config, Box::new(())));
    for number in 0..connections {
        let origin = Origin { listener: 0, address: Some(format!("127.0.0.1:{}", 30_000 + number).into()) };
        let peer = hub.open(NOW, origin).unwrap();
        let id = format!("idle-{number:05}");
        let connect = [b"\0\x04MQTT\x04\x02\0\x3c\0\x0a", id.as_bytes()].concat();
        hub.handle_input(NOW, peer, &mut packet(0x10, &connect));
        for filter in 0..filters {
            let filter = format!("building/7/floor/{filter}/room/{number:05}");
            let len = u8::try_from(filter.len()).unwrap();
            let subscribe = [&[0, 1, 0, len], filter.as_bytes(), &[1]].concat();
            hub.handle_input(NOW, peer, &mut packet(0x82, &subscribe));
        }
        while let Some(peer) = hub.poll_writable() {
            let outbox = hub.outbox(peer).unwrap();
            assert_eq!(outbox.remaining(), 4 + 5 * filters, "CONNACK, and each SUBACK");
            outbox.advance(outbox.remaining());
            hub.handle_written(NOW, peer);
        }
    }
    hub
}

/// Bytes of heap for each connection.
fn held(filters: usize) -> usize {
    let mut kept = None;
    let counted = allocation_counter::measure(|| kept = Some(hub(CONNECTIONS, filters)));
    assert_eq!(kept.unwrap().peers(), CONNECTIONS);
    usize::try_from(counted.bytes_current).unwrap() / CONNECTIONS
}

/// The number that `docs/limits.md` gives.
fn documented(what: &str) -> usize {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/limits.md");
    let limits = std::fs::read_to_string(path).unwrap();
    let row = limits.lines().find(|line| line.starts_with(&format!("| {what} |")));
    let row = row.unwrap_or_else(|| panic!("docs/limits.md has no row '{what}'"));
    let number = row.split('|').nth(2).unwrap().trim().replace(',', "");
    number.parse().unwrap_or_else(|_| panic!("no number in {row}"))
}

#[test]
fn an_idle_connection_holds_what_is_documented() {
    let all = [
        ("idle connection of a `Hub`", held(0)),
        ("idle connection of a `Hub`, one subscription", held(1)),
        ("each further subscription", (held(9) - held(1)) / 8),
    ];
    for (what, held) in all {
        println!("{what}: {held} of {} bytes", documented(what));
    }
    for (what, held) in all {
        let limit = documented(what);
        assert!(held <= limit, "{what}: {held} bytes are held, and {limit} are documented");
    }
}
