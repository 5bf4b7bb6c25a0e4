//! Scenarios on mqtt-async-std: application and driver are tasks beside each other, in an executor of one thread, which
//! async-std itself has not.

use async_executor::LocalExecutor;
use harness::{Counting, Job};
use mqtt_async_std::{Error, Handle, Options, drive_tcp, new};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let executor: &LocalExecutor<'static> = Box::leak(Box::default());
    let connect = async |options: Options| -> Result<Handle, Error> {
        let (handle, driver) = new(options)?;
        executor.spawn(drive_tcp(driver)).detach();
        handle.connected().await?;
        Ok(handle)
    };
    async_std::task::block_on(executor.run(executor.spawn(ours::run("ours/async-std", Job::from_args(), connect))));
}
