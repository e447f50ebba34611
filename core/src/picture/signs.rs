//! The true signs of age, and how they are marked in pictures.

use super::canvas::{Canvas, Ink};
use crate::sim::{Lesion, Pixel, Pumpkin, Tumour};

/// #D3F5D4, nearly opaque.
pub(super) const ATROPHY: Ink = [0xD3, 0xF5, 0xD4, 230];
/// #E3E7E3, nearly opaque.
pub(super) const LESION: Ink = [0xE3, 0xE7, 0xE3, 230];
pub(super) const SHADOW: Ink = [0, 0, 0, 120];
/// Right and down, in pixels.
pub(super) const SHADOW_OFFSET: f32 = 1.5;
/// Width of a tumour's outline in pixels.
pub(super) const OUTLINE: f32 = 2.0;
/// How much wider than a mark's edges the dark line below them is, in pixels.
pub(super) const HALO: f32 = 2.5;
/// An arrow's corners (x, y) in pixels before its tip, for an arrow that points to the right.
pub(super) const ARROW: [(f32, f32); 7] =
    [(0.0, 0.0), (-11.0, 6.5), (-10.0, 2.5), (-27.0, 2.5), (-27.0, -2.5), (-10.0, -2.5), (-11.0, -6.5)];

/// The true signs of age in an image.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Signs<'a> {
    /// Marked by arrows.
    pub lesions: &'a [Lesion],
    /// Marked by squares.
    pub atrophies: &'a [Pixel],
    /// Marked by an outline.
    pub tumour: Option<Tumour>,
}

impl<'a> From<&'a Pumpkin> for Signs<'a> {
    fn from(pumpkin: &'a Pumpkin) -> Self {
        Self { lesions: &pumpkin.lesions, atrophies: &pumpkin.atrophies, tumour: pumpkin.tumour }
    }
}

impl Signs<'_> {
    /// (row, column) of all that is marked, by their furthest pixels.
    pub(super) fn pixels(&self) -> impl Iterator<Item = (usize, usize)> {
        let lesions = self.lesions.iter().map(|lesion| (lesion.row, lesion.col));
        let atrophies = self.atrophies.iter().map(|pixel| (pixel.row, pixel.col));
        let tumour = self.tumour.iter().map(|block| (block.row1.saturating_sub(1), block.col1.saturating_sub(1)));
        lesions.chain(atrophies).chain(tumour).map(|(row, col)| (row.into(), col.into()))
    }

    /// Marks them in a picture of the image whose upper left corner is at `origin` and each of whose pixels is
    /// `magnification` wide and high.
    pub fn mark(&self, picture: &mut Canvas, origin: (f32, f32), magnification: usize) {
        let magnification = magnification as f32;
        let corner =
            |row: usize, col: usize| (origin.0 + col as f32 * magnification, origin.1 + row as f32 * magnification);
        for atrophy in self.atrophies {
            let (left, top) = corner(atrophy.row.into(), atrophy.col.into());
            picture.rect(left, top, magnification, magnification, ATROPHY);
        }
        if let Some(Tumour { row0, row1, col0, col1, .. }) = self.tumour {
            let (left, top) = corner(row0.into(), col0.into());
            let (right, bottom) = corner(row1.into(), col1.into());
            let corners = [(left, top), (right, top), (right, bottom), (left, bottom)];
            picture.contour(&corners, OUTLINE + HALO, SHADOW);
            picture.contour(&corners, OUTLINE, LESION);
        }
        for lesion in self.lesions {
            // The tip touches the lower left corner of the centre, which stays visible.
            let (x, y) = corner(usize::from(lesion.row) + 1, lesion.col.into());
            picture.contour(&arrow_to(x, y), HALO, SHADOW);
            picture.polygon(&arrow_to(x + SHADOW_OFFSET, y + SHADOW_OFFSET), SHADOW);
            picture.polygon(&arrow_to(x, y), LESION);
        }
    }
}

/// Corners of an arrow that comes from the lower left and ends at (x, y).
fn arrow_to(x: f32, y: f32) -> [(f32, f32); 7] {
    let turn = std::f32::consts::FRAC_1_SQRT_2;
    ARROW.map(|(along, across)| (x + turn * (along - across), y - turn * (along + across)))
}
