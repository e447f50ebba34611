//! Mutations of inputs, as fuzzers make them.

use std::path::PathBuf;

use rand::{Rng, RngExt};

/// Bytes that have a meaning somewhere: signs of TOML, JSON and Python, and ends of ranges.
const BYTES: &[u8] = b"\0\x01\x7f\x80\xff\n\r\t\"'\\[]{}(),.:=#-+~/019aeE\x1b\xc3";

/// Pieces that have a meaning somewhere.
const PIECES: &[&[u8]] = &[
    b"[[sweep]]\n",
    b"null",
    b"true",
    b"NaN",
    b"inf",
    b"-1",
    b"1e400",
    b"0.5",
    b"9223372036854775807",
    b"18446744073709551616",
    b"../",
    b"/",
    b"\xe2\x80\xae",
    b"\x1b]52;c;",
    b"[[[[[[[[",
    b"{\"a\":",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"'''",
    b"\"\"\"",
    b"'>f4'",
    b"True",
];

/// An input made of one or two of the corpus, with one to four changes.
pub fn mutate(random: &mut impl Rng, corpus: &[(PathBuf, Vec<u8>)], max_len: usize) -> Vec<u8> {
    let pick = |random: &mut _| &corpus[index(random, corpus.len())].1;
    let mut input = pick(random).clone();
    for _ in 0..random.random_range(1..=4) {
        let at = index(random, input.len() + 1);
        match random.random_range(0..8) {
            0 if at < input.len() => input[at] ^= 1 << random.random_range(0..8),
            1 if at < input.len() => input[at] = BYTES[index(random, BYTES.len())],
            2 => input.insert(at, BYTES[index(random, BYTES.len())]),
            3 => drop(input.splice(at..at, PIECES[index(random, PIECES.len())].iter().copied())),
            4 => input.truncate(at),
            5 => {
                let end = (at + index(random, 16)).min(input.len());
                input.drain(at..end);
            }
            6 => {
                let end = (at + index(random, 64)).min(input.len());
                let part = input[at..end].to_vec();
                let to = index(random, input.len() + 1);
                drop(input.splice(to..to, part));
            }
            _ => {
                let other = pick(random);
                let from = index(random, other.len() + 1);
                input.truncate(at);
                input.extend(&other[from..]);
            }
        }
    }
    input.truncate(max_len);
    input
}

/// An index below `length`; 0 where that is 0.
fn index(random: &mut impl Rng, length: usize) -> usize {
    if length == 0 { 0 } else { random.random_range(0..length) }
}
