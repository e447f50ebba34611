//! The signs of age whose pixels are known.

use crate::sim::{Mask, Pumpkin};

/// A kind of sign, and what counts as its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sign {
    /// The union of the lesions' 3 x 3 blocks, less later atrophies.
    Lesions,
    /// The atrophied pixels, and all within `radius` rows and columns of one: an atrophied pixel is 0 and so is its
    /// relevance under many rules, which can only point at the rim beside it.
    Atrophies { radius: usize },
    /// The tumour's rectangle.
    Tumour,
}

impl Sign {
    pub const ALL: [Self; 5] = [
        Self::Lesions,
        Self::Atrophies { radius: 0 },
        Self::Atrophies { radius: 1 },
        Self::Atrophies { radius: 2 },
        Self::Tumour,
    ];

    /// Name as written in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lesions => "lesions",
            Self::Atrophies { radius: 0 } => "atrophies",
            Self::Atrophies { radius: 1 } => "atrophies_r1",
            Self::Atrophies { .. } => "atrophies_r2",
            Self::Tumour => "tumour",
        }
    }

    /// Its pixels in a pumpkin; none where the pumpkin has no such sign.
    pub fn mask(self, pumpkin: &Pumpkin) -> Mask {
        match self {
            Self::Lesions => pumpkin.lesion_mask(),
            Self::Atrophies { radius } => pumpkin.atrophy_mask(radius),
            Self::Tumour => pumpkin.tumour_mask(),
        }
    }

    /// How many rows and columns beyond a sign's own pixels count.
    pub(super) fn dilation(self) -> usize {
        match self {
            Self::Atrophies { radius } => radius,
            Self::Lesions | Self::Tumour => 0,
        }
    }

    /// Whether all its pixels are 0 in the image, so that relevance which multiplies by the image is 0 there.
    pub fn is_zero_in_images(self) -> bool {
        self == Self::Atrophies { radius: 0 }
    }
}
