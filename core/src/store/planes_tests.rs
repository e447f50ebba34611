use super::*;
use crate::event::silent;
use crate::sim::{GrowthMode, simulate_ages};
use crate::store::{arrays, dataset, pumpkins};

fn stack() -> RasterStack {
    RasterStack::new(2, 3, (0..42).map(|k| k as f32 / 7.0).collect())
}

fn visited(planes: &dyn Planes, batch: usize) -> Vec<Vec<f32>> {
    let mut visited = Vec::new();
    let mut keep = |pixels: &[f32]| {
        visited.push(pixels.to_vec());
        ControlFlow::Continue(())
    };
    planes.visit(batch, &mut keep).unwrap();
    visited
}

#[test]
fn an_array_written_in_parts_has_the_bytes_of_one_written_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, parts] = ["whole.npy", "parts.npy"].map(|name| folder.path().join(name));
    arrays::write_stack(&stack(), &whole).unwrap();
    for cut in [0, 1, 6, 41, 42] {
        let mut writer = ArrayWriter::create(&parts, &[7, 2, 3]).unwrap();
        writer.write(&stack().pixels()[..cut]).unwrap();
        writer.write(&stack().pixels()[cut..]).unwrap();
        writer.finish().unwrap();
        assert_eq!(std::fs::read(&parts).unwrap(), std::fs::read(&whole).unwrap(), "cut at {cut}");
    }
    let writer = ArrayWriter::create(&parts, &[1, 2]).unwrap();
    assert!(std::panic::catch_unwind(|| writer.finish()).is_err(), "values are missing");
}

#[test]
fn planes_of_a_file_are_those_in_memory_whatever_the_batch() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("maps.npy");
    arrays::write_stack(&stack(), &path).unwrap();
    let file = ImageFile::open(&path).unwrap();
    let plane = ImageShape::plane(2, 3);
    assert_eq!((file.count(), file.shape(), stack().count()), (7, plane, 7));
    for batch in [1, 3, 7, 100] {
        let parts = visited(&file, batch);
        assert_eq!(parts, visited(&stack(), batch));
        assert_eq!((parts.concat(), parts[0].len()), (stack().pixels().to_vec(), 6 * batch.min(7)));
    }
    let some = file.select(&[0, 2, 3, 5, 6]).select(&[1, 3, 4]);
    assert_eq!((some.count(), some.load().unwrap()), (3, stack().select(&[2, 5, 6])));
    assert_eq!(visited(&some, 2), visited(&stack().select(&[2, 5, 6]), 2));
    assert!(visited(&some.select(&[]), 2).is_empty());

    for range in [0..7, 2..5, 6..9, 7..8, 90..99] {
        let inside = range.start.min(7)..range.end.min(7);
        assert_eq!(read_planes(&path, range).unwrap(), stack().slice(inside));
    }
    assert_eq!(read_shape(&path).unwrap(), (7, plane));
}

#[test]
fn images_of_a_data_set_are_read_without_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.npz");
    let set = simulate_ages(&[20, 47, 80], GrowthMode::Human, 8, &silent).unwrap();
    pumpkins::save(&set, &path).unwrap();
    assert_eq!(visited(&ImageFile::open(&path).unwrap().select(&[1, 2]), 1), visited(&set.images.slice(1..3), 1));
    assert_eq!(dataset::load_targets(&path).unwrap().unwrap().1, [20.0, 47.0, 80.0]);
}

/// Other programs keep the channels of a pixel beside each other.
#[test]
fn channels_come_first_whatever_the_file_has() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("colours.npy");
    let (count, shape) = (3, ImageShape::new(3, 2, 4));
    let value = |image: usize, channel: usize, pixel: usize| (100 * image + 10 * channel + pixel) as f32;
    let places = || (0..count).flat_map(|image| (0..8).map(move |pixel| (image, pixel)));
    let last: Vec<f32> = places().flat_map(|(i, p)| (0..3).map(move |c| value(i, c, p))).collect();
    arrays::write_array(&[count, 2, 4, 3], &last, &path).unwrap();
    let first: Vec<f32> =
        (0..count).flat_map(|i| (0..3).flat_map(move |c| (0..8).map(move |p| value(i, c, p)))).collect();
    let expected = RasterStack::of(shape, first);
    let file = ImageFile::open(&path).unwrap();
    assert_eq!((file.shape(), file.load().unwrap()), (shape, expected.clone()));
    assert_eq!(file.select(&[0, 2]).load().unwrap(), expected.select(&[0, 2]));
    assert_eq!(read_planes(&path, 1..3).unwrap(), expected.slice(1..3));
    assert_eq!(arrays::read_stack(&path).unwrap(), expected);
    arrays::write_stack(&expected, &path).unwrap();
    assert_eq!(ImageFile::open(&path).unwrap().load().unwrap(), expected);
}

#[test]
fn breaking_off_ends_a_visit() {
    let mut count = 0;
    let mut stop = |_: &[f32]| {
        count += 1;
        ControlFlow::Break(())
    };
    stack().visit(2, &mut stop).unwrap();
    assert_eq!(count, 1);
}

#[test]
fn what_is_cut_off_or_no_stack_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("maps.npy");
    arrays::write_stack(&stack(), &path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let file = ImageFile::open(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 8]).unwrap();
    assert!(read_planes(&path, 6..7).is_err() && read_planes(&path, 5..6).is_err());
    let error = file.visit(3, &mut |_| ControlFlow::Continue(())).unwrap_err().to_string();
    assert!(error.ends_with("maps.npy: is cut off: 40 of 42 values are there"), "{error}");
    assert_eq!(ImageFile::open(&path).unwrap_err().to_string(), error);
    arrays::write_stack(&RasterStack::new(3, 2, stack().pixels().to_vec()), &path).unwrap();
    let error = file.load().unwrap_err().to_string();
    assert!(error.ends_with("it is not the one that was there before"), "{error}");
    let mut broken = stack();
    broken.pixels_mut()[25] = f32::NAN;
    arrays::write_stack(&broken, &path).unwrap();
    let error =
        ImageFile::open(&path).unwrap().select(&[1, 2, 3, 4, 5, 6]).visit(2, &mut |_| ControlFlow::Continue(()));
    assert!(error.unwrap_err().to_string().contains("maps.npy: item 4 holds a value that is not finite"));
    arrays::write_vector(&[1.0], &path).unwrap();
    assert!(read_shape(&path).is_err() && read_planes(&path, 0..1).is_err());
    let error = ImageFile::open(&path).unwrap_err().to_string();
    assert!(error.contains("has the shape [1], not [n, height, width]"), "{error}");
    assert!(read_planes(&folder.path().join("none.npy"), 0..1).is_err());
}
