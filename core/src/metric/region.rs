//! Relevance by region: of the masks and of the atlas that users bring.

use serde::{Deserialize, Serialize};

use crate::data::{Dataset, Region};
use crate::raster::Raster;

/// Where a region comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A mask says that it matters.
    Mask,
    /// An atlas says where it is.
    Atlas,
}

impl Origin {
    /// As tables write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mask => "mask",
            Self::Atlas => "atlas",
        }
    }
}

/// The relevance of one image in one region, summed over channels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegionRelevance {
    /// Index of the sample in the data set.
    pub sample: usize,
    pub origin: Origin,
    pub region: String,
    pub pixels: usize,
    /// Of signed, of positive and of absolute relevance, in its unit.
    pub sum: f64,
    pub positive: f64,
    pub absolute: f64,
    /// The share that these sums have of those over the whole image; none where the latter are 0.
    pub share: Option<f64>,
    pub positive_share: Option<f64>,
    pub absolute_share: Option<f64>,
}

impl RegionRelevance {
    /// Mean over the region's pixels.
    pub fn mean(&self) -> f64 {
        self.sum / self.pixels as f64
    }
}

/// Sums of signed, positive and absolute relevance.
#[derive(Debug, Clone, Copy, Default)]
struct Sums([f64; 3]);

impl Sums {
    fn add(&mut self, relevance: f64) {
        self.0[0] += relevance;
        self.0[1] += relevance.max(0.0);
        self.0[2] += relevance.abs();
    }
}

/// The relevance of a sample's map in all of its regions, those of masks first. A region of the atlas without a pixel in this
/// image is not among them.
pub fn by_region(data: &Dataset, sample: usize, map: Raster<'_>) -> Vec<RegionRelevance> {
    let area = map.height * map.width;
    let at = |pixel: usize| map.pixels[pixel..].iter().step_by(area).map(|&value| f64::from(value)).sum::<f64>();
    let relevance: Vec<f64> = (0..area).map(at).collect();
    let mut whole = Sums::default();
    relevance.iter().for_each(|&relevance| whole.add(relevance));
    let row = |origin: Origin, region: &str, pixels: usize, Sums(sums): Sums| {
        let share = |index: usize| (whole.0[index] != 0.0).then(|| sums[index] / whole.0[index]);
        RegionRelevance {
            sample,
            origin,
            region: region.to_owned(),
            pixels,
            sum: sums[0],
            positive: sums[1],
            absolute: sums[2],
            share: share(0),
            positive_share: share(1),
            absolute_share: share(2),
        }
    };
    let masks: Vec<Region> = data.truth.as_deref().map(|truth| truth.regions(sample)).unwrap_or_default();
    let of_mask = |region: &Region| {
        let mut sums = Sums::default();
        region.pixels.iter().for_each(|&pixel| sums.add(relevance[pixel]));
        row(Origin::Mask, &region.name, region.pixels.len(), sums)
    };
    let mut rows: Vec<RegionRelevance> = masks.iter().map(of_mask).collect();
    let Some(atlas) = &data.atlas else { return rows };
    // The labels of regions ascend.
    let mut of_atlas = vec![(0, Sums::default()); atlas.regions().len()];
    for (&label, &relevance) in atlas.of(sample).iter().zip(&relevance) {
        if let Ok(region) = atlas.regions().binary_search_by_key(&label, |region| region.label) {
            of_atlas[region].0 += 1;
            of_atlas[region].1.add(relevance);
        }
    }
    let there = atlas.regions().iter().zip(of_atlas).filter(|(_, (pixels, _))| *pixels > 0);
    rows.extend(there.map(|(region, (pixels, sums))| row(Origin::Atlas, &region.name, pixels, sums)));
    rows
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::data::{Atlas, Masks, Partition, Split, Target};
    use crate::raster::{ImageShape, RasterStack};

    #[test]
    fn relevance_is_summed_over_the_channels_of_each_region() {
        let shape = ImageShape::new(3, 1, 4);
        let mut masks = Masks::new(vec!["eye".into(), "nowhere".into()], 2, 4);
        [0, 3].into_iter().for_each(|pixel| masks.insert(1, 0, pixel));
        let data = Dataset {
            images: RasterStack::of(shape, vec![0.0; 24]),
            targets: vec![0.0; 2],
            target: Target::new("weight", "g"),
            partition: Partition::new(vec![Split::Test; 2]),
            names: vec![String::new(); 2],
            truth: Some(Arc::new(masks)),
            atlas: Some(Arc::new(Atlas::new(vec![0, 2, 2, 5, 5, 0, 2, 2], 4, &[(2, "rind".into())]))),
            grouping: None,
        };
        // The pixels hold 1 + 1 - 1 = 1, -5, 3 and 0.
        let map = [1.0, -2.0, 1.0, 0.0, 1.0, -2.0, 1.0, 0.5, -1.0, -1.0, 1.0, -0.5];
        let rows = by_region(&data, 1, Raster::of(shape, &map));
        let told = |row: &RegionRelevance| {
            (row.origin.name(), row.region.clone(), row.pixels, [row.sum, row.positive, row.absolute])
        };
        assert_eq!(
            rows.iter().map(told).collect::<Vec<_>>(),
            [
                ("mask", "eye".into(), 2, [1.0, 1.0, 1.0]),
                ("atlas", "rind".into(), 2, [3.0, 3.0, 3.0]),
                ("atlas", "label 5".into(), 1, [1.0, 1.0, 1.0]),
            ]
        );
        // The whole image has -1, 4 and 9.
        assert_eq!([rows[1].share, rows[1].positive_share, rows[1].absolute_share], [-3.0, 0.75, 1.0 / 3.0].map(Some));
        assert_eq!(rows[1].mean(), 1.5);
        let other: Vec<(String, usize, f64)> = by_region(&data, 0, Raster::of(shape, &map))
            .into_iter()
            .map(|row| (row.region, row.pixels, row.sum))
            .collect();
        assert_eq!(other, [("rind".into(), 2, -2.0), ("label 5".into(), 1, 0.0)]);
        let zero = by_region(&data, 0, Raster::of(shape, &[0.0; 12]));
        assert!(zero.iter().all(|row| row.share.is_none() && row.positive_share.is_none() && row.sum == 0.0));
    }
}
