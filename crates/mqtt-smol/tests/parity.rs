//! The scenarios that every adapter passes.

use mqtt_sim::parity::Adapter;

const ADAPTER: Adapter = Adapter {
    connect: |options| Box::pin(mqtt_smol::connect(options)),
    spawn: |driver, done| {
        smol::spawn(async {
            mqtt_smol::drive(driver, mqtt_smol::dial).await;
            done();
        })
        .detach();
    },
};

mqtt_sim::parity_tests!(ADAPTER);
