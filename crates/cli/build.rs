//! Tells the linker what makes a short run small: packed relocations, and the functions it needs side by side.
//!
//! Both are left out where the linker is not the one that comes with the compiler or the system, or builds for another
//! machine: the program is the same without them, only larger in memory while it starts.

use std::process::Command;

/// The first glibc whose loader unpacks relative relocations (its release notes); Debian 12 has it. A program linked
/// against that version already is not promised to run on an older one.
const FIRST_GLIBC: (u32, u32) = (2, 36);

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=hot.ld");
    let variable = |name| std::env::var(name).unwrap_or_default();
    let is_for_this_machine =
        variable("TARGET") == variable("HOST") && variable("CARGO_CFG_TARGET_ENV") == "gnu";
    let flags = variable("CARGO_ENCODED_RUSTFLAGS");
    let is_own_linker = !variable("RUSTC_LINKER").is_empty() || flags.contains("link");
    if !is_for_this_machine || is_own_linker {
        return;
    }
    // A position-independent program this size has 69,000 relative relocations: 1.6 MB that the loader reads at every
    // start, against 30 KB packed (`DT_RELR`).
    if glibc() >= Some(FIRST_GLIBC) {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    // Made by bench/startup/order.py, from a release build, for release builds.
    if variable("PROFILE") == "release" {
        // Not by `-Wl`, which would split the path at a comma.
        let script = format!("{}/hot.ld", variable("CARGO_MANIFEST_DIR"));
        for argument in ["-Xlinker", "-T", "-Xlinker", &script] {
            println!("cargo:rustc-link-arg-bin=nightlatch={argument}");
        }
    }
}

/// The version of this machine's C library; nothing when it cannot be told.
fn glibc() -> Option<(u32, u32)> {
    let said = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let text = String::from_utf8(said.stdout).ok()?;
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}
