//! Packs the relocations of the binary where the machine's loader can unpack them.
//!
//! They take up 1 MB as they are and a hundredth of that packed, and every runner maps them while it starts. Loaders
//! can do it from glibc 2.36 on. Like all that is linked with glibc, a binary runs where that is no older than on the
//! machine that built it.

use std::process::Command;

const FIRST: (u32, u32) = (2, 36);

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if glibc().is_some_and(|version| version >= FIRST) {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// None where the target is not this machine, or has another C library.
fn glibc() -> Option<(u32, u32)> {
    let same = std::env::var_os("TARGET") == std::env::var_os("HOST");
    let said = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok().filter(|_| same)?;
    let said = String::from_utf8(said.stdout).ok()?;
    let (major, minor) = said.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
