//! A sheet of charts, pictures and text, written as SVG and as PNG.

use std::fmt::Write;

use base64::prelude::{BASE64_STANDARD, Engine};
use image::RgbImage;
use image::imageops::{FilterType, replace, resize};
use kuva::RasterBackend;
use kuva::backend::svg::SvgBackend;
use kuva::render::render::{Primitive, Scene, TextAnchor};

use super::FigureError;
use super::style::{BLACK, FONT, TEXT_SIZE, TITLE_SIZE};
use crate::picture::png_file::encode;

/// Pixels of the PNG for each unit of the sheet.
const PNG_SCALE: f32 = 2.0;

/// Left edge of titles.
const TITLE_LEFT: f64 = 14.0;

/// A rectangle of a sheet, in its units from the upper left corner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
}

impl Area {
    pub fn new(left: f64, top: f64, width: f64, height: f64) -> Self {
        Self { left, top, width, height }
    }

    pub fn right(&self) -> f64 {
        self.left + self.width
    }

    pub fn bottom(&self) -> f64 {
        self.top + self.height
    }
}

/// How a text is set.
#[derive(Clone, Copy)]
pub struct Lettering {
    pub size: u32,
    pub anchor: TextAnchor,
    pub color: &'static str,
    /// Degrees, clockwise.
    pub turn: f64,
}

impl Default for Lettering {
    fn default() -> Self {
        Self { size: TEXT_SIZE, anchor: TextAnchor::Start, color: BLACK, turn: 0.0 }
    }
}

impl Lettering {
    pub fn centred() -> Self {
        Self { anchor: TextAnchor::Middle, ..Self::default() }
    }

    pub fn ending() -> Self {
        Self { anchor: TextAnchor::End, ..Self::default() }
    }

    pub fn size(self, size: u32) -> Self {
        Self { size, ..self }
    }

    pub fn color(self, color: &'static str) -> Self {
        Self { color, ..self }
    }

    pub fn turned(self, turn: f64) -> Self {
        Self { turn, ..self }
    }
}

/// A drawing.
pub struct Sheet {
    scene: Scene,
    /// Images with their places; they lie above all else.
    pictures: Vec<(Area, RgbImage)>,
    clips: usize,
    notes: Vec<String>,
}

impl Sheet {
    /// A white sheet.
    pub fn new(width: f64, height: f64) -> Self {
        let mut scene = Scene::new(width, height);
        scene.font_family = Some(FONT.to_owned());
        scene.text_color = Some(BLACK.to_owned());
        Self { scene, pictures: Vec::new(), clips: 0, notes: Vec::new() }
    }

    /// Width and height in units.
    pub fn size(&self) -> (f64, f64) {
        (self.scene.width, self.scene.height)
    }

    /// Adds a sentence to the figure's caption.
    pub fn note(&mut self, sentence: impl Into<String>) {
        self.notes.push(sentence.into());
    }

    /// The sentences that belong to the figure's caption.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Writes the title along the upper edge.
    pub fn title(&mut self, title: &str) {
        let lettering = Lettering::default().size(TITLE_SIZE);
        self.text(TITLE_LEFT, 22.0, title, lettering);
    }

    /// Writes a line of text with its baseline through (x, y). What is no text for the plotting library, such as a
    /// formula between dollar signs, is shown as it is written.
    pub fn text(&mut self, x: f64, y: f64, text: &str, lettering: Lettering) {
        self.scene.add(Primitive::Text {
            x,
            y,
            content: plain(text),
            size: lettering.size,
            anchor: lettering.anchor,
            rotate: (lettering.turn != 0.0).then_some(lettering.turn),
            bold: false,
            color: Some(lettering.color.into()),
        });
    }

    /// Fills a rectangle with a colour such as "#0072B2".
    pub fn rect(&mut self, area: Area, fill: &str) {
        let Area { left: x, top: y, width, height } = area;
        let fill = fill.into();
        self.scene.add(Primitive::Rect { x, y, width, height, fill, stroke: None, stroke_width: None, opacity: None });
    }

