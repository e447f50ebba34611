//! The same pumpkin without a sign: what signs of age are worth to a network.

use rand::seq::index;

use super::{Probe, Probed, Sign};
use crate::raster::Raster;
use crate::seed::stream;
use crate::sim::{Mask, Pumpkin, Without};

/// A kind of sign that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Lesions,
    Atrophies,
    Tumour,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Lesions, Self::Atrophies, Self::Tumour];

    /// What may count as the pixels of such signs.
    pub fn signs(self) -> impl Iterator<Item = Sign> {
        Sign::ALL.into_iter().filter(move |sign| match sign {
            Sign::Lesions => self == Self::Lesions,
            Sign::Atrophies { .. } => self == Self::Atrophies,
            Sign::Tumour => self == Self::Tumour,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Lesions => "lesions",
            Self::Atrophies => "atrophies",
            Self::Tumour => "tumour",
        }
    }

    fn count(self, pumpkin: &Pumpkin) -> usize {
        match self {
            Self::Lesions => pumpkin.lesions.len(),
            Self::Atrophies => pumpkin.atrophies.len(),
            Self::Tumour => usize::from(pumpkin.tumour.is_some()),
        }
    }

    fn without(self, index: usize) -> Without {
        match self {
            Self::Lesions => Without::Lesion(index),
            Self::Atrophies => Without::Atrophy(index),
            Self::Tumour => Without::Tumour,
        }
    }

    fn without_all(self) -> Without {
        match self {
            Self::Lesions => Without::Lesions,
            Self::Atrophies => Without::Atrophies,
            Self::Tumour => Without::Tumour,
        }
    }

    fn pixels(self, pumpkin: &Pumpkin, index: usize) -> Mask {
        match self {
            Self::Lesions => pumpkin.lesions[index].mask().difference(&pumpkin.atrophy_mask(0)),
            Self::Atrophies => [pumpkin.atrophies[index]].into_iter().collect(),
            Self::Tumour => pumpkin.tumour_mask(),
        }
    }
}

/// What signs of one kind are worth in one image.
#[derive(Debug)]
pub(super) struct Effects {
    /// Index among the images that are looked at.
    pub image: usize,
    /// f(x) - f(x without the sign), in years, of some signs.
    pub years: Vec<f64>,
    /// The pixels of each of them.
    pixels: Vec<Mask>,
    /// The same of all signs of the kind together.
    pub all: f64,
}

impl Effects {
    /// Leaves signs of a kind out of an image; nothing where it has none. Of many, some are chosen at random.
    pub fn of(kind: Kind, probed: &Probed, image: usize, probe: &dyn Probe) -> Option<Self> {
        let pumpkin = probed.pumpkins[image];
        let count = kind.count(pumpkin);
        if count == 0 {
            return None;
        }
        let mut rng = stream(probed.settings.seed, kind.name(), probed.samples[image] as u64);
        let mut chosen = index::sample(&mut rng, count, count.min(probed.settings.signs)).into_vec();
        chosen.sort_unstable();
        let each = chosen.iter().map(|&index| kind.without(index));
        let ways: Vec<Without> = [Without::Nothing, kind.without_all()].into_iter().chain(each).collect();
        let predictions = probe.predict(&probed.without(image, &ways));
        let (whole, rest) = predictions.split_first().expect("one prediction a way");
        let falls: Vec<f64> = rest.iter().map(|without| whole - without).collect();
        Some(Self {
            image,
            years: falls[1..].to_vec(),
            pixels: chosen.into_iter().map(|index| kind.pixels(pumpkin, index)).collect(),
            all: falls[0],
        })
    }

    /// What a map says over the pixels of each sign, where these count as `sign` says.
    pub fn relevance(&self, map: Raster, sign: Sign) -> Vec<f64> {
        self.pixels.iter().map(|pixels| sum(map, &pixels.dilate(sign.dilation()))).collect()
    }
}

/// Sum of a map over some pixels.
pub(super) fn sum(map: Raster, pixels: &Mask) -> f64 {
    pixels.pixels().map(|pixel| f64::from(map.pixels[pixel.index()])).sum()
}
