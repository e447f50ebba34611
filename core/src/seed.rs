//! Independent random streams, derived from one seed by purpose and index.
//!
//! Every consumer of randomness names what it draws for, so adding a draw in one place never shifts the
//! numbers of another, and samples can be drawn in any order by any number of threads.

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

/// The generator of every stream: small, fast and the same on every platform.
pub type Stream = Xoshiro256PlusPlus;

fn digest(seed: u64, purpose: &str, index: u64) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.update(&index.to_le_bytes());
    hasher.update(purpose.as_bytes());
    *hasher.finalize().as_bytes()
}

/// The stream of `seed` for one purpose ("noise", "shuffle", ...) and index (a sample, an epoch, ...).
pub fn stream(seed: u64, purpose: &str, index: u64) -> Stream {
    Stream::from_seed(digest(seed, purpose, index))
}

/// A seed of its own for one purpose and index.
pub fn derive(seed: u64, purpose: &str, index: u64) -> u64 {
    let bytes = digest(seed, purpose, index);
    u64::from_le_bytes(bytes[..8].try_into().expect("a digest has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn streams_differ_by_seed_purpose_and_index_and_repeat_exactly() {
        let first = |seed, purpose, index| stream(seed, purpose, index).next_u64();
        assert_eq!(first(1, "noise", 2), first(1, "noise", 2));
        assert_ne!(first(1, "noise", 2), first(2, "noise", 2));
        assert_ne!(first(1, "noise", 2), first(1, "body", 2));
        assert_ne!(first(1, "noise", 2), first(1, "noise", 3));
    }
}
