//! A white sheet to draw on: rectangles, polygons, pixel images and text, all anti-aliased.
//!
//! Coordinates are pixels from the upper left corner; a pixel covers the square between its own
//! coordinates and the next.

use super::PictureError;
use super::png_file;
use ab_glyph::{Font, FontRef, GlyphId, PxScale, ScaleFont, point};
use image::RgbImage;
use tiny_skia::{FillRule, IntSize, LineJoin, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, Transform};

/// A colour with its opacity: red, green, blue, alpha.
pub type Ink = [u8; 4];

pub const BLACK: Ink = [0, 0, 0, 255];
const WHITE: u8 = 255;

/// DejaVu Sans at any size.
pub struct Typeface {
    pub(super) font: FontRef<'static>,
}

impl Default for Typeface {
    fn default() -> Self {
        let font = FontRef::try_from_slice(dejavu::sans::regular()).expect("DejaVu Sans is a valid font");
        Self { font }
    }
}

impl Typeface {
    /// Width of `text` in pixels, for `size` pixels an em.
    pub fn width(&self, text: &str, size: f32) -> f32 {
        self.glyphs(text, size).last().map_or(0.0, |(_, _, end)| end)
    }

    /// Height of capitals and digits in pixels, for `size` pixels an em.
    pub fn cap_height(&self, size: f32) -> f32 {
        self.font.outline(self.font.glyph_id('0')).map_or(0.0, |digit| digit.bounds.min.y.max(digit.bounds.max.y))
            * size
            / self.font.units_per_em().unwrap_or(1.0)
    }

    /// ab_glyph measures sizes from the ascent to the descent, not by the em.
    fn px_scale(&self, size: f32) -> PxScale {
        PxScale::from(size * self.font.height_unscaled() / self.font.units_per_em().unwrap_or(1.0))
    }

    /// Every glyph of `text` with where it starts and ends along the baseline.
    pub(super) fn glyphs(&self, text: &str, size: f32) -> impl Iterator<Item = (GlyphId, f32, f32)> {
        let font = self.font.as_scaled(self.px_scale(size));
        let mut end = 0.0;
        let mut previous = None;
        text.chars().map(move |character| {
            let glyph = font.glyph_id(character);
            let start = end + previous.map_or(0.0, |previous| font.kern(previous, glyph));
            end = start + font.h_advance(glyph);
            previous = Some(glyph);
            (glyph, start, end)
        })
    }
}

/// Which part of a text lies at its anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    Start,
    Middle,
    End,
}

/// Whither a text runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Right,
    /// Turned by a quarter to the left, as beside an axis.
    Up,
}

/// How a text is set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TextStyle {
    /// Pixels an em.
    pub size: f32,
    pub align: Align,
    pub direction: Direction,
    pub ink: Ink,
}

impl TextStyle {
    /// Where `text` begins along its baseline, and where the baseline lies across: (along, across). Text that runs up is set
    /// on a sheet that is turned to the left. Whole pixels across keep horizontal strokes sharp.
    pub(super) fn baseline(self, typeface: &Typeface, text: &str, x: f32, y: f32) -> (f32, f32) {
        let shift = match self.align {
            Align::Start => 0.0,
            Align::Middle => -0.5 * typeface.width(text, self.size),
            Align::End => -typeface.width(text, self.size),
        };
        match self.direction {
            Direction::Right => (x + shift, y.round()),
            Direction::Up => (-y + shift, x.round()),
        }
    }
}

/// What pictures are drawn on: pixels ([`Canvas`]) or shapes ([`super::drawing::Drawing`]).
pub trait Surface: Clone {
    /// A white sheet.
    ///
    /// # Panics
    /// Panics when it has no pixels, or more than memory can address.
    fn new(width: u32, height: u32) -> Self;

    /// In pixels.
    fn width(&self) -> u32;

    /// Fills the rectangle; nothing where it is empty.
    fn rect(&mut self, left: f32, top: f32, width: f32, height: f32, ink: Ink);

    /// Fills the polygon with these corners (x, y).
    fn polygon(&mut self, corners: &[(f32, f32)], ink: Ink);

    /// Draws a line of this `thickness` along the edges of the polygon, half of it outside.
    fn contour(&mut self, corners: &[(f32, f32)], thickness: f32, ink: Ink);

    /// Draws an image of `columns` pixels a row, each as a sharp square of `scale` pixels.
    ///
    /// # Panics
    /// Panics when the image does not fit on the sheet.
    fn image(&mut self, left: usize, top: usize, columns: usize, scale: usize, pixels: &[[u8; 3]]);

    /// Writes `text` with its baseline through (x, y).
    fn text(&mut self, typeface: &Typeface, text: &str, x: f32, y: f32, style: TextStyle);

