//! Lets the targets find libtorch, which the package `xdlreg-tensor` links.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let lib = std::env::var("DEP_XDLREG_TENSOR_LIBTORCH_LIB").expect("xdlreg-tensor names libtorch's folder");
    println!("cargo::rustc-link-arg=-Wl,-rpath,{lib}");
}
