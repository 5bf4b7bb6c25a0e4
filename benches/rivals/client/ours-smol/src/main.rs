//! Scenarios on mqtt-smol: application and driver are tasks beside each other, in an executor of one thread.

use harness::{Counting, Job};
use mqtt_smol::{Error, Handle, Options, drive_tcp, new};
use smol::LocalExecutor;

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
    smol::block_on(executor.run(executor.spawn(ours::run("ours/smol", Job::from_args(), connect))));
}
