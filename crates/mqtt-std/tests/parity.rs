//! The scenarios that every adapter passes.

use std::thread;

use mqtt_sim::parity::Adapter;

const ADAPTER: Adapter = Adapter {
    connect: |options| Box::pin(mqtt_std::connect(options)),
    spawn: |driver, done| {
        thread::spawn(|| {
            mqtt_std::drive(driver, mqtt_std::dial);
            done();
        });
    },
};

mqtt_sim::parity_tests!(ADAPTER);