    /// Draws a line of this `thickness` around the rectangle, outside of it.
    fn outline(&mut self, left: f32, top: f32, width: f32, height: f32, thickness: f32, ink: Ink) {
        let (full_width, right, bottom) = (width + 2.0 * thickness, left + width, top + height);
        self.rect(left - thickness, top - thickness, full_width, thickness, ink);
        self.rect(left - thickness, bottom, full_width, thickness, ink);
        self.rect(left - thickness, top, thickness, height, ink);
        self.rect(right, top, thickness, height, ink);
    }
}

/// An opaque sheet of pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct Canvas {
    pixmap: Pixmap,
}

impl Surface for Canvas {
    fn new(width: u32, height: u32) -> Self {
        let size = IntSize::from_wh(width, height).expect("a canvas has pixels");
        let white = vec![WHITE; width as usize * height as usize * 4];
        Self { pixmap: Pixmap::from_vec(white, size).expect("four bytes a pixel") }
    }

    fn width(&self) -> u32 {
        self.pixmap.width()
    }

    fn rect(&mut self, left: f32, top: f32, width: f32, height: f32, ink: Ink) {
        if let Some(rect) = Rect::from_xywh(left, top, width, height) {
            self.pixmap.fill_rect(rect, &paint(ink), Transform::identity(), None);
        }
    }

    fn polygon(&mut self, corners: &[(f32, f32)], ink: Ink) {
        if let Some(path) = closed_path(corners) {
            self.pixmap.fill_path(&path, &paint(ink), FillRule::Winding, Transform::identity(), None);
        }
    }

    fn contour(&mut self, corners: &[(f32, f32)], thickness: f32, ink: Ink) {
        if let Some(path) = closed_path(corners) {
            let stroke = Stroke { width: thickness, line_join: LineJoin::Round, ..Stroke::default() };
            self.pixmap.stroke_path(&path, &paint(ink), &stroke, Transform::identity(), None);
        }
    }

    fn image(&mut self, left: usize, top: usize, columns: usize, scale: usize, pixels: &[[u8; 3]]) {
        let stride = self.pixmap.width() as usize * 4;
        let data = self.pixmap.data_mut();
        for (row, colors) in pixels.chunks_exact(columns).enumerate() {
            let start = (top + row * scale) * stride + left * 4;
            let line = start..start + columns * scale * 4;
            for (square, &[r, g, b]) in data[line.clone()].chunks_exact_mut(scale * 4).zip(colors) {
                square.as_chunks_mut().0.fill([r, g, b, u8::MAX]);
            }
            for repeat in 1..scale {
                data.copy_within(line.clone(), start + repeat * stride);
            }
        }
    }

    fn text(&mut self, typeface: &Typeface, text: &str, x: f32, y: f32, style: TextStyle) {
        let (along, across) = style.baseline(typeface, text, x, y);
        let scale = typeface.px_scale(style.size);
        for (glyph, start, _) in typeface.glyphs(text, style.size) {
            let glyph = glyph.with_scale_and_position(scale, point(along + start, across));
            let Some(outline) = typeface.font.outline_glyph(glyph) else { continue };
            let corner = outline.px_bounds().min;
            outline.draw(|dx, dy, coverage| {
                let (along, across) = (corner.x as i32 + dx as i32, corner.y as i32 + dy as i32);
                match style.direction {
                    Direction::Right => self.tint(along, across, coverage, style.ink),
                    Direction::Up => self.tint(across, -along - 1, coverage, style.ink),
                }
            });
        }
    }
}

impl Canvas {
    pub fn height(&self) -> u32 {
        self.pixmap.height()
    }

    /// The drawing without its (full) opacity.
    pub fn to_rgb(&self) -> RgbImage {
        let rgb = self.pixmap.data().as_chunks().0.iter().flat_map(|&[r, g, b, _]: &[u8; 4]| [r, g, b]).collect();
        RgbImage::from_raw(self.width(), self.height(), rgb).expect("three bytes a pixel")
    }

    /// The drawing as a PNG file.
    ///
    /// # Errors
    /// [`PictureError::Encode`] when it cannot be encoded.
    pub fn to_png(&self) -> Result<Vec<u8>, PictureError> {
        Ok(png_file::encode::<4>(self.width(), self.pixmap.data())?)
    }

    /// Covers a share of one pixel with ink; nothing outside the sheet.
    fn tint(&mut self, x: i32, y: i32, coverage: f32, ink: Ink) {
        let (width, height) = (self.width() as i32, self.height() as i32);
        if !(0..width).contains(&x) || !(0..height).contains(&y) {
            return;
        }
        let start = (y as usize * width as usize + x as usize) * 4;
        let opacity = coverage.min(1.0) * f32::from(ink[3]) / 255.0;
        for (channel, ink) in self.pixmap.data_mut()[start..start + 3].iter_mut().zip(ink) {
            *channel = (f32::from(*channel) + opacity * (f32::from(ink) - f32::from(*channel))).round() as u8;
        }
    }
}

fn closed_path(corners: &[(f32, f32)]) -> Option<Path> {
    let mut path = PathBuilder::new();
    for (index, &(x, y)) in corners.iter().enumerate() {
        if index == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
    }
    path.close();
    path.finish()
}

