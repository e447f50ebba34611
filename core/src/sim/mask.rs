//! Sets of pixels.

use super::SIDE;
use super::signs::Pixel;

/// A set of pixels of an image of [`SIDE`] x [`SIDE`]: a bit a pixel, a word a row, column 0 in the lowest bit.
#[derive(Clone, PartialEq, Eq)]
pub struct Mask {
    rows: [u128; SIDE],
}

/// All columns of a row.
const FULL: u128 = (1 << SIDE) - 1;

impl Mask {
    pub const EMPTY: Self = Self { rows: [0; SIDE] };

    /// Whether a pixel is in the set; pixels beyond the image are in none.
    pub fn contains(&self, row: usize, col: usize) -> bool {
        col < SIDE && self.rows.get(row).is_some_and(|bits| bits >> col & 1 == 1)
    }

    /// Number of pixels.
    pub fn count(&self) -> usize {
        self.rows.iter().map(|bits| bits.count_ones() as usize).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.iter().all(|&bits| bits == 0)
    }

    /// All pixels in row-major order.
    pub fn pixels(&self) -> impl Iterator<Item = Pixel> + '_ {
        self.rows.iter().enumerate().flat_map(|(row, &bits)| columns(bits).map(move |col| Pixel::new(row, col)))
    }

    /// One flag a pixel of the image, in row-major order.
    pub fn to_bools(&self) -> Vec<bool> {
        let mut flags = vec![false; SIDE * SIDE];
        for run in self.runs() {
            flags[run].fill(true);
        }
        flags
    }

    /// Adds the rectangle of `rows` x `cols`, as far as it lies in the image.
    pub(super) fn insert(&mut self, rows: std::ops::Range<usize>, cols: std::ops::Range<usize>) {
        let below = |col: usize| (1_u128 << col.min(SIDE)) - 1;
        let bits = below(cols.end) & !below(cols.start);
        for row in rows.start..rows.end.min(SIDE) {
            self.rows[row] |= bits;
        }
    }

    /// Takes a pixel away; false if it was not there.
    pub(super) fn remove(&mut self, pixel: Pixel) -> bool {
        let bits = &mut self.rows[usize::from(pixel.row)];
        let bit = 1 << pixel.col;
        let was_there = *bits & bit != 0;
        *bits &= !bit;
        was_there
    }

    /// The pixels of this set that are not in `other`.
    pub fn difference(&self, other: &Self) -> Self {
        self.combine(|row, bits| bits & !other.rows[row])
    }

    /// All pixels of the image within `radius` rows and columns of a pixel of this set.
    pub fn dilate(&self, radius: usize) -> Self {
        let wide = self.combine(|_, bits| (0..=radius).fold(0, |all, by| all | bits << by | bits >> by) & FULL);
        wide.combine(|row, _| {
            (row.saturating_sub(radius)..=(row + radius).min(SIDE - 1)).fold(0, |all, near| all | wide.rows[near])
        })
    }

    /// The pixels whose whole neighbourhood within `radius` rows and columns is in this set.
    pub fn erode(&self, radius: usize) -> Self {
        let narrow = self.combine(|_, bits| (0..=radius).fold(bits, |all, by| all & bits << by & bits >> by));
        narrow.combine(|row, bits| {
            (1..=radius).fold(bits, |all, by| {
                let above = row.checked_sub(by).map_or(0, |above| narrow.rows[above]);
                all & above & narrow.rows.get(row + by).copied().unwrap_or(0)
            })
        })
    }

    /// The pixels of this set whose neighbour at the offset (`down`, `right`), each -1 to 1, is not in it.
    pub(super) fn exposed(&self, down: isize, right: isize) -> Self {
        self.combine(|row, bits| {
            let beside = row.checked_add_signed(down).and_then(|row| self.rows.get(row)).copied().unwrap_or(0);
            let neighbours = if right < 0 { beside << 1 } else { beside >> right };
            bits & !neighbours
        })
    }

    /// Rows of the image that hold pixels of this set.
    pub(super) fn rows_held(&self) -> impl Iterator<Item = usize> + '_ {
        (0..SIDE).filter(|&row| self.rows[row] != 0)
    }

    /// Stretches of neighbouring pixels in a row, as indices into a row-major image.
    pub(super) fn runs(&self) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
        self.rows.iter().enumerate().flat_map(|(row, &bits)| {
            let mut left = bits;
            std::iter::from_fn(move || {
                let start = (left != 0).then(|| left.trailing_zeros())?;
                let end = start + (left >> start).trailing_ones();
                left = left >> end << end;
                Some(row * SIDE + start as usize..row * SIDE + end as usize)
            })
        })
    }

    fn combine(&self, row: impl Fn(usize, u128) -> u128) -> Self {
        Self { rows: std::array::from_fn(|index| row(index, self.rows[index])) }
    }
}

