//! What is known of pumpkins: the pixels of every sign of age, and each image without one.

use super::mask::Mask;
use super::pumpkin::{Pumpkin, Without};
use super::signs::{Pixel, Tumour};
use crate::data::{Interventions, Kind, LeftOut, Mark, Region, Truth, Variant};

/// The signs that can be left out. An atrophied pixel is 0 and so is its relevance under many rules, which can only point
/// at the rim beside it; therefore all pixels within one or two rows and columns count as variants.
const KINDS: &[Kind] = &[
    Kind { name: "lesions", single: false, variants: &[Variant { region: "lesions", dilation: 0 }] },
    Kind {
        name: "atrophies",
        single: false,
        variants: &[
            Variant { region: "atrophies", dilation: 0 },
            Variant { region: "atrophies_r1", dilation: 1 },
            Variant { region: "atrophies_r2", dilation: 2 },
        ],
    },
    Kind { name: "tumour", single: true, variants: &[Variant { region: "tumour", dilation: 0 }] },
];
/// Their places among [`KINDS`].
const LESIONS: usize = 0;
const ATROPHIES: usize = 1;

/// The records of a data set's pumpkins.
#[derive(Debug, Clone, PartialEq)]
pub struct PumpkinTruth(pub Vec<Pumpkin>);

impl Truth for PumpkinTruth {
    fn regions(&self, sample: usize) -> Vec<Region> {
        let variants = KINDS.iter().enumerate().flat_map(|(kind, of)| of.variants.iter().map(move |it| (kind, it)));
        let masks = variants.map(|(kind, variant)| (variant.region, mask(&self.0[sample], kind, variant.dilation)));
        let there = masks.filter(|(_, mask)| !mask.is_empty());
        there.map(|(name, mask)| Region { name: name.into(), pixels: places(&mask) }).collect()
    }

    fn foreground(&self, sample: usize) -> Option<Vec<bool>> {
        Some(self.0[sample].body().to_bools())
    }

    fn marks(&self, sample: usize) -> Vec<Mark> {
        let Pumpkin { lesions, atrophies, tumour, .. } = &self.0[sample];
        let squares = atrophies.iter().map(|at| Mark::Square { row: at.row.into(), col: at.col.into() });
        let outline = tumour.iter().map(|&Tumour { row0, row1, col0, col1, .. }| Mark::Outline {
            rows: [row0, row1].map(usize::from),
            cols: [col0, col1].map(usize::from),
        });
        let arrows = lesions.iter().map(|at| Mark::Arrow { row: at.row.into(), col: at.col.into() });
        squares.chain(outline).chain(arrows).collect()
    }

    fn interventions(&self) -> Option<&dyn Interventions> {
        Some(self)
    }
}

impl Interventions for PumpkinTruth {
    fn kinds(&self) -> &'static [Kind] {
        KINDS
    }

    fn count(&self, kind: usize, sample: usize) -> usize {
        let pumpkin = &self.0[sample];
        match kind {
            LESIONS => pumpkin.lesions.len(),
            ATROPHIES => pumpkin.atrophies.len(),
            _ => usize::from(pumpkin.tumour.is_some()),
        }
    }

    fn middle(&self, kind: usize, sample: usize, sign: usize) -> [usize; 2] {
        let pumpkin = &self.0[sample];
        let middle = match kind {
            LESIONS => [pumpkin.lesions[sign].row, pumpkin.lesions[sign].col],
            ATROPHIES => [pumpkin.atrophies[sign].row, pumpkin.atrophies[sign].col],
            _ => pumpkin.tumour.map_or([0, 0], |Tumour { row0, row1, col0, col1, .. }| {
                [row0 + (row1 - row0) / 2, col0 + (col1 - col0) / 2]
            }),
        };
        middle.map(usize::from)
    }

    fn pixels(&self, kind: usize, sample: usize, sign: usize, dilation: usize) -> Vec<usize> {
        let pumpkin = &self.0[sample];
        let own = match kind {
            LESIONS => pumpkin.lesions[sign].mask().difference(&pumpkin.atrophy_mask(0)),
            ATROPHIES => [pumpkin.atrophies[sign]].into_iter().collect(),
            _ => pumpkin.tumour_mask(),
        };
        places(&own.dilate(dilation))
    }

    fn paint(&self, sample: usize, left_out: LeftOut, image: &mut [f32]) {
        let without = match left_out {
            LeftOut::Nothing => Without::Nothing,
            LeftOut::One { kind: LESIONS, sign } => Without::Lesion(sign),
            LeftOut::One { kind: ATROPHIES, sign } => Without::Atrophy(sign),
            LeftOut::All { kind: LESIONS } => Without::Lesions,
            LeftOut::All { kind: ATROPHIES } => Without::Atrophies,
            LeftOut::One { .. } | LeftOut::All { .. } => Without::Tumour,
        };
        self.0[sample].paint(without, image);
    }
}

