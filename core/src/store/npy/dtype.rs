//! The types of values that arrays hold, and how their bytes become numbers.

use std::fmt;

use half::f16;

use super::NpyError;

/// What the bytes of a value mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Kind {
    Bool,
    Signed,
    Unsigned,
    Float,
    /// Text of a fixed width, four bytes a code point.
    Text,
}

/// The type of the values of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct DType {
    pub kind: Kind,
    /// Bytes of a value.
    pub size: usize,
    pub is_big_endian: bool,
}

impl DType {
    /// Parses a type as numpy writes it, such as "<f4".
    pub fn parse(text: &str) -> Result<Self, NpyError> {
        let refused = || NpyError::DType { found: text.to_owned(), expected: "numbers" };
        let (order, name) = match text.chars().next() {
            Some(order @ ('<' | '>' | '=' | '|')) => (order, &text[1..]),
            _ => ('=', text),
        };
        let mut letters = name.chars();
        let letter = letters.next().ok_or_else(refused)?;
        if letter == 'O' {
            return Err(NpyError::Objects);
        }
        let digits = letters.as_str();
        let width: usize = digits
            .bytes()
            .all(|digit| digit.is_ascii_digit())
            .then(|| digits.parse().ok())
            .flatten()
            .ok_or_else(refused)?;
        let (kind, size) = match (letter, width) {
            ('b', 1) => (Kind::Bool, 1),
            ('i', 1 | 2 | 4 | 8) => (Kind::Signed, width),
            ('u', 1 | 2 | 4 | 8) => (Kind::Unsigned, width),
            ('f', 2 | 4 | 8) => (Kind::Float, width),
            // Longer texts than any name are no arrays of this program.
            ('U', 1..=65_536) => (Kind::Text, 4 * width),
            ('V', _) => return Err(NpyError::Records),
            _ => return Err(refused()),
        };
        let is_big_endian = order == '>' || (order == '=' && cfg!(target_endian = "big"));
        Ok(Self { kind, size, is_big_endian: is_big_endian && (size > 1) })
    }

    /// Whether the bytes of the values are those of `T` on this machine.
    pub fn is_that_of<T: Number>(self) -> bool {
        (self.kind, self.size) == (T::KIND, size_of::<T>()) && self.is_big_endian == cfg!(target_endian = "big")
    }

    pub fn is_number(self) -> bool {
        self.kind != Kind::Text
    }

    /// Whether values are whole numbers, true and false among them.
    pub fn is_integer(self) -> bool {
        matches!(self.kind, Kind::Bool | Kind::Signed | Kind::Unsigned)
    }

    /// As users know it, such as "uint8".
    pub fn name(self) -> String {
        let bits = 8 * self.size;
        match self.kind {
            Kind::Bool => "bool".to_owned(),
            Kind::Signed => format!("int{bits}"),
            Kind::Unsigned => format!("uint{bits}"),
            Kind::Float => format!("float{bits}"),
            Kind::Text => "text".to_owned(),
        }
    }

    /// Appends the numbers that `bytes` hold. Returns the first one that `T` cannot hold, as a text.
    pub fn decode<T: Number>(self, bytes: &[u8], numbers: &mut Vec<T>) -> Result<(), String> {
        macro_rules! decode {
            ($number:ty, $convert:expr) => {{
                for bytes in bytes.as_chunks::<{ size_of::<$number>() }>().0 {
                    let number = if self.is_big_endian {
                        <$number>::from_be_bytes(*bytes)
                    } else {
                        <$number>::from_le_bytes(*bytes)
                    };
                    numbers.push($convert(number.into()).ok_or_else(|| number.to_string())?);
                }
                Ok(())
            }};
        }
        match (self.kind, self.size) {
            (Kind::Bool, _) => {
                numbers.extend(bytes.iter().filter_map(|&byte| T::from_unsigned(u64::from(byte != 0))));
                Ok(())
            }
            (Kind::Signed, 1) => decode!(i8, T::from_signed),
            (Kind::Signed, 2) => decode!(i16, T::from_signed),
            (Kind::Signed, 4) => decode!(i32, T::from_signed),
            (Kind::Signed, _) => decode!(i64, T::from_signed),
            (Kind::Unsigned, 1) => decode!(u8, T::from_unsigned),
            (Kind::Unsigned, 2) => decode!(u16, T::from_unsigned),
            (Kind::Unsigned, 4) => decode!(u32, T::from_unsigned),
            (Kind::Unsigned, _) => decode!(u64, T::from_unsigned),
            (Kind::Float, 2) => decode!(f16, T::from_float),
            (Kind::Float, 4) => decode!(f32, T::from_float),
            (Kind::Float, _) => decode!(f64, T::from_float),
            (Kind::Text, _) => decode!(u32, T::from_unsigned),
        }
    }
}

impl fmt::Display for DType {
    /// As numpy writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = match (self.size, self.is_big_endian) {
            (1, _) => '|',
            (_, true) => '>',
            (_, false) => '<',
        };
        let (letter, width) = match self.kind {
            Kind::Bool => ('b', 1),
            Kind::Signed => ('i', self.size),
            Kind::Unsigned => ('u', self.size),
            Kind::Float => ('f', self.size),
            Kind::Text => ('U', self.size / 4),
        };
        write!(f, "{order}{letter}{width}")
    }
}

