//! What layers compute, against naive twins.

use tch::{Device, Kind};
use xdlreg_core::net::BATCH_NORM_EPSILON;

use super::*;

/// Windows and paddings of all kinds: odd and even kernels, more behind than in front, more columns than rows.
const WINDOWS: [([usize; 2], [usize; 2], Padding); 7] = [
    ([3, 3], [2, 2], Padding::Same),
    ([2, 2], [2, 2], Padding::Same),
    ([3, 2], [1, 3], Padding::Same),
    ([4, 3], [3, 2], Padding::Same),
    ([2, 3], [2, 1], Padding::Valid),
    ([3, 3], [2, 2], Padding::Pixels([1, 1])),
    ([3, 4], [2, 1], Padding::Pixels([2, 1])),
];
const SIZES: [(usize, usize); 5] = [(98, 98), (49, 49), (7, 7), (6, 9), (13, 4)];

/// The values of an image under every position of a window, row by row; none for padding. SAME as Keras defines it:
/// `total = max((ceil(side / stride) - 1) * stride + kernel - side, 0)` pixels, half of them, rounded down, in front.
fn windows(
    image: &[f32],
    [height, width]: [usize; 2],
    (kernel, stride, padding): ([usize; 2], [usize; 2], Padding),
) -> Vec<Vec<Option<f32>>> {
    let sides = [height, width];
    let total = |axis: usize| match padding {
        Padding::Same => {
            ((sides[axis].div_ceil(stride[axis]) - 1) * stride[axis] + kernel[axis]).saturating_sub(sides[axis])
        }
        Padding::Valid => 0,
        Padding::Pixels(pixels) => 2 * pixels[axis],
    };
    let count = |axis: usize| (sides[axis] + total(axis) - kernel[axis]) / stride[axis] + 1;
    let at = |i: usize, j: usize| -> Vec<Option<f32>> {
        let cells = (0..kernel[0]).flat_map(|y| (0..kernel[1]).map(move |x| (y, x)));
        let value = |(y, x): (usize, usize)| {
            let (row, col) =
                ((i * stride[0] + y).wrapping_sub(total(0) / 2), (j * stride[1] + x).wrapping_sub(total(1) / 2));
            (row < height && col < width).then(|| image[row * width + col])
        };
        cells.map(value).collect()
    };
    (0..count(0)).flat_map(|i| (0..count(1)).map(move |j| (i, j))).map(|(i, j)| at(i, j)).collect()
}

#[test]
fn windows_are_where_keras_and_pytorch_put_them() {
    for (height, width) in SIZES {
        let image: Vec<f32> = (0..height * width).map(|i| ((i * 7919) % 1009) as f32 - 500.0).collect();
        let input = Tensor::from_slice(&image).reshape([1, 1, height as i64, width as i64]);
        let values = |tensor: Tensor| Vec::<f32>::try_from(tensor.contiguous().view(-1)).expect("f32 values");
        for (kernel, stride, padding) in WINDOWS {
            let expected = windows(&image, [height, width], (kernel, stride, padding));
            let window = Window::new(ImageShape::plane(height, width), kernel, stride, padding);
            let case = format!("{kernel:?} by {stride:?}, {padding:?}, over {height} x {width}");
            let most = |cells: &Vec<Option<f32>>| cells.iter().flatten().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(values(max_pool(&input, &window)), expected.iter().map(most).collect::<Vec<_>>(), "{case}");

            // Means of what is there under SAME, as in Keras; else of all, with zeros around the image, as in PyTorch.
            let mean = |cells: &Vec<Option<f32>>| {
                let there = cells.iter().flatten().count();
                let count = if padding == Padding::Same { there } else { cells.len() };
                cells.iter().flatten().sum::<f32>() / count as f32
            };
            let means = Means::moving(ImageShape::plane(height, width), &window, padding);
            let means = values(means.apply(&input.to_kind(Kind::Double)).to_kind(Kind::Float));
            assert_eq!(means.len(), expected.len(), "{case}");
            for (found, expected) in means.iter().zip(expected.iter().map(mean)) {
                assert!((found - expected).abs() < 1e-3, "{case}: {found} for {expected}");
            }

            let weights: Vec<f32> = (0..kernel[0] * kernel[1]).map(|k| k as f32 - 1.5).collect();
            let weight = Tensor::from_slice(&weights).view([1, 1, window.kernel[0], window.kernel[1]]);
            let sum = |cells: &Vec<Option<f32>>| {
                2.0 + cells.iter().zip(&weights).map(|(cell, weight)| cell.unwrap_or(0.0) * weight).sum::<f32>()
            };
            let layer = Layer::Conv { weight, bias: Some(Tensor::from_slice(&[2.0f32])), window };
            let found = layer.forward(&input);
            assert_eq!(found.size()[2..], window.outputs([height as i64, width as i64]), "{case}");
            for (found, expected) in values(found).iter().zip(expected.iter().map(sum)) {
                assert!((found - expected).abs() < 1e-3 * (1.0 + expected.abs()), "{case}: {found} for {expected}");
            }
        }
    }
}