impl FromIterator<Pixel> for Mask {
    fn from_iter<I: IntoIterator<Item = Pixel>>(pixels: I) -> Self {
        let mut mask = Self::EMPTY;
        for pixel in pixels {
            mask.rows[usize::from(pixel.row)] |= 1 << pixel.col;
        }
        mask
    }
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.pixels().map(|pixel| (pixel.row, pixel.col))).finish()
    }
}

/// The columns whose bits are set, ascending.
fn columns(bits: u128) -> impl Iterator<Item = usize> {
    let mut left = bits;
    std::iter::from_fn(move || {
        let col = (left != 0).then(|| left.trailing_zeros())?;
        left &= left - 1;
        Some(col as usize)
    })
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::seed;

    /// A set with pixels at every edge, and its flags.
    fn random_mask(density: f64, index: u64) -> (Mask, Vec<bool>) {
        let mut rng = seed::stream(3, "mask", index);
        let flags: Vec<bool> = (0..SIDE * SIDE).map(|_| rng.random_bool(density)).collect();
        let mask = (0..SIDE * SIDE).filter(|&k| flags[k]).map(|k| Pixel::new(k / SIDE, k % SIDE)).collect();
        (mask, flags)
    }

    fn neighbourhood(k: usize, radius: isize) -> impl Iterator<Item = Option<usize>> {
        let (row, col) = ((k / SIDE) as isize, (k % SIDE) as isize);
        let inside = |v: isize| (0..SIDE as isize).contains(&v);
        (-radius..=radius)
            .flat_map(move |down| (-radius..=radius).map(move |right| (row + down, col + right)))
            .map(move |(row, col)| (inside(row) && inside(col)).then_some((row * SIDE as isize + col) as usize))
    }

    #[test]
    fn masks_agree_with_plain_flags() {
        for (index, density) in [0.02, 0.5, 0.98].into_iter().enumerate() {
            let (mask, flags) = random_mask(density, index as u64);
            assert_eq!(mask.to_bools(), flags);
            assert_eq!(mask.count(), flags.iter().filter(|&&flag| flag).count());
            assert!((0..SIDE * SIDE).all(|k| mask.contains(k / SIDE, k % SIDE) == flags[k]));
            for radius in 0..=2 {
                let near = |k| neighbourhood(k, radius as isize);
                let dilated: Vec<bool> = (0..SIDE * SIDE).map(|k| near(k).flatten().any(|k| flags[k])).collect();
                let eroded: Vec<bool> =
                    (0..SIDE * SIDE).map(|k| near(k).all(|k| k.is_some_and(|k| flags[k]))).collect();
                assert_eq!(mask.dilate(radius).to_bools(), dilated);
                assert_eq!(mask.erode(radius).to_bools(), eroded);
            }
            for (down, right) in [(-1, -1), (-1, 0), (0, 1), (1, -1), (1, 1)] {
                let beside = |k| neighbourhood(k, 1).nth(((down + 1) * 3 + right + 1) as usize).flatten();
                let exposed: Vec<bool> =
                    (0..SIDE * SIDE).map(|k| flags[k] && !beside(k).is_some_and(|k| flags[k])).collect();
                assert_eq!(mask.exposed(down, right).to_bools(), exposed);
            }
        }
    }

    #[test]
    fn rectangles_are_cut_at_the_edges_of_the_image() {
        let mut mask = Mask::EMPTY;
        mask.insert(96..120, 3..5);
        mask.insert(10..11, 90..200);
        assert_eq!(mask.count(), 4 + 8);
        assert!(mask.contains(97, 4) && !mask.contains(97, 5) && mask.contains(10, 97));
        assert!(!mask.contains(98, 4) && !mask.contains(10, 98));
        assert!(mask.remove(Pixel::new(97, 4)) && !mask.remove(Pixel::new(97, 4)));
        assert_eq!(mask.rows_held().collect::<Vec<_>>(), [10, 96, 97]);
    }
}
