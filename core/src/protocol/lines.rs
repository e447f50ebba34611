//! Lines from another process, which may send anything.

use std::io::{self, BufRead};

/// The longest line that is read as one. Requests and replies are far shorter.
const LONGEST: usize = 1 << 20;

/// A line without its end.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    Whole(Vec<u8>),
    /// It is longer than a mebibyte; this is how it begins.
    TooLong(Vec<u8>),
}

/// The next line, in bounded memory; `None` at the end.
///
/// # Errors
/// That of the reader.
pub fn next_line(reader: &mut impl BufRead) -> io::Result<Option<Line>> {
    let (mut line, mut too_long) = (Vec::new(), false);
    loop {
        let bytes = match reader.fill_buf() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if bytes.is_empty() && line.is_empty() {
            return Ok(None);
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let part = &bytes[..end.unwrap_or(bytes.len())];
        let room = LONGEST - line.len();
        too_long |= part.len() > room;
        line.extend_from_slice(&part[..part.len().min(room)]);
        let (taken, is_last) = (end.map_or(bytes.len(), |end| end + 1), end.is_some() || bytes.is_empty());
        reader.consume(taken);
        if is_last {
            return Ok(Some(if too_long { Line::TooLong(line) } else { Line::Whole(line) }));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read};

    use super::*;

    fn lines(mut reader: impl BufRead) -> Vec<Line> {
        std::iter::from_fn(|| next_line(&mut reader).expect("it can be read")).collect()
    }

    #[test]
    fn lines_end_with_a_line_feed_or_the_input() {
        let whole = |text: &str| Line::Whole(text.into());
        let text = b"one\n\ntwo\xff\nthree".as_slice();
        let expected = [whole("one"), whole(""), Line::Whole(b"two\xff".into()), whole("three")];
        assert_eq!(lines(text), expected);
        assert_eq!(lines(BufReader::with_capacity(2, text)), expected, "in parts");
        assert_eq!(lines(b"".as_slice()), []);
    }

    #[test]
    fn a_line_without_an_end_takes_no_more_memory() {
        let endless = io::repeat(b'x').take(50 << 20).chain(b"\nnext\n".as_slice());
        let found = lines(BufReader::new(endless));
        assert_eq!(found, [Line::TooLong(vec![b'x'; LONGEST]), Line::Whole(b"next".into())]);
        let longest = [vec![b'y'; LONGEST], b"\n".into()].concat();
        assert_eq!(lines(longest.as_slice()), [Line::Whole(vec![b'y'; LONGEST])]);
    }
}
