//! Arrays as numpy writes them (`tests/data/numpy/make.py`), and what is refused.

use super::*;
use crate::raster::{Planes, extent};
use crate::store::planes::ImageFile;

fn numpy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/numpy").join(name)
}

/// 100 * plane + 10 * row + column in two planes of 3 x 5 pixels.
fn planes() -> RasterStack {
    let value = |index: usize| 100 * (index / 15) + 10 * (index % 15 / 5) + index % 5;
    RasterStack::new(3, 5, (0..30).map(|index| value(index) as f32).collect())
}

/// The images of a file, read by every way that there is.
#[track_caller]
fn images(name: &str) -> RasterStack {
    let path = numpy(name);
    let file = ImageFile::open(&path).unwrap_or_else(|error| panic!("{error}"));
    let stack = file.load().unwrap();
    assert_eq!(read_stack(&path).unwrap(), stack, "{name}");
    for batch in [1, 2, 7] {
        let mut pixels = Vec::new();
        let mut keep = |batch: &[f32]| {
            pixels.extend_from_slice(batch);
            std::ops::ControlFlow::Continue(())
        };
        file.visit(batch, &mut keep).unwrap();
        assert_eq!(pixels, stack.pixels(), "{name}, {batch} at a time");
    }
    if stack.len() > 1 {
        assert_eq!(file.clone().select(&[1]).load().unwrap(), stack.slice(1..2), "{name}, the second plane");
    }
    stack
}

#[test]
fn numbers_of_every_type_and_order_are_read() {
    for order in ["little", "big"] {
        for kind in ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"] {
            if order == "little" || !kind.ends_with('1') {
                assert_eq!(images(&format!("{order}_{kind}.npy")), planes(), "{order} {kind}");
            }
        }
    }
    let flags = planes().pixels().iter().map(|&value| f32::from(value > 50.0)).collect();
    assert_eq!(images("bool.npy"), RasterStack::new(3, 5, flags));
}

#[test]
fn layouts_and_versions_of_other_programs_are_read() {
    for name in ["fortran_f4", "fortran_big_u2", "channel_first", "channel_last", "channel_last_fortran"] {
        assert_eq!(images(&format!("{name}.npy")), planes(), "{name}");
    }
    for name in ["version2", "version3"] {
        assert_eq!(images(&format!("{name}.npy")), planes(), "{name}");
    }
    for name in ["single", "single_channel"] {
        assert_eq!(images(&format!("{name}.npy")), planes().slice(1..2), "{name}");
    }
    for name in ["ages_f4", "ages_f8", "ages_column"] {
        assert_eq!(read_vector(&numpy(&format!("{name}.npy"))).unwrap(), [45.3, 60.0], "{name}");
    }
    assert_eq!(read_vector(&numpy("ages_i8.npy")).unwrap(), [45.0, 60.0]);
}

#[test]
fn the_array_of_an_archive_that_can_be_meant_is_read() {
    for name in ["unnamed", "named", "compressed"] {
        assert_eq!(images(&format!("{name}.npz")), planes(), "{name}");
    }
    assert_eq!(read_values(&numpy("named.npz"), AGES).unwrap(), [45.3, 60.0]);
    assert_eq!(read_vector(&numpy("named.npz")).unwrap(), [45.3, 60.0], "the only vector");
    let error = ImageFile::open(&numpy("several.npz")).unwrap_err().to_string();
    let expected = "several.npz: has several arrays, and none is called images: \"arr_0\" (float32 [2, 3, 5]), \
                    \"arr_1\" (float32 [2, 3, 5]); save the one that is meant alone, with \
                    numpy.save(\"images.npy\", archive[\"NAME\"])";
    assert!(error.ends_with(expected), "{error}");
}

