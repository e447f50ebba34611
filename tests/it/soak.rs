//! How long the parts of the harness go on: a few rounds in `make test`, as many as fit in `make soak`.
//!
//! Every round is told apart by a number, from which all that is random in it follows. One that fails names it, and
//! `SOAK_SEED=NUMBER SOAK_ROUNDS=1 cargo test --release --workspace --test it -- --ignored NAME` repeats it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "tests say what they counted and how to repeat them")]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

/// The smallest experiment, without the scores that ask the network again, since these take longest.
pub const QUICK: &str = r#"
[data]
n_samples = 100

[train]
epochs = 1

[evaluate]
scores = []

[heatmaps]
count = 1

[run]
device = "cpu"
"#;

/// Random numbers of a round.
pub type Random = Xoshiro256PlusPlus;

/// A number of rounds, and the time after which no new one begins.
pub struct Budget {
    name: &'static str,
    first: u64,
    rounds: u64,
    time: Duration,
}

impl Budget {
    /// So many rounds, as in `make test`.
    pub fn small(name: &'static str, rounds: u64) -> Self {
        Self { name, first: 0, rounds, time: Duration::MAX }
    }

    /// What `make soak` asks for: up to `SOAK_ROUNDS` rounds (`full` where it does not say) from number `SOAK_SEED` on,
    /// within `SOAK_SECONDS`.
    pub fn soak(name: &'static str, full: u64) -> Self {
        let number = |name: &str| {
            let value = std::env::var(name).ok()?;
            Some(value.parse::<u64>().unwrap_or_else(|_| panic!("{name} must be a whole number, got {value}")))
        };
        Self {
            name,
            first: number("SOAK_SEED").unwrap_or(0),
            rounds: number("SOAK_ROUNDS").unwrap_or(full),
            time: number("SOAK_SECONDS").map_or(Duration::MAX, Duration::from_secs),
        }
    }

    /// Carries out the rounds; returns how many there were.
    pub fn each(&self, mut round: impl FnMut(u64, &mut Random)) -> u64 {
        let start = Instant::now();
        let mut done = 0;
        while done < self.rounds && (done == 0 || start.elapsed() < self.time) {
            let number = self.first + done;
            let mut random = Random::seed_from_u64(number);
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| round(number, &mut random))) {
                eprintln!("{}: round {number} failed; SOAK_SEED={number} SOAK_ROUNDS=1 repeats it", self.name);
                resume_unwind(panic);
            }
            done += 1;
        }
        done
    }

    /// Prints what was counted, for the document.
    pub fn tell(&self, counted: &str) {
        println!("soak {}: {counted}", self.name);
    }
}
