//! Links the static release without what it never reads.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=lean.ld");
    println!("cargo::rerun-if-changed=layout.ld");
    let is = |variable: &str, value: &str| env::var(variable).is_ok_and(|set| set == value);
    // Debug builds and tests unwind; glibc unwinds to end a thread.
    if is("PROFILE", "release") && is("CARGO_CFG_TARGET_ENV", "musl") {
        let here = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        // Words that gcc hands to its linker and that rust-lld takes itself.
        println!("cargo::rustc-link-arg-bins=-T{here}/lean.ld");
        println!("cargo::rustc-link-arg-bins=-T{here}/layout.ld");
        // Code and headers share their first page.
        println!("cargo::rustc-link-arg-bins=-znoseparate-code");
        // One piece of memory less: what needs no moving at the start needs no protection after it either.
        println!("cargo::rustc-link-arg-bins=-znorelro");
    }
}
