//! Arrays as they are written: row-major, little-endian.

use std::io::{self, Write};

use bytemuck::Pod;

use super::dtype::{DType, Kind};
use super::header::Header;

/// Bytes that are converted at a time.
const CHUNK: usize = 1 << 16;

/// A number that arrays are written of.
pub(in crate::store) trait Element: Pod {
    const DTYPE: DType;
    /// From the order of bytes of this machine to that of files: mostly they are the same.
    fn little_endian(self) -> Self;
}

macro_rules! element {
    ($($number:ty, $kind:ident, $bits:ty;)*) => {$(
        impl Element for $number {
            const DTYPE: DType = DType { kind: Kind::$kind, size: size_of::<Self>(), is_big_endian: false };

            fn little_endian(self) -> Self {
                bytemuck::cast(bytemuck::cast::<Self, $bits>(self).to_le())
            }
        }
    )*};
}

element! {
    f32, Float, u32;
    i32, Signed, u32;
    u64, Unsigned, u64;
}

/// Writes a header and its values.
///
/// # Panics
/// Panics when the shape does not fit the number of values.
pub(in crate::store) fn write_array<T: Element>(
    shape: &[usize],
    values: &[T],
    writer: &mut impl Write,
) -> io::Result<()> {
    assert_eq!(shape.iter().product::<usize>(), values.len(), "an array of shape {shape:?}");
    Header::new(T::DTYPE, shape).write(writer)?;
    write_values(values, writer)
}

/// Writes values after a header.
pub(in crate::store) fn write_values<T: Element>(values: &[T], writer: &mut impl Write) -> io::Result<()> {
    if cfg!(target_endian = "little") {
        return writer.write_all(bytemuck::cast_slice(values));
    }
    for chunk in values.chunks(CHUNK / size_of::<T>()) {
        let swapped: Vec<T> = chunk.iter().map(|value| value.little_endian()).collect();
        writer.write_all(bytemuck::cast_slice(&swapped))?;
    }
    Ok(())
}