/// A number that any array of numbers can be read as, where it can hold the values.
pub(in crate::store) trait Number: bytemuck::Pod {
    const KIND: Kind;
    fn from_float(value: f64) -> Option<Self>;
    fn from_signed(value: i64) -> Option<Self>;
    fn from_unsigned(value: u64) -> Option<Self>;
}

impl Number for f32 {
    const KIND: Kind = Kind::Float;

    /// The nearest float32; infinite beyond the largest one.
    fn from_float(value: f64) -> Option<Self> {
        Some(value as f32)
    }

    fn from_signed(value: i64) -> Option<Self> {
        Some(value as f32)
    }

    fn from_unsigned(value: u64) -> Option<Self> {
        Some(value as f32)
    }
}

macro_rules! whole {
    ($($number:ty, $kind:ident;)*) => {$(
        impl Number for $number {
            const KIND: Kind = Kind::$kind;

            fn from_float(_: f64) -> Option<Self> {
                None
            }

            fn from_signed(value: i64) -> Option<Self> {
                value.try_into().ok()
            }

            fn from_unsigned(value: u64) -> Option<Self> {
                value.try_into().ok()
            }
        }
    )*};
}

whole! {
    i32, Signed;
    u32, Unsigned;
    u64, Unsigned;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(dtype: &str, bytes: &[u8]) -> Vec<f32> {
        let mut numbers = Vec::new();
        DType::parse(dtype).unwrap().decode(bytes, &mut numbers).unwrap();
        numbers
    }

    #[test]
    fn numbers_of_every_type_and_order_are_decoded() {
        // Bytes as the definitions of IEEE 754 and of two's complement give them.
        assert_eq!(floats("|b1", &[0, 1, 2]), [0.0, 1.0, 1.0]);
        assert_eq!(floats("|i1", &[0x80, 0x7f]), [-128.0, 127.0]);
        assert_eq!(floats("|u1", &[0x80, 0xff]), [128.0, 255.0]);
        for (order, swap) in [("<", false), (">", true)] {
            let check = |kind: &str, bytes: &[u8], expected: f32| {
                let bytes: Vec<u8> = if swap { bytes.iter().rev().copied().collect() } else { bytes.to_vec() };
                assert_eq!(floats(&format!("{order}{kind}"), &bytes), [expected], "{order}{kind}");
            };
            check("i2", &[0xfe, 0xff], -2.0);
            check("u2", &[0x02, 0x01], 258.0);
            check("i4", &[0xfd, 0xff, 0xff, 0xff], -3.0);
            check("u4", &[0x00, 0x00, 0x00, 0x80], 2_147_483_648.0);
            check("i8", &[0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], -4.0);
            check("u8", &[0, 0, 0, 0, 0, 0, 0, 0x80], 9_223_372_036_854_775_808.0);
            check("f2", &[0x00, 0xc1], -2.5);
            check("f4", &[0x00, 0x00, 0x20, 0xc0], -2.5);
            check("f8", &[0, 0, 0, 0, 0, 0, 0x04, 0xc0], -2.5);
        }
        assert_eq!(floats("<f2", &[0x01, 0x00, 0x00, 0x7c]), [2.0_f32.powi(-24), f32::INFINITY]);
        assert_eq!(floats("=f4", &1.5_f32.to_ne_bytes()), [1.5]);
    }

    #[test]
    fn whole_numbers_stay_whole_or_are_refused() {
        let decode = |dtype: &str, bytes: &[u8]| {
            let mut numbers: Vec<i32> = Vec::new();
            DType::parse(dtype).unwrap().decode(bytes, &mut numbers).map(|()| numbers)
        };
        assert_eq!(decode("<i8", &(-7_i64).to_le_bytes()), Ok(vec![-7]));
        assert_eq!(decode("<i8", &(1_i64 << 40).to_le_bytes()), Err("1099511627776".to_owned()));
        assert_eq!(decode(">u4", &u32::MAX.to_be_bytes()), Err("4294967295".to_owned()));
        assert_eq!(decode("<f4", &1.0_f32.to_le_bytes()), Err("1".to_owned()));
    }

    #[test]
    fn types_are_named_as_users_know_them() {
        let name = |text: &str| DType::parse(text).map(|dtype| (dtype.name(), dtype.to_string()));
        assert_eq!(name("|u1").unwrap(), ("uint8".into(), "|u1".into()));
        assert_eq!(name(">f8").unwrap(), ("float64".into(), ">f8".into()));
        assert_eq!(name("<U12").unwrap(), ("text".into(), "<U12".into()));
        assert!(matches!(name("|O"), Err(NpyError::Objects)));
        assert!(matches!(name("|V8"), Err(NpyError::Records)));
        for other in
            ["", "<", "<f", "<f3", "<f16", "<c8", "<M8[ns]", "|S5", "<i", "<f+4", "<ü4", "<i99999999999999999999"]
        {
            assert!(matches!(name(other), Err(NpyError::DType { .. })), "{other}");
        }
    }
}
