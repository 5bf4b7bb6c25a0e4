//! Links the C library, which apt installs (libpaho-mqtt-dev).

fn main() {
    println!("cargo::rustc-link-lib=paho-mqtt3c");
    println!("cargo::rerun-if-changed=build.rs");
}
