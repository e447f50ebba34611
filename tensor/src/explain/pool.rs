//! Max-pooling that remembers its winners, and relevance that is routed to them.
//!
//! A window's winner is the first in row-major order among equals. On a CPU pooling and routing are done here: libtorch
//! takes a multiple of the time, with its 64-bit places and a pass over all pixels for each of rectifying, comparing,
//! dividing and clearing.

use tch::{Device, Kind, Tensor};
use xdlreg_core::explain::Denominator;

use super::memory::{channels_last, empty_channels_last, pixels, pixels_mut};
use super::stabilise::{safe, shifted, stabilised};
use crate::net::layer::{Window, unpadded};

/// Channels that are compared at once.
const LANES: usize = 8;

/// Where the outputs of a max-pool come from.
#[derive(Debug)]
pub(super) struct Winners {
    /// Shape `[n, channels, rows, columns]` of what was pooled.
    shape: [i64; 4],
    places: Places,
}

/// How libtorch pools an image that is padded as far as it does not do that itself.
#[derive(Debug)]
struct Padded {
    window: Window,
    /// Shape of the image.
    shape: Vec<i64>,
    padding: [i64; 2],
    ceil: bool,
}

#[derive(Debug)]
enum Places {
    /// For every output, in order of image, row, column and channel: its winner's place within its image, in the same
    /// order.
    Cpu(Vec<u32>),
    /// Libtorch's: the place within the padded plane.
    Device(Tensor, Padded),
}

/// Max-pooling of x `[n, channels, rows, columns]` (channels innermost in memory), or of max(x, 0) to `rectify`.
pub(super) fn max_pool(x: &Tensor, window: &Window, rectify: bool) -> (Tensor, Winners) {
    let shape = <[i64; 4]>::try_from(x.size()).expect("four dimensions");
    if (x.device(), x.kind()) == (Device::Cpu, Kind::Float) {
        let (pooled, places) = max_pool_on_cpu(x, shape, window, if rectify { 0.0 } else { f32::NEG_INFINITY });
        return (pooled, Winners { shape, places: Places::Cpu(places) });
    }
    max_pool_by_libtorch(x, shape, window, rectify)
}

/// The same by libtorch, on any device and of any kind of numbers.
pub(super) fn max_pool_by_libtorch(x: &Tensor, shape: [i64; 4], window: &Window, rectify: bool) -> (Tensor, Winners) {
    let rectified = if rectify { x.relu() } else { x.shallow_clone() };
    let (padded, padding, ceil) = unpadded(&rectified, window);
    let (pooled, places) = padded.max_pool2d_with_indices(window.kernel, window.stride, padding, [1, 1], ceil);
    let padded = Padded { window: *window, shape: padded.size(), padding, ceil };
    (pooled, Winners { shape, places: Places::Device(places, padded) })
}

impl Winners {
    /// Adds up at every pixel the `values` of all windows that it won.
    pub fn route(&self, values: &Tensor) -> Tensor {
        match &self.places {
            Places::Cpu(places) => self.route_on_cpu(places, values, |value, _| value),
            Places::Device(places, Padded { window, shape, padding, ceil }) => {
                let (kernel, stride) = (window.kernel, window.stride);
                let padded = values.new_empty(shape.as_slice(), (values.kind(), values.device()));
                let routed =
                    padded.max_pool2d_with_indices_backward(values, kernel, stride, *padding, [1, 1], *ceil, places);
                if *shape == self.shape {
                    return routed;
                }
                let [rows, columns] = window.padding;
                routed.narrow(2, rows[0], self.shape[2]).narrow(3, columns[0], self.shape[3])
            }
        }
    }

    /// As [`Self::route`], over `divisors` `[n or 1, channels, rows, columns]`.
    pub fn route_quotient(&self, values: &Tensor, divisors: &Tensor, denominator: Denominator) -> Tensor {
        let Places::Cpu(places) = &self.places else {
            return self.route(values) / stabilised(divisors, denominator);
        };
        let image = if divisors.size()[0] == self.shape[0] { self.image() } else { 0 };
        let divisors = channels_last(divisors);
        let divisors = pixels(&divisors);
        let at = |(number, place): (usize, usize)| divisors[number * image + place];
        match denominator {
            Denominator::One => self.route(values),
            Denominator::Safe | Denominator::Epsilon(0.0) => {
                self.route_on_cpu(places, values, |value, place| value / safe(at(place)))
            }
            Denominator::Epsilon(epsilon) => {
                self.route_on_cpu(places, values, |value, place| value / shifted(at(place), epsilon as f32))
            }
        }
    }

