//! Our broker and clients that are not ours: installs two of them into the target folder and runs their tests.

use std::fs;

use crate::shell::{command, run as run_command, target_dir};

const PAHO: &str = "paho-mqtt==2.1.0";
const MQTT_JS: &str = "mqtt@5.16.0";

pub(crate) fn run(_: &[String]) -> Result<(), String> {
    let clients = target_dir().join("xtask").join("interop");
    let failed = |error| format!("{}: {error}", clients.display());
    // Written last, so that an installation that was interrupted begins again.
    let (stamp, installed) = (clients.join("installed"), format!("{PAHO} {MQTT_JS}"));
    if fs::read_to_string(&stamp).is_ok_and(|present| present == installed) {
        println!("{installed} are in {}", clients.display());
    } else {
        // What is there of other versions must not be found first.
        if clients.exists() {
            fs::remove_dir_all(&clients).map_err(failed)?;
        }
        fs::create_dir_all(&clients).map_err(failed)?;
        let mut pip = command("python3 -m pip install --quiet --disable-pip-version-check --no-deps --target");
        run_command(pip.arg(clients.join("python")).arg(PAHO))?;
        let mut npm = command("npm install --silent --no-fund --no-audit --no-save --prefix");
        run_command(npm.arg(&clients).arg(MQTT_JS))?;
        fs::write(&stamp, installed).map_err(failed)?;
    }
    // The workspace with all features is what the other checks have built.
    let mut test = command("cargo test --locked --workspace --all-features --test interop -- --ignored");
    run_command(test.env("MQTT_INTEROP", clients))
}
