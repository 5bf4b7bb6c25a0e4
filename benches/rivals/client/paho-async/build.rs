//! Links the C library, which apt installs (libpaho-mqtt-dev).

fn main() {
    println!("cargo::rustc-link-lib=paho-mqtt3a");
    println!("cargo::rerun-if-changed=build.rs");
}
