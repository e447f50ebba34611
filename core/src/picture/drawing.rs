//! A picture as shapes, for files that can be enlarged: see [`super::svg_file`] and [`super::pdf_file`].
//!
//! Letters become outlines, so that a picture looks alike wherever it is opened.

use ab_glyph::{Font, OutlineCurve, Point, point};

use super::canvas::{Direction, Ink, Surface, TextStyle, Typeface};

/// A point (x, y) in pixels from the upper left corner.
pub(super) type Place = (f32, f32);

/// A piece of a path, from where the last one ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Piece {
    Move(Place),
    Line(Place),
    /// A cubic curve: two control points and the end.
    Curve(Place, Place, Place),
    /// Back to the start.
    Close,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    Fill {
        path: Vec<Piece>,
        ink: Ink,
    },
    /// With round joins.
    Stroke {
        path: Vec<Piece>,
        thickness: f32,
        ink: Ink,
    },
    /// Pixels as squares of `scale`.
    Image {
        left: usize,
        top: usize,
        columns: usize,
        scale: usize,
        pixels: Vec<[u8; 3]>,
    },
}

/// A sheet of shapes, the later ones over the earlier ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawing {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) shapes: Vec<Shape>,
}

impl Surface for Drawing {
    fn new(width: u32, height: u32) -> Self {
        let mut sheet = Self { width, height, shapes: Vec::new() };
        sheet.rect(0.0, 0.0, width as f32, height as f32, [u8::MAX; 4]);
        sheet
    }

    fn width(&self) -> u32 {
        self.width
    }

    fn rect(&mut self, left: f32, top: f32, width: f32, height: f32, ink: Ink) {
        if width > 0.0 && height > 0.0 {
            let (right, bottom) = (left + width, top + height);
            self.polygon(&[(left, top), (right, top), (right, bottom), (left, bottom)], ink);
        }
    }

    fn polygon(&mut self, corners: &[Place], ink: Ink) {
        self.shapes.push(Shape::Fill { path: closed(corners), ink });
    }

    fn contour(&mut self, corners: &[Place], thickness: f32, ink: Ink) {
        self.shapes.push(Shape::Stroke { path: closed(corners), thickness, ink });
    }

    fn image(&mut self, left: usize, top: usize, columns: usize, scale: usize, pixels: &[[u8; 3]]) {
        self.shapes.push(Shape::Image { left, top, columns, scale, pixels: pixels.to_vec() });
    }

    fn text(&mut self, typeface: &Typeface, text: &str, x: f32, y: f32, style: TextStyle) {
        let (along, across) = style.baseline(typeface, text, x, y);
        let scale = style.size / typeface.font.units_per_em().unwrap_or(1.0);
        let mut path = Vec::new();
        for (glyph, start, _) in typeface.glyphs(text, style.size) {
            let Some(outline) = typeface.font.outline(glyph) else { continue };
            let place = |point: Point| {
                let (right, down) = (along + start + scale * point.x, across - scale * point.y);
                match style.direction {
                    Direction::Right => (right, down),
                    Direction::Up => (down, -right),
                }
            };
            outline_glyph(&outline.curves, place, &mut path);
        }
        if !path.is_empty() {
            self.shapes.push(Shape::Fill { path, ink: style.ink });
        }
    }
}

fn closed(corners: &[Place]) -> Vec<Piece> {
    let pieces = corners.iter().enumerate().map(|(index, &corner)| match index {
        0 => Piece::Move(corner),
        _ => Piece::Line(corner),
    });
    pieces.chain([Piece::Close]).collect()
}

/// The contours of a glyph; each begins where the last curve did not end.
fn outline_glyph(curves: &[OutlineCurve], place: impl Fn(Point) -> Place, path: &mut Vec<Piece>) {
    let mut end = None;
    for curve in curves {
        let (from, to) = match *curve {
            OutlineCurve::Line(from, to) | OutlineCurve::Quad(from, _, to) | OutlineCurve::Cubic(from, _, _, to) => {
                (from, to)
            }
        };
        if end != Some(from) {
            path.extend(end.map(|_| Piece::Close));
            path.push(Piece::Move(place(from)));
        }
        path.push(match *curve {
            OutlineCurve::Line(..) => Piece::Line(place(to)),
            // The cubic curve that a quadratic one is.
            OutlineCurve::Quad(_, control, _) => {
                let between = |from: f32, to: f32| from + (to - from) * (2.0 / 3.0);
                let toward = |from: Point| point(between(from.x, control.x), between(from.y, control.y));
                Piece::Curve(place(toward(from)), place(toward(to)), place(to))
            }
            OutlineCurve::Cubic(_, one, other, _) => Piece::Curve(place(one), place(other), place(to)),
        });
        end = Some(to);
    }
    path.extend(end.map(|_| Piece::Close));
}
