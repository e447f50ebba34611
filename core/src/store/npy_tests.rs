use rand::RngExt;

use super::*;
use crate::seed;

/// An array as a program of its own would write it.
fn array(header: &str, values: &[u8]) -> Vec<u8> {
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), values].concat()
}

fn with(dtype: &str, order: &str, shape: &str, values: &[u8]) -> Vec<u8> {
    array(&format!("{{'descr': '{dtype}', 'fortran_order': {order}, 'shape': {shape}, }}"), values)
}

fn read(bytes: &[u8]) -> Result<(Vec<usize>, Vec<f32>), NpyError> {
    let mut array = Array::open(bytes, bytes.len() as u64)?;
    let values = array.all()?;
    array.finish()?;
    Ok((array.header.shape, values))
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[test]
fn arrays_are_written_as_numpy_does() {
    let mut bytes = Vec::new();
    write_array(&[2, 1], &[1.0_f32, -2.5], &mut bytes).unwrap();
    assert_eq!(&bytes[..10], b"\x93NUMPY\x01\x00\x76\x00");
    assert!(bytes[10..].starts_with(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1, ), }   "));
    assert_eq!(bytes[127], b'\n');
    assert_eq!(&bytes[128..], [0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0]);
    assert_eq!(read(&bytes).unwrap(), (vec![2, 1], vec![1.0, -2.5]));
}

#[test]
fn values_of_every_bit_pattern_survive() {
    let values = [0.0, -0.0, f32::MIN_POSITIVE / 2.0, f32::MAX, f32::NEG_INFINITY, f32::from_bits(0x7fc0_1234)];
    let mut bytes = Vec::new();
    write_array(&[values.len()], &values, &mut bytes).unwrap();
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&read(&bytes).unwrap().1), bits(&values));
}

#[test]
fn the_first_axis_varies_fastest_in_fortran_order() {
    // Of the array [[[0, 1, 2], [3, 4, 5]]]: two rows of three values in one plane.
    let bytes = with("<f4", "True", "(1, 2, 3)", &floats(&[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]));
    assert_eq!(read(&bytes).unwrap(), (vec![1, 2, 3], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]));
    let bytes = with("<f4", "True", "(2, 3)", &floats(&[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]));
    assert_eq!(read(&bytes).unwrap().1, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert!(read(&with("<f4", "True", "(0, 3)", &[])).unwrap().1.is_empty());
    assert_eq!(read(&with("<f4", "False", "()", &floats(&[7.0]))).unwrap(), (vec![], vec![7.0]));
}

#[test]
fn texts_are_read_in_both_orders_of_bytes() {
    let points = |swap: bool| -> Vec<u8> {
        let bytes = |point: u32| if swap { point.to_be_bytes() } else { point.to_le_bytes() };
        "Aé\0B\0\0".chars().flat_map(|letter| bytes(letter.into())).collect()
    };
    for (dtype, swap) in [("<U3", false), (">U3", true)] {
        let bytes = with(dtype, "False", "(2,)", &points(swap));
        let mut array = Array::open(&bytes[..], bytes.len() as u64).unwrap();
        assert_eq!(array.texts().unwrap(), ["Aé", "B"]);
        assert!(array.is_over());
    }
    let mut none = with("<U1", "False", "(1,)", &[0, 0xd8, 0, 0]);
    let mut array = Array::open(&none[..], none.len() as u64).unwrap();
    assert!(matches!(array.texts(), Err(NpyError::Value { .. })));
    none = with("<f4", "False", "(1,)", &floats(&[1.0]));
    let mut array = Array::open(&none[..], none.len() as u64).unwrap();
    assert!(matches!(array.texts(), Err(NpyError::DType { .. })));
}