#[test]
fn what_is_no_array_of_numbers_is_named() {
    let refused = |name: &str| read_stack(&numpy(name)).unwrap_err().to_string();
    for (name, expected) in [
        ("objects.npy", "holds pickled Python objects"),
        ("records.npy", "holds records with several fields"),
        ("complex.npy", "holds values of type \"<c8\""),
        ("long_double.npy", "holds values of type \"<f16\""),
        ("text.npy", "has the shape [2], not [n, height, width]"),
        ("ages_f4.npy", "has the shape [2], not [n, height, width]"),
        ("make.py", "is something else, not an .npy or .npz file of numpy"),
        ("nothing.npy", "No such file"),
    ] {
        assert!(refused(name).contains(expected), "{name}: {}", refused(name));
    }
    let text = read_vector(&numpy("text.npy")).unwrap_err().to_string();
    assert!(text.contains("holds values of type \"<U3\", not numbers"), "{text}");
    let planes = read_vector(&numpy("little_f4.npy")).unwrap_err().to_string();
    assert!(planes.contains("has the shape [2, 3, 5], not [n]"), "{planes}");
}

#[test]
fn a_hint_is_given_where_values_look_like_grey_levels() {
    let note = |name: &str| {
        let file = ImageFile::open(&numpy(name)).unwrap();
        file.note_on_scale(extent(&file).unwrap())
    };
    for (name, part) in [
        ("little_u1.npy", "holds uint8 values from 0 to 124"),
        ("big_i4.npy", "holds int32 values from 0 to 124"),
        ("little_f8.npy", "holds float64 values from 0 to 124"),
    ] {
        let note = note(name).unwrap();
        assert!(note.contains(part) && note.contains("images.astype(\"float32\") / 255"), "{note}");
    }
    assert_eq!(note("bool.npy"), None);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("intensities.npy");
    for pixels in [vec![0.0, 1.2], vec![-5.0, 5.0]] {
        write_stack(&RasterStack::new(1, 2, pixels), &path).unwrap();
        let file = ImageFile::open(&path).unwrap();
        assert_eq!(file.note_on_scale(extent(&file).unwrap()), None);
    }
}

#[test]
fn stacks_and_vectors_survive_their_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("maps");
    let stack = RasterStack::new(2, 3, (0..24).map(|k| k as f32 / 7.0).collect());
    write_stack(&stack, &path).unwrap();
    assert_eq!(read_stack(&path).unwrap(), stack);
    write_vector(&[1.5, f32::MIN_POSITIVE], &path).unwrap();
    assert_eq!(read_vector(&path).unwrap(), [1.5, f32::MIN_POSITIVE]);
    write_array(&[1, 2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &path).unwrap();
    assert_eq!(read_triples(&path).unwrap(), [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
}

#[test]
fn images_have_one_channel_or_three_and_some_pixels() {
    let of = |shape: &[usize]| planes_of(shape).map(|layout| (layout.count, layout.image, layout.channels_last));
    let grey = |count, height, width| Some((count, ImageShape::plane(height, width), false));
    let colour = |count, last| Some((count, ImageShape::new(3, 98, 97), last));
    assert_eq!(of(&[98, 98]), grey(1, 98, 98));
    assert_eq!(of(&[98, 98, 1]), grey(1, 98, 98));
    assert_eq!(of(&[1, 98, 97]), grey(1, 98, 97));
    assert_eq!(of(&[1, 1, 98, 97]), grey(1, 98, 97));
    assert_eq!(of(&[2, 98, 97, 1]), grey(2, 98, 97));
    assert_eq!(of(&[0, 98, 98]), grey(0, 98, 98));
    assert_eq!((of(&[4, 3, 98, 97]), of(&[4, 98, 97, 3])), (colour(4, false), colour(4, true)));
    for shape in [&[][..], &[98], &[4, 0, 98], &[4, 98, 0], &[4, 2, 98, 98], &[4, 98, 98, 4], &[1, 1, 1, 98, 98]] {
        assert_eq!(planes_of(shape), None, "{shape:?}");
    }
}

#[test]
fn what_is_not_a_regular_file_is_refused_without_waiting() {
    for path in ["/dev/zero", "/"] {
        let error = read_stack(Path::new(path)).unwrap_err().to_string();
        assert_eq!(error, format!("{path}: is not a regular file"));
    }
}