fn paint(ink: Ink) -> Paint<'static> {
    let [r, g, b, a] = ink;
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color_rgba8(r, g, b, a);
    paint
}

#[cfg(test)]
mod tests {
    use super::*;

    const STYLE: TextStyle = TextStyle { size: 14.0, align: Align::Start, direction: Direction::Right, ink: BLACK };

    /// The smallest box (left, top, right, bottom; half open) around all that is not white.
    fn inked_box(canvas: &Canvas) -> (u32, u32, u32, u32) {
        let rgb = canvas.to_rgb();
        let inked = rgb.enumerate_pixels().filter(|(_, _, pixel)| pixel.0 != [WHITE; 3]);
        inked.fold((u32::MAX, u32::MAX, 0, 0), |(left, top, right, bottom), (x, y, _)| {
            (left.min(x), top.min(y), right.max(x + 1), bottom.max(y + 1))
        })
    }

    fn written(text: &str, x: f32, y: f32, style: TextStyle) -> Canvas {
        let mut canvas = Canvas::new(120, 120);
        canvas.text(&Typeface::default(), text, x, y, style);
        canvas
    }

    #[test]
    fn whole_pixels_are_filled_exactly() {
        let mut canvas = Canvas::new(20, 10);
        canvas.rect(3.0, 2.0, 4.0, 5.0, [10, 20, 30, 255]);
        assert_eq!(inked_box(&canvas), (3, 2, 7, 7));
        assert!(canvas.to_rgb().enumerate_pixels().filter(|(_, _, p)| p.0 == [10, 20, 30]).count() == 20);
    }

    #[test]
    fn images_keep_sharp_squares() {
        let mut canvas = Canvas::new(12, 12);
        let pixels = [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]];
        canvas.image(2, 3, 2, 4, &pixels);
        let rgb = canvas.to_rgb();
        for (x, y, pixel) in rgb.enumerate_pixels() {
            let inside = (2..10).contains(&x) && (3..11).contains(&y);
            let expected = if inside { pixels[((y - 3) / 4 * 2 + (x - 2) / 4) as usize] } else { [WHITE; 3] };
            assert_eq!(pixel.0, expected, "at {x}, {y}");
        }
    }

    #[test]
    fn polygons_cover_their_area() {
        let mut canvas = Canvas::new(40, 40);
        canvas.polygon(&[(5.0, 5.0), (35.0, 5.0), (5.0, 35.0)], BLACK);
        let ink: f64 = canvas.to_rgb().pixels().map(|p| f64::from(WHITE - p.0[0]) / 255.0).sum();
        assert!((ink - 450.0).abs() < 5.0, "{ink}");
    }

    #[test]
    fn contours_lie_half_outside() {
        let mut canvas = Canvas::new(40, 40);
        canvas.contour(&[(10.0, 10.0), (30.0, 10.0), (30.0, 30.0), (10.0, 30.0)], 4.0, BLACK);
        assert_eq!(inked_box(&canvas), (8, 8, 32, 32));
        assert_eq!(canvas.to_rgb().get_pixel(12, 12).0, [WHITE; 3]);
        assert_eq!(canvas.to_rgb().get_pixel(11, 20).0, [0; 3]);
    }

    #[test]
    fn text_stands_on_its_baseline() {
        let typeface = Typeface::default();
        let (left, top, right, bottom) = inked_box(&written("100", 10.0, 50.0, STYLE));
        assert!((9..=12).contains(&left) && bottom.abs_diff(50) <= 1);
        assert!((bottom as f32 - top as f32 - typeface.cap_height(STYLE.size)).abs() <= 2.0);
        assert!((right as f32 - left as f32 - typeface.width("100", STYLE.size)).abs() <= 3.0);
    }

    #[test]
    fn alignment_moves_text_by_its_width() {
        let width = Typeface::default().width("relevance", STYLE.size);
        let left = |align| inked_box(&written("relevance", 75.0, 50.0, TextStyle { align, ..STYLE })).0 as f32;
        assert!((left(Align::Start) - left(Align::End) - width).abs() <= 1.5 || width > 75.0);
        assert!((left(Align::Middle) - left(Align::End) - 0.5 * width).abs() <= 1.5);
    }

    #[test]
    fn upward_text_is_turned_to_the_left() {
        let flat = written("Fg7", 30.0, 60.0, STYLE).to_rgb();
        let upward = written("Fg7", 60.0, 90.0, TextStyle { direction: Direction::Up, ..STYLE }).to_rgb();
        for (x, y, pixel) in flat.enumerate_pixels() {
            assert_eq!(upward.get_pixel(y, 119 - x), pixel);
        }
    }

    #[test]
    fn text_may_run_off_the_sheet() {
        let canvas = written("a long title that does not fit at all", -20.0, 3.0, STYLE);
        assert_eq!((canvas.width(), canvas.height()), (120, 120));
    }
}
