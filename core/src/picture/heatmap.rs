//! The picture of one explanation: relevance over the image, with what is known marked where asked for.

use std::collections::HashMap;
use std::sync::Mutex;

use image::RgbImage;
use rayon::prelude::*;

use super::PictureError;
use super::canvas::{Canvas, Surface};
use super::colormap::{Shading, colorize};
use super::frame::{Frame, Look};
use super::marks::{furthest, mark};
use super::settings::PictureFormat;
use super::{pdf_file, svg_file};
use crate::data::Mark;
use crate::event::{Progress, ProgressSink};
use crate::raster::Raster;

/// One explanation to draw.
#[derive(Debug, Clone, PartialEq)]
pub struct Heatmap<'a> {
    /// The explained image, drawn in grey: the mean over its channels.
    pub image: Raster<'a>,
    /// Its relevance, a number a pixel.
    pub relevance: Raster<'a>,
    /// What is marked.
    pub marks: Vec<Mark>,
    /// How its relevance becomes colours.
    pub shading: Shading,
    /// What is drawn beside the map.
    pub look: Look<'a>,
    pub title: String,
}

impl Heatmap<'_> {
    /// Draws the heatmap in its own frame; for many of them, [`render`] shares the work.
    ///
    /// # Errors
    /// See [`PictureError`].
    pub fn draw(&self) -> Result<RgbImage, PictureError> {
        self.check()?;
        Ok(self.draw_in(&self.frame::<Canvas>()).to_rgb())
    }

    fn check(&self) -> Result<(), PictureError> {
        let Raster { height, width, .. } = self.image;
        let (image, relevance) = ((height, width), (self.relevance.height, self.relevance.width));
        if image != relevance {
            return Err(PictureError::SizeMismatch { image, relevance });
        }
        if height == 0 || width == 0 {
            return Err(PictureError::Empty { height, width });
        }
        let mut marked = self.marks.iter().filter_map(furthest);
        match marked.find(|(row, col)| *row >= height || *col >= width) {
            Some((row, col)) => Err(PictureError::SignOutside { row, col, height, width }),
            None => Ok(()),
        }
    }

    fn frame<S: Surface>(&self) -> Frame<'_, S> {
        Frame::new(self.image.height, self.image.width, self.look)
    }

    fn draw_in<S: Surface>(&self, frame: &Frame<S>) -> S {
        let grey = self.image.grey();
        let image = Raster::new(self.image.height, self.image.width, &grey);
        let mut picture = frame.picture(&colorize(image, self.relevance, &self.shading), &self.title);
        mark(&mut picture, &self.marks, frame.corner(0, 0), frame.magnification());
        picture
    }
}

/// Draws all heatmaps on all threads of the current pool; returns each as a file's bytes in this `format`, in order.
///
/// # Errors
/// The first heatmap that cannot be drawn; see [`PictureError`].
pub fn render(
    heatmaps: &[Heatmap],
    format: PictureFormat,
    progress: &dyn ProgressSink,
) -> Result<Vec<Vec<u8>>, PictureError> {
    match format {
        PictureFormat::Png => render_on(heatmaps, Canvas::to_png, progress),
        PictureFormat::Svg => render_on(heatmaps, svg_file::encode, progress),
        PictureFormat::Pdf => render_on(heatmaps, pdf_file::encode, progress),
    }
}

fn render_on<S: Surface + Sync>(
    heatmaps: &[Heatmap],
    encode: fn(&S) -> Result<Vec<u8>, PictureError>,
    progress: &dyn ProgressSink,
) -> Result<Vec<Vec<u8>>, PictureError> {
    heatmaps.iter().try_for_each(Heatmap::check)?;
    let mut frames = HashMap::new();
    for heatmap in heatmaps {
        frames.entry(layout(heatmap)).or_insert_with(|| heatmap.frame());
    }
    let done = Mutex::new(0);
    heatmaps
        .par_iter()
        .map(|heatmap| {
            let file = encode(&heatmap.draw_in(&frames[&layout(heatmap)]))?;
            // Reported under the lock, so that counts arrive in order.
            let mut done = done.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            *done += 1;
            progress.report(Progress::Step { done: *done, total: heatmaps.len() as u64, unit: "pictures".into() });
            Ok(file)
        })
        .collect()
}

