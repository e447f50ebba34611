//! Networks that differ by their seeds alone, and explain the same images: what they say together.

use super::About;
use crate::raster::Raster;
use crate::task::Task;

/// Mean and standard deviation of maps, pixel by pixel, of which one at a time need be there (Welford, Technometrics 4
/// (1962) 419, doi 10.1080/00401706.1962.10490022).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Moments {
    count: usize,
    mean: Vec<f64>,
    /// Sums of squared distances from the mean.
    squares: Vec<f64>,
}

impl Moments {
    pub fn of<'a>(maps: impl IntoIterator<Item = Raster<'a>>) -> Self {
        let mut moments = Self::default();
        maps.into_iter().for_each(|map| moments.add(map));
        moments
    }

    /// Takes a map in.
    ///
    /// # Panics
    /// Panics when it has another number of pixels than those before.
    pub fn add(&mut self, map: Raster) {
        if self.count == 0 {
            self.mean = vec![0.0; map.pixels.len()];
            self.squares = self.mean.clone();
        }
        assert_eq!(self.mean.len(), map.pixels.len(), "maps of one size");
        self.count += 1;
        for ((mean, squares), &pixel) in self.mean.iter_mut().zip(&mut self.squares).zip(map.pixels) {
            let distance = f64::from(pixel) - *mean;
            *mean += distance / self.count as f64;
            *squares += distance * (f64::from(pixel) - *mean);
        }
    }

    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Standard deviation with n - 1; NaN for a single map.
    pub fn deviation(&self) -> Vec<f64> {
        let degrees = self.count as f64 - 1.0;
        let of_pixel = |&squares: &f64| if degrees > 0.0 { (squares / degrees).sqrt() } else { f64::NAN };
        self.squares.iter().map(of_pixel).collect()
    }
}

/// An image as the members of an ensemble see it.
pub struct EnsembleSample<'a> {
    /// The map of each member.
    pub maps: &'a [Raster<'a>],
    /// What each member predicts: years, or the probability of "old".
    pub predictions: &'a [f64],
    /// Of the maps.
    pub moments: &'a Moments,
}

/// A score of how far members agree about an image; the ensemble's is the mean over images.
pub struct EnsembleMetric {
    pub about: About,
    /// The only task for which it makes sense, if it is one.
    pub task: Option<Task>,
    /// Whether it is about maps; otherwise it is about predictions alone.
    pub of_maps: bool,
    /// NaN where it is not defined.
    pub compute: fn(&EnsembleSample) -> f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::statistics::{mean, spearman};
    use crate::metric::{ENSEMBLE_METRICS, Trivial};
    use crate::raster::RasterStack;
    use crate::seed::stream;
    use crate::sim::SIDE;
    use rand::RngExt;

    fn score(name: &str, maps: &[Raster], predictions: &[f64]) -> f64 {
        let metric = ENSEMBLE_METRICS.iter().find(|metric| metric.about.name == name).unwrap();
        let moments = Moments::of(maps.iter().copied());
        (metric.compute)(&EnsembleSample { maps, predictions, moments: &moments })
    }

    fn raster(pixels: &[f32]) -> Raster<'_> {
        Raster::new(1, pixels.len(), pixels)
    }

    #[test]
    fn moments_are_those_of_each_pixel() {
        let maps = [[1.0_f32, 5.0], [2.0, 5.0], [6.0, 5.0]];
        let moments = Moments::of(maps.iter().map(|map| raster(map)));
        assert!((moments.mean()[0] - 3.0).abs() < 1e-12 && moments.mean()[1] == 5.0);
        assert!((moments.deviation()[0] - 7_f64.sqrt()).abs() < 1e-12 && moments.deviation()[1] == 0.0);
        assert!(Moments::of([raster(&maps[0])]).deviation()[0].is_nan());
    }

    /// Far from zero two passes are exact where the sum of squares is not; one pass of this kind is as good.
    #[test]
    fn moments_do_not_drown_far_from_zero() {
        let rng = &mut stream(3, "moments", 0);
        let maps: Vec<Vec<f32>> =
            (0..9).map(|_| (0..50).map(|_| 1000.0 + rng.random_range(-1e-2..1e-2)).collect()).collect();
        let moments = Moments::of(maps.iter().map(|map| raster(map)));
        for (pixel, deviation) in moments.deviation().into_iter().enumerate() {
            let values = || maps.iter().map(|map| f64::from(map[pixel]));
            let mean = mean(values());
            let expected = (values().map(|value| (value - mean).powi(2)).sum::<f64>() / 8.0).sqrt();
            assert!((deviation - expected).abs() < 1e-9 * expected, "{deviation} for {expected}");
        }
    }

    #[test]
    fn correlation_is_the_mean_over_pairs_where_there_is_relevance() {
        let rng = &mut stream(4, "maps", 0);
        // The first pixels are empty in all maps, and ties are many.
        let mut map = |from: i32| -> Vec<f32> {
            (0..80).map(|pixel| if pixel < 30 { 0.0 } else { rng.random_range(from..5) as f32 }).collect()
        };
        let maps = [map(-5), map(-2), map(0), map(1)];
        let wide = |map: &[f32]| map[30..].iter().map(|&r| f64::from(r)).collect::<Vec<_>>();
        let pairs = (0..4).flat_map(|a| (a + 1..4).map(move |b| (a, b))).collect::<Vec<_>>();
        let expected = mean(pairs.iter().map(|&(a, b)| spearman(&wide(&maps[a]), &wide(&maps[b]))));
        let rasters: Vec<Raster> = maps.iter().map(|map| raster(map)).collect();
        let found = score("ensemble_spearman", &rasters, &[]);
        assert!((found - expected).abs() < 1e-12, "{found} for {expected}");
        assert!(score("ensemble_spearman", &[rasters[0], raster(&[0.0; 80])], &[]).is_nan());
    }

    #[test]
    fn equal_maps_agree_and_noise_does_not() {
        let image = RasterStack::zeros(1, SIDE, SIDE);
        let noise = [0, 1, 2].map(|sample| Trivial::Noise.map(image.get(0), 5, sample));
        let maps = [noise[0].get(0), noise[1].get(0), noise[2].get(0)];
        assert!(score("ensemble_spearman", &maps, &[]).abs() < 0.03);
        // Uniform from 0 to 1: a standard deviation of 0.289 (less the bias of three) over a mean of 0.5.
        assert!((score("ensemble_relative_sd", &maps, &[]) - 0.51).abs() < 0.03);
        let same = [maps[0]; 3];
        assert!((score("ensemble_spearman", &same, &[]) - 1.0).abs() < 1e-12);
        assert_eq!(score("ensemble_relative_sd", &same, &[]), 0.0);
    }

    #[test]
    fn spread_is_relative_to_the_size_of_maps() {
        let (one, other) = ([3.0_f32, -1.0], [1.0_f32, -1.0]);
        // A deviation of sqrt 2 in one pixel, of 0 in the other; |R| of 2 and 1 on average.
        let found = score("ensemble_relative_sd", &[raster(&one), raster(&other)], &[]);
        assert!((found - 2_f64.sqrt() / 3.0).abs() < 1e-12, "{found}");
        assert_eq!(score("ensemble_prediction_sd", &[], &[50.0, 52.0, 54.0]), 2.0);
        assert!(score("ensemble_relative_sd", &[raster(&[0.0; 2]), raster(&[0.0; 2])], &[]).is_nan());
    }
}
