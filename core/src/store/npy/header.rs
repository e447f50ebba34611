//! The header of an array: what is stored, in Python's notation.

use std::io::{self, Read, Write};

use super::dtype::DType;
use super::{NpyError, read_up_to};

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// The longest header that is read. Those of plain arrays have about 100 bytes; only arrays of records need more.
const LONGEST: usize = 1 << 16;

/// Type, order and shape of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Header {
    pub dtype: DType,
    /// Whether the first axis varies fastest (Fortran's order) instead of the last.
    pub is_column_major: bool,
    pub shape: Vec<usize>,
}

impl Header {
    /// Of an array in row-major order.
    pub fn new(dtype: DType, shape: &[usize]) -> Self {
        Self { dtype, is_column_major: false, shape: shape.to_vec() }
    }

    /// The number of values.
    pub fn values(&self) -> Result<usize, NpyError> {
        let product = self.shape.iter().try_fold(1_usize, |product, &length| product.checked_mul(length));
        product.ok_or(NpyError::Header("its shape has more values than this machine can address"))
    }

    /// Reads a header of any version, and tells how many bytes it takes.
    pub fn read(reader: &mut impl Read) -> Result<(Self, u64), NpyError> {
        let mut start = [0; 8];
        fill(reader, &mut start)?;
        let (magic, version) = start.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(NpyError::NotNpy);
        }
        let mut length = [0; 4];
        let width = match version {
            [1, 0] => 2,
            [2 | 3, 0] => 4,
            _ => return Err(NpyError::Header("this version of the format is unknown")),
        };
        fill(reader, &mut length[..width])?;
        let length = u32::from_le_bytes(length) as usize;
        if length > LONGEST {
            return Err(NpyError::Header("it is longer than that of any plain array"));
        }
        let mut text = vec![0; length];
        fill(reader, &mut text)?;
        // Versions 1 and 2 are Latin-1, version 3 is UTF-8; they differ only in the names of records, which are refused.
        let header = Self::parse(&String::from_utf8_lossy(&text))?;
        Ok((header, (start.len() + width + length) as u64))
    }

    /// Parses "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 98, 98), }" in any order, spacing and quotes.
    fn parse(text: &str) -> Result<Self, NpyError> {
        let inside = text.trim().strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        let entries = inside.and_then(|text| split(text, ',')).ok_or(NpyError::Header("it is not a dictionary"))?;
        let (mut dtype, mut order, mut shape) = (None, None, None);
        for entry in entries {
            let pair = split(entry, ':').filter(|parts| parts.len() == 2);
            let pair = pair.ok_or(NpyError::Header("it is not a dictionary"))?;
            let value = match unquoted(pair[0]) {
                Some("descr") => &mut dtype,
                Some("fortran_order") => &mut order,
                Some("shape") => &mut shape,
                _ => return Err(NpyError::Header("it has an entry that no array has")),
            };
            if value.replace(pair[1]).is_some() {
                return Err(NpyError::Header("it has an entry twice"));
            }
        }
        let dtype = dtype.ok_or(NpyError::Header("it names no type"))?;
        if dtype.starts_with(['[', '{', '(']) {
            return Err(NpyError::Records);
        }
        let dtype = DType::parse(unquoted(dtype).ok_or(NpyError::Header("it names no type"))?)?;
        let is_column_major = match order {
            Some("True") => true,
            Some("False") => false,
            _ => return Err(NpyError::Header("it does not say whether the array is in Fortran order")),
        };
        let shape = shape.and_then(|text| text.strip_prefix('(')?.strip_suffix(')'));
        let lengths = shape.and_then(|text| split(text, ',')).ok_or(NpyError::Header("it names no shape"))?;
        // Python 2 wrote `98L` for long integers.
        let lengths = lengths.into_iter().map(|length| length.strip_suffix('L').unwrap_or(length).parse());
        let shape: Result<Vec<usize>, _> = lengths.collect();
        let shape = shape.map_err(|_| NpyError::Header("its shape is not made of whole numbers"))?;
        // The order only matters where there are several axes.
        Ok(Self { dtype, is_column_major: is_column_major && shape.len() > 1, shape })
    }

    /// Writes a header of version 1.
    pub fn write(&self, writer: &mut impl Write) -> io::Result<()> {
        assert!(!self.is_column_major, "arrays are written in row-major order");
        let lengths: String = self.shape.iter().map(|length| format!("{length}, ")).collect();
        let mut text = format!("{{'descr': '{}', 'fortran_order': False, 'shape': ({lengths}), }}", self.dtype);
        // Values start at a multiple of 64 bytes.
        let start = MAGIC.len() + 4 + text.len() + 1;
        text.extend(std::iter::repeat_n(' ', start.next_multiple_of(64) - start));
        text.push('\n');
        writer.write_all(MAGIC)?;
        writer.write_all(&[1, 0])?;
        writer.write_all(&(text.len() as u16).to_le_bytes())?;
        writer.write_all(text.as_bytes())
    }
}

