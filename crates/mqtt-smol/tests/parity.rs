//! The scenarios that every adapter passes.

use mqtt_sim::parity::Adapter;

const ADAPTER: Adapter = Adapter {
    connect: |options| Box::pin(mqtt_smol::connect(options)),
    spawn: |driver| smol::spawn(mqtt_smol::drive(driver, mqtt_smol::dial)).detach(),
};

mqtt_sim::parity_tests!(ADAPTER);
