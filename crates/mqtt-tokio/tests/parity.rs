//! The scenarios that every adapter passes.

use std::future::{Future, poll_fn};
use std::sync::LazyLock;

use mqtt_sim::parity::Adapter;
use tokio::runtime::Runtime;

const ADAPTER: Adapter = Adapter {
    connect: |options| Box::pin(inside(mqtt_tokio::connect(options))),
    spawn: |driver, done| {
        RUNTIME.spawn(async {
            mqtt_tokio::drive(driver, mqtt_tokio::dial).await;
            done();
        });
    },
};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("the system has threads left"));

/// Polls a future on the test's thread, as if it were one of the runtime's.
async fn inside<F: Future>(future: F) -> F::Output {
    let mut future = Box::pin(future);
    poll_fn(|context| {
        let _guard = RUNTIME.enter();
        future.as_mut().poll(context)
    })
    .await
}

mqtt_sim::parity_tests!(ADAPTER);
