//! Keeps the processors awake. One of a virtual machine that has nothing to do halts, and to wake it takes the hypervisor up to
//! 100 us: rows that wait for each message would tell how often that happens, and nothing of a library.

use std::os::unix::process::parent_id;
use std::process::Command;

use crate::process::Process;

/// What a process is started with that only [counts](count).
pub(crate) const AREA: &str = "stay-awake";

/// A process for each processor that counts whenever nothing else wants it: everything else interrupts it at once. They end with
/// what is returned.
pub(crate) fn processors() -> Vec<Process> {
    let program = std::env::current_exe().expect("a process has a program");
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let mut command = Command::new("chrt"); // of util-linux
    command.args(["--idle", "0"]).arg(program).arg(AREA);
    (0..count).map(|_| Process::start(&mut command)).collect()
}

/// Counts until the process that started this one is gone.
pub(crate) fn count() -> ! {
    let parent = parent_id();
    while parent_id() == parent {
        (0..1_u64 << 24).for_each(|number| {
            std::hint::black_box(number);
        });
    }
    std::process::exit(0)
}