/// The pixels of all signs of a kind, and of what is within `dilation` rows and columns.
fn mask(pumpkin: &Pumpkin, kind: usize, dilation: usize) -> Mask {
    match kind {
        LESIONS => pumpkin.lesion_mask(),
        ATROPHIES => pumpkin.atrophy_mask(dilation),
        _ => pumpkin.tumour_mask(),
    }
}

fn places(mask: &Mask) -> Vec<usize> {
    mask.pixels().map(Pixel::index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{GrowthMode, SIDE};

    #[test]
    fn regions_are_the_masks_of_the_signs() {
        let ages = [30, 72];
        let human = PumpkinTruth(ages.map(|age| Pumpkin::draw(age, GrowthMode::Human, 3)).to_vec());
        let names = |truth: &PumpkinTruth, sample| -> Vec<String> {
            truth.regions(sample).into_iter().map(|region| region.name.into_owned()).collect()
        };
        assert_eq!(names(&human, 0), ["atrophies", "atrophies_r1", "atrophies_r2"]);
        assert_eq!(names(&human, 1), ["lesions", "atrophies", "atrophies_r1", "atrophies_r2"]);
        let old = &human.0[1];
        for (region, mask) in human.regions(1).iter().zip([
            old.lesion_mask(),
            old.atrophy_mask(0),
            old.atrophy_mask(1),
            old.atrophy_mask(2),
        ]) {
            assert_eq!(region.pixels, places(&mask), "{}", region.name);
        }
        let marks = human.marks(1);
        assert_eq!(marks.len(), old.lesions.len() + old.atrophies.len());
        assert!(matches!(marks[0], Mark::Square { .. }) && matches!(marks[marks.len() - 1], Mark::Arrow { .. }));

        let still = PumpkinTruth(vec![Pumpkin::draw(60, GrowthMode::NoGrowth, 1)]);
        assert_eq!(names(&still, 0), ["tumour"]);
        assert!(matches!(still.marks(0)[..], [Mark::Outline { .. }]));
    }

    /// Whatever is left out is what the pumpkin itself is painted without.
    #[test]
    fn every_sign_is_left_out_alone_and_with_its_kind() {
        let truth =
            PumpkinTruth(vec![Pumpkin::draw(64, GrowthMode::Human, 5), Pumpkin::draw(64, GrowthMode::NoGrowth, 5)]);
        let painted = |sample, left_out| {
            let mut image = vec![9.0; SIDE * SIDE];
            truth.paint(sample, left_out, &mut image);
            image
        };
        let one = |kind, sign| LeftOut::One { kind, sign };
        for (sample, left_out, without) in [
            (0, LeftOut::Nothing, Without::Nothing),
            (0, one(0, 2), Without::Lesion(2)),
            (0, one(1, 3), Without::Atrophy(3)),
            (0, LeftOut::All { kind: 0 }, Without::Lesions),
            (0, LeftOut::All { kind: 1 }, Without::Atrophies),
            (1, one(2, 0), Without::Tumour),
            (1, LeftOut::All { kind: 2 }, Without::Tumour),
        ] {
            assert_eq!(painted(sample, left_out), truth.0[sample].redraw(without), "{left_out:?}");
        }
        assert_eq!([0, 1, 2].map(|kind| truth.count(kind, 1)), [0, 0, 1]);
        assert_eq!(truth.count(0, 0), truth.0[0].lesions.len());
    }
}
