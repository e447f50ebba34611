//! How what is known of an image is marked in its picture.

use std::collections::HashSet;

use super::canvas::{Ink, Surface};
use crate::data::Mark;

/// Of squares: #D3F5D4, nearly opaque.
pub(super) const ATROPHY: Ink = [0xD3, 0xF5, 0xD4, 230];
/// Of arrows and outlines: #E3E7E3, nearly opaque.
pub(super) const LESION: Ink = [0xE3, 0xE7, 0xE3, 230];
pub(super) const SHADOW: Ink = [0, 0, 0, 120];
/// Right and down, in pixels.
pub(super) const SHADOW_OFFSET: f32 = 1.5;
/// Width of an outline in pixels.
pub(super) const OUTLINE: f32 = 2.0;
/// How much wider than a mark's edges the dark line below them is, in pixels.
pub(super) const HALO: f32 = 2.5;
/// An arrow's corners (x, y) in pixels before its tip, for an arrow that points to the right.
pub(super) const ARROW: [(f32, f32); 7] =
    [(0.0, 0.0), (-11.0, 6.5), (-10.0, 2.5), (-27.0, 2.5), (-27.0, -2.5), (-10.0, -2.5), (-11.0, -6.5)];

/// (row, column) of the furthest pixel of a mark; none for a mark of no pixels.
pub(super) fn furthest(mark: &Mark) -> Option<(usize, usize)> {
    match mark {
        Mark::Square { row, col } | Mark::Arrow { row, col } => Some((*row, *col)),
        Mark::Outline { rows, cols } => Some((rows[1].saturating_sub(1), cols[1].saturating_sub(1))),
        Mark::Contour { pixels, width } => pixels.iter().max().map(|last| (last / width, last % width)),
    }
}

/// Marks a picture of an image whose upper left corner is at `origin` and each of whose pixels is `magnification` wide and
/// high.
pub fn mark(picture: &mut impl Surface, marks: &[Mark], origin: (f32, f32), magnification: usize) {
    let side = magnification as f32;
    let corner = |row: usize, col: usize| (origin.0 + col as f32 * side, origin.1 + row as f32 * side);
    for mark in marks {
        match mark {
            Mark::Square { row, col } => {
                let (left, top) = corner(*row, *col);
                picture.rect(left, top, side, side, ATROPHY);
            }
            Mark::Outline { rows, cols } => {
                let ((left, top), (right, bottom)) = (corner(rows[0], cols[0]), corner(rows[1], cols[1]));
                let corners = [(left, top), (right, top), (right, bottom), (left, bottom)];
                picture.contour(&corners, OUTLINE + HALO, SHADOW);
                picture.contour(&corners, OUTLINE, LESION);
            }
            Mark::Arrow { row, col } => {
                // The tip touches the lower left corner of the pixel, which stays visible.
                let (x, y) = corner(row + 1, *col);
                picture.contour(&arrow_to(x, y), HALO, SHADOW);
                picture.polygon(&arrow_to(x + SHADOW_OFFSET, y + SHADOW_OFFSET), SHADOW);
                picture.polygon(&arrow_to(x, y), LESION);
            }
            Mark::Contour { pixels, width } => {
                let inside: HashSet<usize> = pixels.iter().copied().collect();
                let edges = || pixels.iter().flat_map(|&pixel| edges(pixel, *width, &inside));
                for (thickness, ink) in [(OUTLINE + HALO, SHADOW), (OUTLINE, LESION)] {
                    for [from, to] in edges() {
                        let ((x0, y0), (x1, y1)) = (corner(from.0, from.1), corner(to.0, to.1));
                        let half = thickness / 2.0;
                        picture.rect(x0 - half, y0 - half, x1 - x0 + thickness, y1 - y0 + thickness, ink);
                    }
                }
            }
        }
    }
}

/// The sides of a pixel beyond which its region ends, from corner to corner (row, column).
fn edges(pixel: usize, width: usize, inside: &HashSet<usize>) -> impl Iterator<Item = [(usize, usize); 2]> {
    let (row, col) = (pixel / width, pixel % width);
    let left = col > 0 && inside.contains(&(pixel - 1));
    let right = col + 1 < width && inside.contains(&(pixel + 1));
    let above = row > 0 && inside.contains(&(pixel - width));
    let below = inside.contains(&(pixel + width));
    let sides = [
        (above, [(row, col), (row, col + 1)]),
        (below, [(row + 1, col), (row + 1, col + 1)]),
        (left, [(row, col), (row + 1, col)]),
        (right, [(row, col + 1), (row + 1, col + 1)]),
    ];
    sides.into_iter().filter(|(goes_on, _)| !goes_on).map(|(_, side)| side)
}

/// Corners of an arrow that comes from the lower left and ends at (x, y).
fn arrow_to(x: f32, y: f32) -> [(f32, f32); 7] {
    let turn = std::f32::consts::FRAC_1_SQRT_2;
    ARROW.map(|(along, across)| (x + turn * (along - across), y - turn * (along + across)))
}
