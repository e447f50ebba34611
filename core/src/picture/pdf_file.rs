//! PDF files of drawings, of one page that is as large as the drawing: a pixel is 1/96 inch. Images keep their own pixels.

use std::collections::BTreeMap;

use pdf_writer::types::LineJoinStyle;
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref};

use super::PictureError;
use super::canvas::Ink;
use super::drawing::{Drawing, Piece, Shape};
use super::png_file::compress;

/// Points (1/72 inch) a pixel.
const POINTS: f32 = 0.75;

const CATALOG: Ref = Ref::new(1);
const PAGES: Ref = Ref::new(2);
const PAGE: Ref = Ref::new(3);
const CONTENT: Ref = Ref::new(4);
/// The first of what is numbered as it comes.
const FREE: i32 = 5;

/// The drawing as a file. It holds no time and no name, so that equal drawings are equal files.
///
/// # Errors
/// [`PictureError::Encode`] where an image cannot be compressed.
pub fn encode(drawing: &Drawing) -> Result<Vec<u8>, PictureError> {
    let mut pdf = Pdf::new();
    let mut content = Content::new();
    // From pixels below the upper left corner to points above the lower left one.
    content.transform([POINTS, 0.0, 0.0, -POINTS, 0.0, drawing.height as f32 * POINTS]);
    let (mut images, mut opacities, mut free) = (Vec::new(), BTreeMap::new(), FREE);
    let mut next = || (Ref::new(free), free += 1).0;
    for shape in &drawing.shapes {
        match shape {
            Shape::Fill { path, ink } => {
                set_ink(&mut content, *ink, *opacities.entry(ink[3]).or_insert_with(&mut next));
                draw(&mut content, path);
                content.fill_nonzero();
            }
            Shape::Stroke { path, thickness, ink } => {
                set_ink(&mut content, *ink, *opacities.entry(ink[3]).or_insert_with(&mut next));
                content.set_line_width(*thickness).set_line_join(LineJoinStyle::RoundJoin);
                draw(&mut content, path);
                content.stroke();
            }
            Shape::Image { left, top, columns, scale, pixels } => {
                let (id, rows) = (next(), pixels.len() / columns);
                let data = compress(pixels.as_flattened()).map_err(png::EncodingError::from)?;
                let mut image = pdf.image_xobject(id, &data);
                image.filter(Filter::FlateDecode);
                image.width(*columns as i32).height(rows as i32);
                image.color_space().device_rgb();
                image.bits_per_component(8).interpolate(false).finish();
                images.push(id);
                let [left, top, width, height] = [*left, *top, columns * scale, rows * scale].map(|side| side as f32);
                // Images fill a square of one unit from its lower left corner on.
                content.save_state().transform([width, 0.0, 0.0, -height, left, top + height]);
                content.x_object(Name(name(id).as_bytes())).restore_state();
            }
        }
    }
    pdf.catalog(CATALOG).pages(PAGES);
    pdf.pages(PAGES).kids([PAGE]).count(1);
    let mut page = pdf.page(PAGE);
    let [width, height] = [drawing.width, drawing.height].map(|side| side as f32 * POINTS);
    page.parent(PAGES).media_box(Rect::new(0.0, 0.0, width, height)).contents(CONTENT);
    let mut resources = page.resources();
    let mut named = resources.x_objects();
    for &id in &images {
        named.pair(Name(name(id).as_bytes()), id);
    }
    named.finish();
    let mut named = resources.ext_g_states();
    for &id in opacities.values() {
        named.pair(Name(name(id).as_bytes()), id);
    }
    named.finish();
    resources.finish();
    page.finish();
    for (&opacity, &id) in &opacities {
        let share = f32::from(opacity) / 255.0;
        pdf.ext_graphics(id).non_stroking_alpha(share).stroking_alpha(share);
    }
    let content = compress(&content.finish()).map_err(png::EncodingError::from)?;
    pdf.stream(CONTENT, &content).filter(Filter::FlateDecode);
    Ok(pdf.finish())
}

/// What an object is called on the page.
fn name(id: Ref) -> String {
    format!("X{}", id.get())
}

fn set_ink(content: &mut Content, [r, g, b, _]: Ink, opacity: Ref) {
    let [r, g, b] = [r, g, b].map(|channel| f32::from(channel) / 255.0);
    content.set_parameters(Name(name(opacity).as_bytes())).set_fill_rgb(r, g, b).set_stroke_rgb(r, g, b);
}

fn draw(content: &mut Content, path: &[Piece]) {
    for piece in path {
        match *piece {
            Piece::Move((x, y)) => content.move_to(x, y),
            Piece::Line((x, y)) => content.line_to(x, y),
            Piece::Curve((x1, y1), (x2, y2), (x, y)) => content.cubic_to(x1, y1, x2, y2, x, y),
            Piece::Close => content.close_path(),
        };
    }
}