    /// Adds `share(value, (image, place))` at the place of every winner.
    fn route_on_cpu(&self, places: &[u32], values: &Tensor, share: impl Fn(f32, (usize, usize)) -> f32) -> Tensor {
        let mut routed = empty_channels_last(self.shape).zero_();
        let values = channels_last(values);
        let outputs = places.len() / self.shape[0] as usize;
        let images = pixels_mut(&mut routed).chunks_exact_mut(self.image());
        let winners = places.chunks_exact(outputs).zip(pixels(&values).chunks_exact(outputs));
        for (number, (image, (places, values))) in images.zip(winners).enumerate() {
            for (&place, &value) in places.iter().zip(values) {
                let place = place as usize;
                image[place] += share(value, (number, place));
            }
        }
        routed
    }

    /// Values in one image.
    fn image(&self) -> usize {
        self.shape[1..].iter().product::<i64>() as usize
    }
}

/// Pools max(x, floor).
fn max_pool_on_cpu(x: &Tensor, shape: [i64; 4], window: &Window, floor: f32) -> (Tensor, Vec<u32>) {
    let [count, channels, rows, columns] = shape;
    let [out_rows, out_columns] = window.outputs([rows, columns]);
    let mut pooled = empty_channels_last([count, channels, out_rows, out_columns]);
    let mut places = vec![0; pooled.numel()];
    let image = [rows, columns, channels].map(|side| side as usize);
    let outputs = places.len() / count as usize;
    let x = channels_last(x);
    let images = pixels(&x).chunks_exact(image.iter().product());
    let targets = pixels_mut(&mut pooled).chunks_exact_mut(outputs).zip(places.chunks_exact_mut(outputs));
    let grid = Grid { image, window: *window, columns: out_columns as usize };
    for (image, (pooled, places)) in images.zip(targets) {
        max_pool_image(image, &grid, floor, pooled, places);
    }
    (pooled, places)
}

/// Pools one image, with wide vectors where the processor has them.
fn max_pool_image(image: &[f32], grid: &Grid, floor: f32, pooled: &mut [f32], places: &mut [u32]) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn wide(image: &[f32], grid: &Grid, floor: f32, pooled: &mut [f32], places: &mut [u32]) {
            max_pool_cells(image, grid, floor, pooled, places);
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has the instructions.
            return unsafe { wide(image, grid, floor, pooled, places) };
        }
    }
    max_pool_cells(image, grid, floor, pooled, places);
}

#[inline(always)]
fn max_pool_cells(image: &[f32], grid: &Grid, floor: f32, pooled: &mut [f32], places: &mut [u32]) {
    let channels = grid.image[2];
    let cells = pooled.chunks_exact_mut(channels).zip(places.chunks_exact_mut(channels));
    let mut seen = Seen::default();
    for (cell, (pooled, places)) in cells.enumerate() {
        grid.look(cell, &mut seen);
        let mut channel = 0;
        while channel + LANES <= channels {
            seen.compare::<LANES>(image, channel, floor, &mut pooled[channel..], &mut places[channel..]);
            channel += LANES;
        }
        for channel in channel..channels {
            seen.compare::<1>(image, channel, floor, &mut pooled[channel..], &mut places[channel..]);
        }
    }
}

/// Where windows lie on an image.
struct Grid {
    /// Rows, columns and channels.
    image: [usize; 3],
    window: Window,
    /// Windows beside each other.
    columns: usize,
}

impl Grid {
    /// Finds the pixels that a window sees.
    #[inline(always)]
    fn look(&self, cell: usize, seen: &mut Seen) {
        let [rows, columns, channels] = self.image;
        let within = |axis: usize, cell: usize, side: usize| {
            let first = cell as i64 * self.window.stride[axis] - self.window.padding[axis][0];
            first.max(0) as usize..((first + self.window.kernel[axis]) as usize).min(side)
        };
        seen.places.clear();
        for row in within(0, cell / self.columns, rows) {
            let of_row = within(1, cell % self.columns, columns).map(|column| (row * columns + column) * channels);
            seen.places.extend(of_row);
        }
    }
}

/// The places of a window's pixels (of their first channel) in row-major order.
#[derive(Default)]
struct Seen {
    places: Vec<usize>,
}

impl Seen {
    /// Finds the winners of `N` channels from `channel` on.
    #[inline(always)]
    fn compare<const N: usize>(
        &self,
        image: &[f32],
        channel: usize,
        floor: f32,
        pooled: &mut [f32],
        places: &mut [u32],
    ) {
        let (mut best, mut winner) = ([f32::NEG_INFINITY; N], [0; N]);
        for (order, place) in self.places.iter().enumerate() {
            let place = place + channel;
            let values: &[f32; N] = image[place..place + N].try_into().expect("N values");
            for lane in 0..N {
                let value = if values[lane] > floor { values[lane] } else { floor };
                let wins = order == 0 || value > best[lane];
                best[lane] = if wins { value } else { best[lane] };
                winner[lane] = if wins { (place + lane) as u32 } else { winner[lane] };
            }
        }
        pooled[..N].copy_from_slice(&best);
        places[..N].copy_from_slice(&winner);
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