#[test]
fn batch_norm_uses_running_statistics_and_its_epsilon() {
    let one = |value: f32| Tensor::from_slice(&[value]);
    let (weight, bias, running_mean, running_var) = (one(2.0), one(0.5), one(3.0), one(4.0));
    let layer = Layer::BatchNorm { weight, bias, running_mean, running_var, epsilon: BATCH_NORM_EPSILON };
    let out = layer.forward(&Tensor::full([1, 1, 2, 2], 5.0, (Kind::Float, Device::Cpu)));
    let expected = 2.0 * 2.0 / (4.0f64 + 1e-3).sqrt() + 0.5;
    assert!((out.double_value(&[0, 0, 1, 1]) - expected).abs() < 1e-6);
}

/// Libtorch has the two poolings of its own.
#[test]
fn adaptive_and_global_means_are_those_of_libtorch() {
    tch::manual_seed(5);
    for (height, width) in [(7, 9), (2, 2), (13, 4)] {
        let image = ImageShape::new(3, height, width);
        let x = Tensor::randn([2, 3, height as i64, width as i64], (Kind::Double, Device::Cpu));
        for output in [[7, 7], [1, 1], [3, 2], [2, 5]] {
            let found = Means::adaptive(image, output).apply(&x);
            let expected = x.adaptive_avg_pool2d(output.map(|side| side as i64));
            assert!((found - expected).abs().max().double_value(&[]) < 1e-12, "{output:?} of {height} x {width}");
        }
        let expected = x.adaptive_avg_pool2d([1, 1]).flatten(1, -1);
        let found = Layer::GlobalAvgPool.forward(&x);
        assert_eq!(found.size(), [2, 3]);
        assert!((found - expected).abs().max().double_value(&[]) < 1e-12);
    }
}

/// <A x, s> = <x, A^T s>: what pixels give to means is what relevance of means gives to pixels.
#[test]
fn means_are_transposed_exactly() {
    tch::manual_seed(6);
    let image = ImageShape::new(2, 11, 6);
    let window = Window::new(image, [3, 2], [2, 2], Padding::Pixels([1, 0]));
    for means in [Means::moving(image, &window, Padding::Pixels([1, 0])), Means::adaptive(image, [4, 4])] {
        let x = Tensor::randn([1, 2, 11, 6], (Kind::Double, Device::Cpu));
        let z = means.apply(&x);
        let s = z.randn_like();
        let difference = (z * &s).sum(Kind::Double) - (x * means.transpose(&s)).sum(Kind::Double);
        assert!(difference.abs().double_value(&[]) < 1e-12);
    }
}

#[test]
fn activations_are_what_their_names_say() {
    let x = [-3.0f64, -0.5, 0.0, 0.25, 4.0];
    let of = |layer: Layer| Vec::<f64>::try_from(layer.forward(&Tensor::from_slice(&x))).expect("f64 values");
    let near = |found: Vec<f64>, expected: [f64; 5]| found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12);
    assert!(near(of(Layer::LeakyRelu { slope: 0.2 }), x.map(|x| if x > 0.0 { x } else { 0.2 * x })));
    assert!(near(of(Layer::Elu { alpha: 0.5 }), x.map(|x| if x > 0.0 { x } else { 0.5 * (x.exp() - 1.0) })));
}