/// What heatmaps must have in common to share a frame.
fn layout<'a>(heatmap: &Heatmap<'a>) -> (usize, usize, Look<'a>) {
    (heatmap.image.height, heatmap.image.width, heatmap.look)
}

/// The name of a heatmap's file without its ending: `LRP_S1800_age-66_pred-67.1`, with `_pointer` where signs are marked.
///
/// `sample` is the index in the data set, as tables have it, or in a file of images; what is not known of one is left out of
/// the name. A target, which is given with its name, has the fewest digits that tell it from other float32 numbers.
pub fn file_name(sample: usize, target: Option<(&str, f32)>, prediction: Option<f32>, pointer: bool) -> String {
    // The name is a user's, and this becomes a path.
    let safe = |name: &str| name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
    let target = target.map(|(name, value)| format!("_{}-{}", safe(name), unsigned_zero(value))).unwrap_or_default();
    let prediction = prediction.map(|prediction| format!("_pred-{prediction:.1}")).unwrap_or_default();
    let pointer = if pointer { "_pointer" } else { "" };
    format!("LRP_S{sample}{target}{prediction}{pointer}")
}

/// A heatmap's title: "S1800 · age 66 · predicted 67.1".
pub fn title(sample: usize, target: Option<(&str, f32)>, prediction: Option<f32>) -> String {
    let target = target.map(|(name, value)| format!(" · {name} {}", unsigned_zero(value)));
    let prediction = prediction.map(|prediction| format!(" · predicted {prediction:.1}"));
    format!("S{sample}{}{}", target.unwrap_or_default(), prediction.unwrap_or_default())
}

