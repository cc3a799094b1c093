//! Migrations are compiled in; a new file must cause a new build.

fn main() {
    println!("cargo::rerun-if-changed=../../migrations");
}