#[test]
fn shapes_are_held_against_the_length_of_the_file() {
    let eight = [0; 8];
    for shape in ["(3,)", "(3, 1)", "(4294967296, 65536)", "(9223372036854775807,)", "(18446744073709551615,)"] {
        let error = read(&with("<f4", "False", shape, &eight)).unwrap_err();
        assert!(matches!(error, NpyError::Truncated { found: 2, .. }), "{shape}: {error}");
    }
    assert!(matches!(read(&with("<f4", "False", "(4294967296, 4294967296)", &eight)), Err(NpyError::Header(_))));
    assert!(matches!(read(&with("<f4", "False", "(1,)", &eight)), Err(NpyError::TrailingBytes { bytes: 4 })));
    assert!(matches!(read(&with("<f4", "False", "(0, 5)", &eight)), Err(NpyError::TrailingBytes { bytes: 8 })));
}

/// A reader that ends before its file should: what happens where a file shrinks while it is read.
#[test]
fn values_that_are_not_there_are_never_made_up() {
    let values: Vec<f32> = (0..100_000).map(|k| k as f32 + 0.5).collect();
    for dtype in ["<f4", ">f4", "<f8"] {
        let bytes: Vec<u8> = match dtype {
            "<f4" => floats(&values),
            ">f4" => values.iter().flat_map(|value| value.to_be_bytes()).collect(),
            _ => values.iter().flat_map(|value| f64::from(*value).to_le_bytes()).collect(),
        };
        let whole = with(dtype, "False", "(100000,)", &bytes);
        assert_eq!(read(&whole).unwrap().1, values, "{dtype}");
        // Cuts lie before and behind every multiple of what is read at a time.
        for cut in [1, 4, 70_000, 131_072, 131_073, 300_000, bytes.len() - 1] {
            let mut array = Array::open(&whole[..whole.len() - cut], whole.len() as u64).unwrap();
            let error = array.all::<f32>().unwrap_err();
            let there = ((bytes.len() - cut) / (bytes.len() / 100_000)) as u64;
            assert!(matches!(error, NpyError::Truncated { found, expected: 100_000 } if found == there), "{error}");
            let error = read(&whole[..whole.len() - cut]).unwrap_err();
            assert!(matches!(error, NpyError::Truncated { expected: 100_000, .. }), "{dtype}, {cut}: {error}");
        }
    }
}

#[test]
fn values_can_be_passed_over() {
    let bytes = with(">i2", "False", "(5,)", &[0, 1, 0, 2, 0, 3, 0, 4, 0, 5]);
    let mut array = Array::open(std::io::Cursor::new(&bytes), bytes.len() as u64).unwrap();
    array.skip(1).unwrap();
    assert_eq!(array.next::<f32>(1).unwrap(), [2.0]);
    array.seek(1).unwrap();
    assert_eq!(array.next::<f32>(9).unwrap(), [4.0, 5.0]);
    assert!(array.is_over());
    array.finish().unwrap();
    assert!(array.next::<f32>(1).unwrap().is_empty());
}

#[test]
fn what_is_no_array_is_named() {
    assert!(matches!(read(b"PK\x03\x04 and so on"), Err(NpyError::NotNpy)));
    assert!(matches!(read(b""), Err(NpyError::NotNpy)));
    assert!(matches!(read(b"\x93NUMPY\x04\x00\x00\x00\x00\x00"), Err(NpyError::Header(_))));
    let long = [b"\x93NUMPY\x02\x00", &u32::MAX.to_le_bytes()[..]].concat();
    assert!(matches!(read(&long), Err(NpyError::Header(_))));
    assert!(matches!(read(&with("|V8", "False", "(1,)", &[0; 8])), Err(NpyError::Records)));
}

#[test]
fn damaged_files_never_panic() {
    let originals = [
        with("<f4", "False", "(3, 2, 2)", &[0x3e; 48]),
        with(">f8", "True", "(3, 2, 2)", &[0x3e; 96]),
        with("|u1", "False", "(12L,)", &[7; 12]),
    ];
    let mut rng = seed::stream(0, "damage", 0);
    for bytes in originals {
        assert!((0..bytes.len()).all(|length| read(&bytes[..length]).is_err()));
        for _ in 0..5000 {
            let mut damaged = bytes.clone();
            for _ in 0..rng.random_range(1..4) {
                damaged[rng.random_range(0..bytes.len())] = rng.random();
            }
            if let Ok((shape, values)) = read(&damaged) {
                assert_eq!(shape.iter().product::<usize>(), values.len());
            }
        }
    }
}