/// The parts of `text` between separators that are neither quoted nor in brackets, trimmed, without an empty last one.
/// None where quotes or brackets do not match.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut quote, mut brackets) = (None, Vec::new());
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (Some(open), _) => quote = Some(open).filter(|open| *open != letter),
            (None, '\'' | '"') => quote = Some(letter),
            (None, '(') => brackets.push(')'),
            (None, '[') => brackets.push(']'),
            (None, '{') => brackets.push('}'),
            (None, ')' | ']' | '}') if brackets.pop() != Some(letter) => return None,
            (None, _) if letter == separator && brackets.is_empty() => {
                parts.push(text[start..at].trim());
                start = at + letter.len_utf8();
            }
            _ => {}
        }
    }
    if !text[start..].trim().is_empty() {
        parts.push(text[start..].trim());
    }
    (quote.is_none() && brackets.is_empty()).then_some(parts)
}

fn unquoted(text: &str) -> Option<&str> {
    ['\'', '"'].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote))
}

/// Fills `buffer` from the head of a file, which is no `.npy` file where that ends too early.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> Result<(), NpyError> {
    let found = read_up_to(reader, buffer)?;
    if found < buffer.len() { Err(NpyError::NotNpy) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<(String, bool, Vec<usize>), NpyError> {
        Header::parse(text).map(|header| (header.dtype.to_string(), header.is_column_major, header.shape))
    }

    #[test]
    fn headers_of_all_writers_are_understood() {
        let expected = ("<f4".to_owned(), true, vec![5, 98, 98]);
        for text in [
            "{'descr': '<f4', 'fortran_order': True, 'shape': (5, 98, 98), }   \n",
            "{'shape':(5,98,98),'descr':'<f4','fortran_order':True}",
            "{\"fortran_order\" :True , \"descr\" : \"<f4\" , \"shape\" :( 5 ,98, 98 , )  , }",
            "{'descr': '<f4', 'fortran_order': True, 'shape': (5L, 98L, 98L), }\n",
        ] {
            assert_eq!(parsed(text).unwrap(), expected, "{text}");
        }
        let flat = |shape| format!("{{'descr': '|u1', 'fortran_order': True, 'shape': {shape}, }}");
        assert_eq!(parsed(&flat("(3,)")).unwrap(), ("|u1".to_owned(), false, vec![3]));
        assert_eq!(parsed(&flat("()")).unwrap(), ("|u1".to_owned(), false, vec![]));
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let with = |dtype: &str, order: &str, shape: &str| {
            parsed(&format!("{{'descr': {dtype}, 'fortran_order': {order}, 'shape': {shape}, }}")).unwrap_err()
        };
        assert!(matches!(with("[('age', '<f4'), ('name', '<U9')]", "False", "(1,)"), NpyError::Records));
        assert!(matches!(with("'|O'", "False", "(1,)"), NpyError::Objects));
        assert!(matches!(with("'<c8'", "False", "(1,)"), NpyError::DType { .. }));
        for (dtype, order, shape) in [
            ("'<f4'", "false", "(1,)"),
            ("'<f4'", "1", "(1,)"),
            ("'<f4'", "False", "(-2,)"),
            ("'<f4'", "False", "(2.0,)"),
            ("'<f4'", "False", "(99999999999999999999999,)"),
            ("'<f4'", "False", "(2,,3)"),
            ("'<f4'", "False", "(2,"),
            ("'<f4'", "False", "[2]"),
            ("'<f4", "False", "(2,)"),
            ("4", "False", "(2,)"),
        ] {
            assert!(matches!(with(dtype, order, shape), NpyError::Header(_)), "{dtype} {order} {shape}");
        }
        for text in [
            "",
            "{",
            "}",
            "{}",
            "{'descr': '<f4', 'fortran_order': False}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'other': 1}",
            "{'descr': '<f4', 'descr': '<f8', 'fortran_order': False, 'shape': (1,)}",
            "__import__('os')",
        ] {
            assert!(matches!(parsed(text), Err(NpyError::Header(_))), "{text}");
        }
        let huge = Header { shape: vec![1 << 32, 1 << 32], ..Header::new(DType::parse("<f4").unwrap(), &[]) };
        assert!(matches!(huge.values(), Err(NpyError::Header(_))));
    }
}
