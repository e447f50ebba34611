use rand::RngExt;
use tch::Kind;
use xdlreg_core::net::Padding;
use xdlreg_core::raster::ImageShape;
use xdlreg_core::seed::stream;

use super::*;

/// `[count, channels, rows, columns]` of multiples of a half around zero, so that ties abound.
fn coarse(seed: u64, size: [usize; 4]) -> Vec<f32> {
    let rng = &mut stream(seed, "pooling", 0);
    (0..size.iter().product()).map(|_| rng.random_range(-3..4) as f32 * 0.5).collect()
}

fn tensor(values: &[f32], size: [usize; 4]) -> Tensor {
    channels_last(&Tensor::from_slice(values).reshape(size.map(|side| side as i64)))
}

fn values(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.contiguous().view(-1)).expect("f32 values")
}

/// The windows of pooling: that of PumpkinNet, and others.
const WINDOWS: [([usize; 2], [usize; 2], Padding); 5] = [
    ([3, 3], [2, 2], Padding::Same),
    ([2, 2], [2, 2], Padding::Valid),
    ([2, 3], [1, 2], Padding::Same),
    ([4, 2], [3, 1], Padding::Same),
    ([3, 4], [2, 3], Padding::Pixels([1, 3])),
];

/// The pooling of one plane: every window's maximum, and the first place in row-major order that has it.
fn naive(plane: &[f32], rows: usize, columns: usize, window: &Window) -> Vec<(f32, usize)> {
    let [out_rows, out_columns] = window.outputs([rows as i64, columns as i64]).map(|side| side as isize);
    let mut windows = Vec::new();
    for (i, j) in (0..out_rows).flat_map(|i| (0..out_columns).map(move |j| (i, j))) {
        let mut best: Option<(f32, usize)> = None;
        for (y, x) in (0..window.kernel[0]).flat_map(|y| (0..window.kernel[1]).map(move |x| (y, x))) {
            let row = i * window.stride[0] as isize + (y - window.padding[0][0]) as isize;
            let column = j * window.stride[1] as isize + (x - window.padding[1][0]) as isize;
            if (0..rows as isize).contains(&row) && (0..columns as isize).contains(&column) {
                let place = row as usize * columns + column as usize;
                if best.is_none_or(|(value, _)| plane[place] > value) {
                    best = Some((plane[place], place));
                }
            }
        }
        windows.push(best.expect("a window with a pixel"));
    }
    windows
}

/// Sizes of the network and others; channels below, at and beside the width of vectors.
const SIZES: [[usize; 4]; 6] =
    [[1, 8, 98, 98], [2, 16, 49, 49], [3, 3, 7, 7], [2, 11, 13, 6], [1, 1, 4, 5], [1, 9, 25, 25]];

#[test]
fn relevance_is_routed_to_the_first_winner() {
    for (seed, size) in SIZES.into_iter().enumerate() {
        let area = size[2] * size[3];
        for (rectify, (kernel, stride, padding)) in [false, true].into_iter().flat_map(|r| WINDOWS.map(|w| (r, w))) {
            let window = Window::new(ImageShape::new(size[1], size[2], size[3]), kernel, stride, padding);
            let image = coarse(seed as u64, size);
            let rectified: Vec<f32> = image.iter().map(|&v| if rectify { v.max(0.0) } else { v }).collect();
            let windows: Vec<_> =
                rectified.chunks_exact(area).map(|plane| naive(plane, size[2], size[3], &window)).collect();
            let [rows, columns] = window.outputs([size[2] as i64, size[3] as i64]).map(|side| side as usize);
            let pooled_size = [size[0], size[1], rows, columns];
            let relevance = coarse(100, pooled_size);
            let divisors = coarse(200, size);
            let mut routed = vec![0.0; image.len()];
            let mut quotients = [vec![0.0; image.len()], vec![0.0; image.len()]];
            let winners =
                windows.iter().enumerate().flat_map(|(plane, windows)| windows.iter().map(move |w| (plane, w)));
            for ((plane, (_, place)), &value) in winners.zip(&relevance) {
                let at = plane * area + place;
                routed[at] += value;
                let divisor = divisors[at];
                quotients[0][at] += value / if divisor == 0.0 { 1e-7 } else { divisor };
                quotients[1][at] += value / if divisor < 0.0 { divisor - 0.25 } else { divisor + 0.25 };
            }
            let maxima: Vec<f32> = windows.iter().flatten().map(|(value, _)| *value).collect();

            let x = tensor(&image, size);
            let relevance = tensor(&relevance, pooled_size);
            let shape = size.map(|side| side as i64);
            for (pooled, winners) in [max_pool(&x, &window, rectify), max_pool_by_libtorch(&x, shape, &window, rectify)]
            {
                assert_eq!(values(&pooled), maxima, "{size:?}");
                assert_eq!(values(&winners.route(&relevance)), routed, "{size:?}");
                for (denominator, expected) in [Denominator::Safe, Denominator::Epsilon(0.25)].iter().zip(&quotients) {
                    let ours = winners.route_quotient(&relevance, &tensor(&divisors, size), *denominator);
                    for (ours, expected) in values(&ours).iter().zip(expected) {
                        assert!((ours - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{ours} for {expected}");
                    }
                }
            }
        }
    }
}

#[test]
fn one_image_may_give_the_divisors_of_all() {
    let size = [3, 5, 7, 7];
    let (x, divisors) = (tensor(&coarse(1, size), size), tensor(&coarse(2, [1, 5, 7, 7]), [1, 5, 7, 7]));
    let window = Window::new(ImageShape::new(5, 7, 7), [3, 3], [2, 2], Padding::Same);
    let (pooled, winners) = max_pool(&x, &window, true);
    let relevance = pooled.randn_like().to_kind(Kind::Float);
    let repeated = divisors.repeat([3, 1, 1, 1]);
    for denominator in [Denominator::Safe, Denominator::Epsilon(0.3), Denominator::One] {
        let ours = winners.route_quotient(&relevance, &divisors, denominator);
        assert_eq!(values(&ours), values(&winners.route_quotient(&relevance, &repeated, denominator)));
    }
}
