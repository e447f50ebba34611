#!/bin/sh
# A compiler for cargo's RUSTC_WORKSPACE_WRAPPER: the workspace's own crates, and no others, are compiled so that libFuzzer
# sees which branches an input takes. These are options of LLVM that stable Rust passes on; no nightly toolchain is needed.
# Arithmetic that overflows and failed debug assertions panic, as they would in a debug build.
case " $* " in
    *" --crate-name build_script_build "*) exec "$@" ;; # runs while building, without the fuzzer
    *" --crate-name "*) ;;
    *) exec "$@" ;; # cargo asks for the version
esac
exec "$@" \
    -C opt-level=1 \
    -C debug-assertions=on \
    -C overflow-checks=on \
    -C passes=sancov-module \
    -C llvm-args=-sanitizer-coverage-level=4 \
    -C llvm-args=-sanitizer-coverage-inline-8bit-counters \
    -C llvm-args=-sanitizer-coverage-pc-table \
    -C llvm-args=-sanitizer-coverage-trace-compares
