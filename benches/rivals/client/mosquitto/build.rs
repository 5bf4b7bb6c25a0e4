//! Links the C library, which apt installs (libmosquitto-dev).

fn main() {
    println!("cargo::rustc-link-lib=mosquitto");
    println!("cargo::rerun-if-changed=build.rs");
}
