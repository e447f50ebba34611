//! A checksum that a table carries inside itself, so that a damaged one cannot pass for an intact one.
//!
//! Parquet's own pages have no checksum as polars writes them, and Zstandard decompresses many damaged pages into other
//! numbers. The footer therefore holds the BLAKE3 hash of the whole file, computed while the digits of the hash itself are
//! zeros. A table and its checksum are one file, so they are replaced together, and other programs read the file as any
//! other Parquet file.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;

/// The name of the entry in the footer.
const KEY: &str = "checksum";
/// What the entry's value begins with; the digits of the hash follow.
const MARK: &str = "xdlreg.blake3:";
const DIGITS: usize = 2 * blake3::OUT_LEN;

/// So many bytes at the end of a file hold the entry: after it the footer only has some bytes for each column.
const TAIL: usize = 1 << 18;
/// So many bytes are written or read at once.
const BLOCK: usize = 1 << 20;

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

/// Writes a file and puts the hash of it into its placeholder. The end of the file is held back until it is known to be that.
pub(super) struct Sealing<W> {
    file: W,
    hasher: blake3::Hasher,
    held: Vec<u8>,
}

impl<W: Write> Sealing<W> {
    pub fn new(file: W) -> Self {
        Self { file, hasher: blake3::Hasher::new(), held: Vec::new() }
    }

    /// Writes the end of the file, with the hash of all of it.
    ///
    /// # Panics
    /// Panics when there is no placeholder.
    pub fn finish(mut self) -> io::Result<W> {
        let digits = digits(&self.held).expect("the file was written with a placeholder");
        let hash = self.hasher.update(&self.held).finalize().to_hex();
        self.held[digits].copy_from_slice(hash.as_bytes());
        self.file.write_all(&self.held)?;
        Ok(self.file)
    }
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        if self.held.len() >= BLOCK + TAIL {
            let settled = self.held.len() - TAIL;
            self.hasher.update(&self.held[..settled]);
            self.file.write_all(&self.held[..settled])?;
            self.held.drain(..settled);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a file ends as a Parquet file does, whose last bytes are "PAR1". What took its place may be too large to be hashed.
pub(super) fn ends_as_table(file: &mut (impl Read + Seek)) -> io::Result<bool> {
    const END: &[u8] = b"PAR1";
    if file.seek(SeekFrom::End(0))? < 2 * END.len() as u64 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-(END.len() as i64)))?;
    let mut end = [0; END.len()];
    file.read_exact(&mut end)?;
    Ok(end == END)
}

/// Compares a file with the hash that it carries.
pub(super) fn check(file: &mut (impl Read + Seek)) -> io::Result<Checksum> {
    let length = file.seek(SeekFrom::End(0))?;
    let first = length.saturating_sub(TAIL as u64);
    file.seek(SeekFrom::Start(first))?;
    let mut tail = Vec::new();
    file.take(TAIL as u64).read_to_end(&mut tail)?;
    let Some(digits) = digits(&tail) else { return Ok(Checksum::None) };
    let mut hasher = blake3::Hasher::new();
    file.seek(SeekFrom::Start(0))?;
    let (mut block, mut left) = (vec![0; BLOCK], first);
    while left > 0 {
        let part = block.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        file.read_exact(&mut block[..part])?;
        hasher.update(&block[..part]);
        left -= part as u64;
    }
    let told = tail[digits.clone()].to_vec();
    tail[digits].fill(b'0');
    let found = hasher.update(&tail).finalize().to_hex();
    Ok(if found.as_bytes() == told { Checksum::Right } else { Checksum::Wrong })
}

/// Where the digits are in the end of a file. The footer's entries come after all data and statistics, so the last mark is
/// the entry's.
fn digits(tail: &[u8]) -> Option<Range<usize>> {
    let mark = tail.windows(MARK.len()).rposition(|window| window == MARK.as_bytes())?;
    let start = mark + MARK.len();
    (start + DIGITS <= tail.len()).then_some(start..start + DIGITS)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// A file that is written in such parts.
    fn sealed<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        let mut sealing = Sealing::new(Vec::new());
        parts.into_iter().for_each(|part| sealing.write_all(part).unwrap());
        sealing.finish().unwrap()
    }

    fn checked(file: &[u8]) -> Checksum {
        check(&mut Cursor::new(file)).unwrap()
    }

    #[test]
    fn every_damaged_byte_is_noticed() {
        let whole = [b"PAR1 some columns ", placeholder().1.as_bytes(), b" and the end"].concat();
        let file = sealed([&whole[..]]);
        assert_eq!(checked(&file), Checksum::Right);
        let digits = digits(&file).unwrap();
        assert_ne!(&file[digits.clone()], [b'0'; DIGITS]);
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            // A damaged mark is no mark, and nothing else is damaged then.
            let expected =
                if (digits.start - MARK.len()..digits.start).contains(&at) { Checksum::None } else { Checksum::Wrong };
            assert_eq!(checked(&damaged), expected, "byte {at}");
        }
        assert_eq!(checked(&file[..digits.end - 1]), Checksum::None);
        assert_eq!(checked(b""), Checksum::None);
    }

    #[test]
    fn a_mark_among_the_data_is_not_that_of_the_footer() {
        let whole = [placeholder().1.as_bytes(), b" a text of the table ", placeholder().1.as_bytes()].concat();
        let file = sealed([&whole[..]]);
        assert_eq!(checked(&file), Checksum::Right);
        assert!(file.starts_with(placeholder().1.as_bytes()));
    }

    /// A long file in parts of any size is the same as in one, and its hash is that of the whole.
    #[test]
    fn a_long_file_is_hashed_as_it_is_written() {
        let data: Vec<u8> = (0..3 * BLOCK + 12_345).map(|at| (at * at / 7) as u8).collect();
        let end = format!("{} and the end", placeholder().1);
        let whole = [&data[..], end.as_bytes()].concat();
        let expected = {
            let at = data.len() + MARK.len();
            let mut file = whole.clone();
            file[at..at + DIGITS].copy_from_slice(blake3::hash(&whole).to_hex().as_bytes());
            file
        };
        for size in [1000, BLOCK - 1, BLOCK + TAIL, whole.len()] {
            assert!(sealed(whole.chunks(size)) == expected, "in parts of {size} bytes");
        }
        assert_eq!(checked(&expected), Checksum::Right);
        for at in [0, BLOCK, expected.len() - TAIL - 1, expected.len() - TAIL, expected.len() - 1] {
            let mut damaged = expected.clone();
            damaged[at] ^= 1;
            assert_eq!(checked(&damaged), Checksum::Wrong, "byte {at}");
        }
    }
}