    pub fn line(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), color: &str, width: f64) {
        let stroke = color.into();
        self.scene.add(Primitive::Line { x1, y1, x2, y2, stroke, stroke_width: width, stroke_dasharray: None });
    }

    /// Puts a picture into `area`, every pixel a sharp square.
    pub fn picture(&mut self, area: Area, picture: RgbImage) {
        self.pictures.push((area, picture));
    }

    /// Puts a drawn chart with its upper left corner at (left, top).
    pub(super) fn place(&mut self, left: f64, top: f64, chart: Scene) {
        let transform = Some(format!("translate({left},{top})"));
        self.scene.add(Primitive::GroupStart { transform, title: None, extra_attrs: None });
        let mut definitions = chart.defs;
        for element in chart.elements {
            self.scene.add(match element {
                // The library counts clips over all drawings of the process; here they are counted by sheet.
                Primitive::ClipStart { x, y, width, height, id } => {
                    let name = format!("clip-{}", self.clips);
                    self.clips += 1;
                    let (old, new) = (format!("\"{id}\""), format!("\"{name}\""));
                    definitions.iter_mut().for_each(|definition| *definition = definition.replace(&old, &new));
                    Primitive::ClipStart { x, y, width, height, id: name }
                }
                element => element,
            });
        }
        self.scene.defs.extend(definitions);
        self.scene.add(Primitive::GroupEnd);
    }

    /// The sheet as an SVG document.
    ///
    /// # Errors
    /// [`FigureError::Encode`] when a picture cannot be encoded.
    pub fn to_svg(&self) -> Result<String, FigureError> {
        let mut svg = SvgBackend.render_scene(&self.scene);
        svg.truncate(svg.rfind("</svg>").unwrap_or(svg.len()));
        // A view box lets the drawing grow and shrink with its place.
        let (width, height) = self.size();
        svg = svg.replacen("<svg ", &format!("<svg viewBox=\"0 0 {width} {height}\" "), 1);
        for (area, picture) in &self.pictures {
            let data = BASE64_STANDARD.encode(encode::<3>(picture.width(), picture.as_raw())?);
            let Area { left, top, width, height } = area;
            let _ = write!(
                svg,
                "<image x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" preserveAspectRatio=\"none\" \
                 style=\"image-rendering:pixelated\" href=\"data:image/png;base64,{data}\"/>"
            );
        }
        svg.push_str("</svg>\n");
        Ok(svg)
    }

    /// The sheet as a PNG file, with two pixels for each unit.
    ///
    /// # Errors
    /// [`FigureError`] when it cannot be drawn or encoded.
    pub fn to_png(&self) -> Result<Vec<u8>, FigureError> {
        let drawn = RasterBackend::new().with_scale(PNG_SCALE).render_scene(&self.scene);
        let drawn = drawn.map_err(FigureError::Plot)?;
        let mut drawn = image::load_from_memory_with_format(&drawn, image::ImageFormat::Png)?.into_rgb8();
        for (area, picture) in &self.pictures {
            let pixels = |length: f64| (length * f64::from(PNG_SCALE)).round();
            let (width, height) = (pixels(area.width) as u32, pixels(area.height) as u32);
            // Magnified pixels stay sharp; what shrinks is averaged.
            let fitted = match width < picture.width() {
                true => resize(picture, width, height, FilterType::Triangle),
                false => magnify(picture, width, height),
            };
            replace(&mut drawn, &fitted, pixels(area.left) as i64, pixels(area.top) as i64);
        }
        Ok(encode::<3>(drawn.width(), drawn.as_raw())?)
    }
}

/// The picture in at least its own size, each pixel from the one that its middle falls on.
fn magnify(picture: &RgbImage, width: u32, height: u32) -> RgbImage {
    let sources = |length: u32, of: u32| {
        let at = move |place: u32| (2 * u64::from(place) + 1) * u64::from(of) / (2 * u64::from(length));
        (0..length).map(move |place| at(place) as usize)
    };
    let columns: Vec<usize> = sources(width, picture.width()).collect();
    let (pixels, stride) = (picture.as_raw(), 3 * picture.width() as usize);
    let mut magnified = Vec::with_capacity(3 * width as usize * height as usize);
    for row in sources(height, picture.height()) {
        let row = &pixels[row * stride..][..stride];
        magnified
            .extend(columns.iter().flat_map(|&column| [row[3 * column], row[3 * column + 1], row[3 * column + 2]]));
    }
    RgbImage::from_raw(width, height, magnified).expect("three bytes a pixel")
}

/// Text that the plotting library takes for nothing but text.
pub fn plain(text: &str) -> String {
    text.replace('$', "\\$")
}
