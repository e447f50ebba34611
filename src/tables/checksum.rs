//! A checksum that a table carries inside itself, so that a damaged one cannot pass for an intact one.
//!
//! Parquet's own pages have no checksum as polars writes them, and Zstandard decompresses many damaged pages into other
//! numbers. The footer therefore holds the BLAKE3 hash of the whole file, computed while the digits of the hash itself are
//! zeros. A table and its checksum are one file, so they are replaced together, and other programs read the file as any
//! other Parquet file.

/// The name of the entry in the footer.
const KEY: &str = "checksum";
/// What the entry's value begins with; the digits of the hash follow.
const MARK: &str = "xdlreg.blake3:";
const DIGITS: usize = 2 * blake3::OUT_LEN;

/// Whether a table is what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checksum {
    Right,
    Wrong,
    /// The file carries no checksum: an earlier version or another program wrote it.
    None,
}

/// The footer's entry before the hash is known.
pub(super) fn placeholder() -> (String, String) {
    (KEY.to_owned(), format!("{MARK}{}", "0".repeat(DIGITS)))
}

/// Puts the hash of a file into its placeholder.
///
/// # Panics
/// Panics when there is no placeholder.
pub(super) fn complete(file: &mut [u8]) {
    let digits = digits(file).expect("the file was written with a placeholder");
    let hash = blake3::hash(file).to_hex();
    file[digits].copy_from_slice(hash.as_bytes());
}

/// Compares a file with the hash that it carries.
pub(super) fn check(file: &[u8]) -> Checksum {
    let Some(digits) = digits(file) else { return Checksum::None };
    let mut hasher = blake3::Hasher::new();
    hasher.update(&file[..digits.start]).update(&[b'0'; DIGITS]).update(&file[digits.end..]);
    if hasher.finalize().to_hex().as_bytes() == &file[digits] { Checksum::Right } else { Checksum::Wrong }
}

/// Where the digits are. The footer's entries come after all data and statistics, so the last mark is the entry's.
fn digits(file: &[u8]) -> Option<std::ops::Range<usize>> {
    let mark = file.windows(MARK.len()).rposition(|window| window == MARK.as_bytes())?;
    let start = mark + MARK.len();
    (start + DIGITS <= file.len()).then_some(start..start + DIGITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_damaged_byte_is_noticed() {
        let mut file = [b"PAR1 some columns ", placeholder().1.as_bytes(), b" and the end"].concat();
        complete(&mut file);
        assert_eq!(check(&file), Checksum::Right);
        let digits = digits(&file).unwrap();
        assert_ne!(&file[digits.clone()], [b'0'; DIGITS]);
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            // A damaged mark is no mark, and nothing else is damaged then.
            let expected =
                if (digits.start - MARK.len()..digits.start).contains(&at) { Checksum::None } else { Checksum::Wrong };
            assert_eq!(check(&damaged), expected, "byte {at}");
        }
        assert_eq!(check(&file[..digits.end - 1]), Checksum::None);
        assert_eq!(check(b""), Checksum::None);
    }

    #[test]
    fn a_mark_among_the_data_is_not_that_of_the_footer() {
        let mut file = [placeholder().1.as_bytes(), b" a text of the table ", placeholder().1.as_bytes()].concat();
        complete(&mut file);
        assert_eq!(check(&file), Checksum::Right);
        assert!(file.starts_with(placeholder().1.as_bytes()));
    }
}