/// The same number, but 0 for -0.
fn unsigned_zero(number: f32) -> f32 {
    number + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::silent;
    use crate::picture::canvas::Ink;
    use crate::picture::frame::Scale;
    use crate::picture::marks::{ATROPHY, HALO, LESION, SHADOW_OFFSET};

    const SIDE: usize = 30;

    struct Planes {
        image: Vec<f32>,
        relevance: Vec<f32>,
    }

    impl Planes {
        /// A grey disc, with relevance that changes its sign from left to right.
        fn disc() -> Self {
            let middle = SIDE as f32 / 2.0;
            let at = |index: usize| ((index / SIDE) as f32 - middle, (index % SIDE) as f32 - middle);
            let inside = |index| if at(index).0.hypot(at(index).1) < 0.4 * SIDE as f32 { 1.0 } else { 0.0 };
            Self {
                image: (0..SIDE * SIDE).map(|i| 0.8 * inside(i)).collect(),
                relevance: (0..SIDE * SIDE).map(|i| inside(i) * at(i).1 / 100.0).collect(),
            }
        }

        fn heatmap(&self, marks: &[Mark]) -> Heatmap<'_> {
            Heatmap {
                image: Raster::new(SIDE, SIDE, &self.image),
                relevance: Raster::new(SIDE, SIDE, &self.relevance),
                marks: marks.to_vec(),
                shading: Shading::default(),
                look: Look::default(),
                title: title(3, age(66.0), Some(67.12)),
            }
        }
    }

    fn pixel_of(heatmap: &Heatmap, picture: &RgbImage, row: usize, col: usize) -> [u8; 3] {
        let frame = heatmap.frame::<Canvas>();
        let ((x, y), half) = (frame.corner(row, col), frame.magnification() as u32 / 2);
        picture.get_pixel(x as u32 + half, y as u32 + half).0
    }

    fn age(years: f32) -> Option<(&'static str, f32)> {
        Some(("age", years))
    }

    fn close(color: [u8; 3], ink: Ink) -> bool {
        // The ink is not quite opaque; what lies below shows through by a tenth.
        color.iter().zip(ink).all(|(channel, ink)| channel.abs_diff(ink) <= 26)
    }

    #[test]
    fn names_and_titles_leave_out_what_is_unknown() {
        assert_eq!(file_name(0, age(66.0), Some(67.149), false), "LRP_S0_age-66_pred-67.1");
        assert_eq!(file_name(12, age(66.0), Some(67.149), true), "LRP_S12_age-66_pred-67.1_pointer");
        assert_eq!(file_name(5, age(20.5), None, false), "LRP_S5_age-20.5");
        assert_eq!(file_name(5, age(45.3), None, false), "LRP_S5_age-45.3");
        assert_eq!(file_name(5, age(-0.0), None, false), "LRP_S5_age-0");
        assert_eq!(title(5, age(45.3), None), "S5 · age 45.3");
        assert_eq!(file_name(5, None, None, true), "LRP_S5_pointer");
        assert_eq!(title(3, age(66.0), Some(67.12)), "S3 · age 66 · predicted 67.1");
        assert_eq!(title(3, None, None), "S3");
        assert_eq!(file_name(5, Some(("body mass/index", 21.5)), None, false), "LRP_S5_body-mass-index-21.5");
    }

    #[test]
    fn every_pixel_of_the_map_is_in_the_picture() {
        let planes = Planes::disc();
        let heatmap = planes.heatmap(&[]);
        let picture = heatmap.draw().unwrap();
        let map = colorize(heatmap.image, heatmap.relevance, &heatmap.shading);
        for row in 0..SIDE {
            for col in 0..SIDE {
                assert_eq!(pixel_of(&heatmap, &picture, row, col), map.pixels[row * SIDE + col]);
            }
        }
    }

    #[test]
    fn atrophies_are_squares_at_their_pixels() {
        let planes = Planes::disc();
        let atrophies = [(4, 9), (20, 21), (29, 0)];
        let marked = planes.heatmap(&atrophies.map(|(row, col)| Mark::Square { row, col }));
        let (plain, picture) = (planes.heatmap(&[]).draw().unwrap(), marked.draw().unwrap());
        for (row, col) in atrophies {
            assert!(close(pixel_of(&marked, &picture, row, col), ATROPHY));
        }
        let changed = plain.pixels().zip(picture.pixels()).filter(|(before, after)| before != after).count();
        assert_eq!(changed, atrophies.len() * marked.frame::<Canvas>().magnification().pow(2));
    }

    #[test]
    fn lesions_are_arrows_from_the_lower_left() {
        let planes = Planes::disc();
        let marked = planes.heatmap(&[Mark::Arrow { row: 15, col: 15 }]);
        let (plain, picture) = (planes.heatmap(&[]).draw().unwrap(), marked.draw().unwrap());
        let (left, bottom) = marked.frame::<Canvas>().corner(16, 15);
        let changed: Vec<(f32, f32, [u8; 3], [u8; 3])> = plain
            .enumerate_pixels()
            .zip(picture.pixels())
            .filter(|((_, _, before), after)| before != after)
            .map(|((x, y, before), after)| (x as f32, y as f32, before.0, after.0))
            .collect();
        assert!(changed.iter().filter(|(_, _, _, after)| close(*after, LESION)).count() > 50);
        let darkened = |before: &[u8; 3], after: &[u8; 3]| before.iter().zip(after).all(|(b, a)| a <= b);
        assert!(changed.iter().any(|(_, _, before, after)| darkened(before, after)), "a shadow");
        for (at_x, at_y, ..) in changed {
            let reach = [at_x - left, bottom - at_y].map(|beyond| beyond - SHADOW_OFFSET.max(HALO));
            assert!(reach.iter().all(|beyond| *beyond < 1.0), "({at_x}, {at_y}) is not at the lower left");
        }
        assert_eq!(pixel_of(&marked, &picture, 15, 15), pixel_of(&marked, &plain, 15, 15));
    }

    #[test]
    fn tumours_are_outlined() {
        let planes = Planes::disc();
        let marked = planes.heatmap(&[Mark::Outline { rows: [8, 12], cols: [10, 20] }]);
        let (plain, picture) = (planes.heatmap(&[]).draw().unwrap(), marked.draw().unwrap());
        let frame = marked.frame::<Canvas>();
        let ((left, top), (right, bottom)) = (frame.corner(8, 10), frame.corner(12, 20));
        for (x, y) in [(left, top), (right - 1.0, bottom - 1.0), (right - 1.0, top), (0.5 * (left + right), bottom)] {
            assert!(close(picture.get_pixel(x as u32, y as u32).0, LESION));
        }
        assert_eq!(pixel_of(&marked, &picture, 10, 15), pixel_of(&marked, &plain, 10, 15));
    }

    #[test]
    fn zero_relevance_gives_the_grey_image() {
        let mut planes = Planes::disc();
        planes.relevance.fill(0.0);
        for scale in [Scale::Relative, Scale::True(Some("years")), Scale::True(None)] {
            let heatmap = Heatmap { look: Look { labels: scale, ..Look::default() }, ..planes.heatmap(&[]) };
            let picture = heatmap.draw().unwrap();
            assert_eq!(pixel_of(&heatmap, &picture, 15, 15), [255; 3]);
            assert_eq!(pixel_of(&heatmap, &picture, 0, 0), [0; 3]);
        }
    }

    #[test]
    fn true_scale_changes_the_bar_alone() {
        let planes = Planes::disc();
        let relative = planes.heatmap(&[]);
        let years = Look { labels: Scale::True(Some("years")), ..Look::default() };
        let years = Heatmap { look: years, ..planes.heatmap(&[]) };
        let (one, other) = (relative.draw().unwrap(), years.draw().unwrap());
        let plot_end = relative.frame::<Canvas>().corner(0, SIDE).0 as u32;
        assert!(one.enumerate_pixels().filter(|(x, _, _)| *x < plot_end).all(|(x, y, p)| other.get_pixel(x, y) == p));
        assert!(one.enumerate_pixels().any(|(x, y, p)| other.get_pixel_checked(x, y) != Some(p)));
    }

    #[test]
    fn files_hold_the_pictures_in_order() {
        let (disc, mut dark) = (Planes::disc(), Planes::disc());
        dark.image.fill(0.0);
        let small = vec![0.5; 12];
        let plane = Raster::new(3, 4, &small);
        let other_size = Heatmap {
            image: plane,
            relevance: plane,
            marks: Vec::new(),
            shading: Shading::default(),
            look: Look { labels: Scale::True(None), ..Look::default() },
            title: String::new(),
        };
        let heatmaps = [disc.heatmap(&[]), dark.heatmap(&[]), other_size, disc.heatmap(&[])];
        let files = render(&heatmaps, PictureFormat::Png, &silent).unwrap();
        for (file, heatmap) in files.iter().zip(&heatmaps) {
            assert_eq!(image::load_from_memory(file).unwrap().to_rgb8(), heatmap.draw().unwrap());
        }
        assert_eq!(files[0], files[3]);
        assert_ne!(files[0], files[1]);
    }

    #[test]
    fn progress_counts_every_picture_in_order() {
        let planes = Planes::disc();
        let seen = Mutex::new(Vec::new());
        let note = |progress| seen.lock().unwrap().push(progress);
        render(&vec![planes.heatmap(&[]); 9], PictureFormat::Png, &note).unwrap();
        let step = |done| Progress::Step { done, total: 9, unit: "pictures".into() };
        assert_eq!(seen.into_inner().unwrap(), (1..=9).map(step).collect::<Vec<_>>());
    }

    #[test]
    fn what_cannot_be_drawn_is_refused() {
        let planes = Planes::disc();
        let outside = planes.heatmap(&[Mark::Arrow { row: 3, col: SIDE }]).draw();
        assert!(matches!(outside, Err(PictureError::SignOutside { row: 3, col: SIDE, .. })));
        let relevance = Raster::new(10, SIDE, &planes.relevance[..10 * SIDE]);
        let mismatch = Heatmap { relevance, ..planes.heatmap(&[]) };
        let refused = render(&[planes.heatmap(&[]), mismatch], PictureFormat::Png, &silent);
        assert!(matches!(refused, Err(PictureError::SizeMismatch { image: (SIDE, SIDE), relevance: (10, SIDE) })));
        let nothing = Raster::new(0, 5, &[]);
        let empty = Heatmap { image: nothing, relevance: nothing, ..planes.heatmap(&[]) }.draw();
        assert!(matches!(empty, Err(PictureError::Empty { height: 0, width: 5 })));
    }

    /// The map in the file is the map, value by value, whatever is drawn around it.
    #[test]
    fn shapes_hold_the_map_as_it_is() {
        use base64::prelude::{BASE64_STANDARD, Engine};
        let planes = Planes::disc();
        let heatmap = planes.heatmap(&[Mark::Arrow { row: 15, col: 15 }]);
        let map = colorize(heatmap.image, heatmap.relevance, &heatmap.shading);
        let file = |format| render(std::slice::from_ref(&heatmap), format, &silent).unwrap().remove(0);
        let svg = String::from_utf8(file(PictureFormat::Svg)).unwrap();
        let images = svg.split("data:image/png;base64,").skip(1).map(|rest| rest.split('"').next().unwrap());
        let decoded = images.map(|data| image::load_from_memory(&BASE64_STANDARD.decode(data).unwrap()).unwrap());
        let decoded: Vec<RgbImage> = decoded.map(|image| image.to_rgb8()).collect();
        // The colour bar, and the map.
        assert_eq!(decoded.len(), 2);
        assert_eq!(decoded[1].dimensions(), (SIDE as u32, SIDE as u32));
        assert_eq!(decoded[1].as_raw(), map.pixels.as_flattened());
        assert_eq!(svg.matches('<').count(), svg.matches('>').count());
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && svg.contains("fill-opacity"));

        let pdf = file(PictureFormat::Pdf);
        let streams = streams(&pdf);
        assert!(streams.iter().any(|stream| stream == map.pixels.as_flattened()), "the map is a stream");
        // Every object is where the table of objects says.
        let text = String::from_utf8_lossy(&pdf).into_owned();
        let at = |number: &str| number.parse::<usize>().unwrap();
        let table = at(text.rsplit("startxref").next().unwrap().split_whitespace().next().unwrap());
        assert!(pdf[table..].starts_with(b"xref"));
        let entries = pdf[table..].split(|&byte| byte == b'\n').skip(3).take_while(|line| line.len() > 17);
        let offsets: Vec<usize> = entries.map(|line| at(std::str::from_utf8(&line[..10]).unwrap())).collect();
        assert!(offsets.len() >= 7, "{offsets:?}");
        for (index, &offset) in offsets.iter().enumerate() {
            assert!(pdf[offset..].starts_with(format!("{} 0 obj", index + 1).as_bytes()), "object {}", index + 1);
        }
        assert_eq!((file(PictureFormat::Svg), file(PictureFormat::Pdf)), (svg.into_bytes(), pdf), "equal files");
    }

    /// What the streams of a PDF file hold.
    fn streams(pdf: &[u8]) -> Vec<Vec<u8>> {
        use std::io::Read;
        let find = |from: usize, what: &[u8]| {
            pdf[from..].windows(what.len()).position(|here| here == what).map(|at| from + at)
        };
        let (mut from, mut found) = (0, Vec::new());
        while let Some(start) = find(from, b"stream\n") {
            let (start, mut data) = (start + 7, Vec::new());
            let end = find(start, b"endstream").expect("the end of a stream");
            flate2::read::ZlibDecoder::new(&pdf[start..end]).read_to_end(&mut data).expect("zlib's format");
            found.push(data);
            from = end + 9;
        }
        found
    }
}
