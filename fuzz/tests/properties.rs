//! The fuzz targets without a fuzzer: over the committed corpus, and over mutations of it that are the same in every run.
//! `FUZZ_MUTATIONS` says how many per target.

mod mutate;

use std::panic::{AssertUnwindSafe, catch_unwind};

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use xdlreg_fuzz::{Scratch, TARGETS, Target, corpus};

/// Mutations per target, unless `FUZZ_MUTATIONS` names another number.
const MUTATIONS: u64 = 400;

/// All targets together stay below this, as resident memory of the process in megabytes.
const MEMORY_MB: u64 = 1024;

/// Runs a target, and tells the input where it fails.
#[expect(clippy::print_stderr, reason = "a test says where its input is")]
fn hold(target: &Target, scratch: &Scratch, what: &str, input: &[u8]) {
    let ran = catch_unwind(AssertUnwindSafe(|| (target.run)(input, scratch)));
    if let Err(panic) = ran {
        let kept = std::env::temp_dir().join(format!("xdlreg-fuzz-{}", target.name));
        std::fs::write(&kept, input).expect("the input is kept");
        eprintln!("target {} failed on {what}; the input is in {}", target.name, kept.display());
        std::panic::resume_unwind(panic);
    }
}

fn property(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    let scratch = Scratch::new();
    let seeds = corpus(name);
    assert!(!seeds.is_empty(), "fuzz/corpus/{name} is empty");
    for (path, seed) in &seeds {
        hold(target, &scratch, &path.display().to_string(), seed);
    }
    let mutations = std::env::var("FUZZ_MUTATIONS").map_or(MUTATIONS, |number| number.parse().expect("a number"));
    for number in 0..mutations {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(number);
        let input = mutate::mutate(&mut random, &seeds, target.max_len);
        hold(target, &scratch, &format!("mutation {number}"), &input);
    }
    assert!(peak_memory_mb().is_none_or(|peak| peak < MEMORY_MB), "{:?} MB", peak_memory_mb());
}

/// The largest resident memory of this process so far; nothing where the system does not tell.
fn peak_memory_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().expect("a number of kB") / 1024)
}

macro_rules! properties {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            property(stringify!($name));
        })*

        #[test]
        fn every_target_has_its_test() {
            let tested = [$(stringify!($name)),*];
            assert_eq!(TARGETS.iter().map(|target| target.name).collect::<Vec<_>>(), tested);
        }
    };
}

properties! { spec layers sweep npy npz npz_arrays safetensors parquet table pictures events plan manifest requests replies }
