//! The scenarios that every adapter passes.

use mqtt_sim::parity::Adapter;

const ADAPTER: Adapter = Adapter {
    connect: |options| Box::pin(mqtt_async_std::connect(options)),
    spawn: |driver, done| {
        async_std::task::spawn(async {
            mqtt_async_std::drive(driver, mqtt_async_std::dial).await;
            done();
        });
    },
};

mqtt_sim::parity_tests!(ADAPTER);
