use serde_json::Value;

use super::*;

fn rows(value: &Value) -> Vec<Vec<f32>> {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn images_shrink_as_in_opencv_and_grow_as_in_pillow() {
    let known: Value = serde_json::from_str(include_str!("../../../tests/fixtures/resize.json")).unwrap();
    let image = RasterStack::of(ImageShape::plane(7, 10), rows(&known["image"]).concat());
    let cases = known["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 6);
    for case in cases {
        let expected = rows(&case["pixels"]);
        let size = [expected.len(), expected[0].len()];
        let found = images(image.clone(), size, Fit::Resize);
        assert_eq!([found.height(), found.width()], size);
        for (found, expected) in found.pixels().iter().zip(expected.concat()) {
            assert!((found - expected).abs() < 1e-3, "{size:?}: {found} but {expected}");
        }
    }
}

#[test]
fn channels_are_resized_alone_and_sizes_that_fit_are_left_alone() {
    let shape = ImageShape::new(3, 4, 2);
    let image = RasterStack::of(shape, (0..24).map(|value| value as f32).collect());
    assert_eq!(images(image.clone(), [4, 2], Fit::Resize), image);
    let small = images(image, [2, 1], Fit::Resize);
    assert_eq!(small.pixels(), [1.5, 5.5, 9.5, 13.5, 17.5, 21.5]);
}

#[test]
fn cutting_and_padding_keep_the_middle() {
    let image = RasterStack::of(ImageShape::plane(2, 4), (1..9).map(|value| value as f32).collect());
    let fitted = images(image, [4, 2], Fit::Crop);
    assert_eq!(fitted.pixels(), [0.0, 0.0, 2.0, 3.0, 6.0, 7.0, 0.0, 0.0]);
    let odd = labels(&[1, 2, 3], [1, 3], [1, 2], Fit::Crop);
    assert_eq!(odd, [1, 2], "of an odd number the first half is the smaller one");
}

#[test]
fn masks_and_labels_take_the_nearest_pixel() {
    assert_eq!(labels(&[1, 2, 3, 4, 5, 6], [2, 3], [1, 2], Fit::Resize), [4, 6]);
    assert_eq!(labels(&[1, 2], [1, 2], [2, 4], Fit::Resize), [1, 1, 2, 2, 1, 1, 2, 2]);
    assert_eq!(places(&[1], [1, 2], [2, 4], Fit::Resize), [2, 3, 6, 7]);
    assert_eq!(places(&[0, 5], [2, 3], [2, 3], Fit::Resize), [0, 5]);
    assert_eq!(places(&[1], [1, 2], [3, 2], Fit::Crop), [3]);
}
