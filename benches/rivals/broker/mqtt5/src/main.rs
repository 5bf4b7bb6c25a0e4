//! mqtt5's broker with its defaults, but sessions in memory, and as many clients as come. `broker-mqtt5 ADDRESS`.

use std::net::SocketAddr;

use mqtt5::broker::config::{StorageBackend, StorageConfig};
use mqtt5::broker::{BrokerConfig, MqttBroker};

fn main() {
    let listen: SocketAddr = std::env::args().nth(1).and_then(|text| text.parse().ok()).expect("broker-mqtt5 ADDRESS");
    let mut config = BrokerConfig {
        bind_addresses: vec![listen],
        max_clients: 20_000,
        storage_config: StorageConfig { backend: StorageBackend::Memory, ..StorageConfig::default() },
        ..BrokerConfig::default()
    };
    config.auth_config.allow_anonymous = true;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut broker = MqttBroker::with_config(config).await.expect("the address is free");
        broker.run().await.expect("it serves");
    });
}
