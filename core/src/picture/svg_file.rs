//! SVG files of drawings. Images keep their own pixels, as PNG, and are magnified without smoothing.

use std::fmt::Write;

use base64::prelude::{BASE64_STANDARD, Engine};

use super::PictureError;
use super::canvas::Ink;
use super::drawing::{Drawing, Piece, Shape};
use super::png_file;

/// The drawing as a file.
///
/// # Errors
/// [`PictureError::Encode`] where an image cannot be encoded.
pub fn encode(drawing: &Drawing) -> Result<Vec<u8>, PictureError> {
    let Drawing { width, height, shapes } = drawing;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n"
    );
    for shape in shapes {
        let done = match shape {
            Shape::Fill { path, ink } => writeln!(svg, "<path d=\"{}\" {}/>", data(path), color("fill", *ink)),
            Shape::Stroke { path, thickness, ink } => writeln!(
                svg,
                "<path d=\"{}\" fill=\"none\" {} stroke-width=\"{thickness}\" stroke-linejoin=\"round\"/>",
                data(path),
                color("stroke", *ink)
            ),
            Shape::Image { left, top, columns, scale, pixels } => {
                let png = png_file::encode::<3>(*columns as u32, pixels.as_flattened())?;
                let (width, height) = (columns * scale, pixels.len() / columns * scale);
                writeln!(
                    svg,
                    "<image x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" \
                     preserveAspectRatio=\"none\" style=\"image-rendering:pixelated\" \
                     href=\"data:image/png;base64,{}\"/>",
                    BASE64_STANDARD.encode(png)
                )
            }
        };
        done.expect("a text can be written to");
    }
    svg.push_str("</svg>\n");
    Ok(svg.into_bytes())
}

/// A path as the attribute `d` has it, to a hundredth of a pixel.
fn data(path: &[Piece]) -> String {
    let mut data = String::new();
    let mut add = |letter: char, places: &[(f32, f32)]| {
        data.push(letter);
        for (index, (x, y)) in places.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(data, "{space}{} {}", hundredths(*x), hundredths(*y)).expect("a text can be written to");
        }
    };
    for piece in path {
        match *piece {
            Piece::Move(to) => add('M', &[to]),
            Piece::Line(to) => add('L', &[to]),
            Piece::Curve(one, other, to) => add('C', &[one, other, to]),
            Piece::Close => add('Z', &[]),
        }
    }
    data
}

fn hundredths(number: f32) -> f32 {
    (100.0 * number).round() / 100.0
}

fn color(kind: &str, [r, g, b, a]: Ink) -> String {
    let opacity = if a == u8::MAX { String::new() } else { format!(" {kind}-opacity=\"{:.3}\"", f32::from(a) / 255.0) };
    format!("{kind}=\"#{r:02x}{g:02x}{b:02x}\"{opacity}")
}
