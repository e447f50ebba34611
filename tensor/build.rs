//! Lets the worker, the tests and the benches find libtorch without `LD_LIBRARY_PATH`, wherever they are installed.

use std::env;
use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // torch-sys says where it found libtorch, under the name of its `links` key.
    let lib = PathBuf::from(env::var_os("DEP_TCH_LIBTORCH_LIB").expect("torch-sys names libtorch's folder"));
    let suffix = if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("macos") { "dylib" } else { "so" };
    let libtorch_cpu = lib.join(format!("libtorch_cpu.{suffix}"));
    println!("cargo::rerun-if-changed={}", libtorch_cpu.display());
    if !libtorch_cpu.exists() {
        println!("cargo::error={} is not there: run `make setup`, then build again", libtorch_cpu.display());
        return;
    }
    println!("cargo::metadata=LIBTORCH_LIB={}", lib.display());
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", lib.display());
    if suffix == "so" {
        // RUNPATH rather than RPATH: LD_LIBRARY_PATH comes first and may name the CUDA flavour.
        println!("cargo::rustc-link-arg=-Wl,--enable-new-dtags");
    }
}
