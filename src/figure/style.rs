//! What all charts share: type, colours and strokes.
//!
//! Colours are those of Okabe and Ito (2008), which readers with any colour vision tell apart. A chart of one column,
//! 560 units wide, printed at 8.5 cm has letters of 6 pt.

/// A family that is found almost everywhere; the PNG files have DejaVu Sans.
pub const FONT: &str = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif";
/// Sizes in units of the sheet.
pub const TITLE_SIZE: u32 = 16;
pub const TEXT_SIZE: u32 = 14;
pub const SMALL_SIZE: u32 = 12;
/// About how wide a letter of a small label is.
pub const LETTER: f64 = 7.2;

pub const BLUE: &str = "#0072B2";
pub const SKY: &str = "#56B4E9";
pub const VERMILION: &str = "#D55E00";
pub const ORANGE: &str = "#E69F00";
pub const GREEN: &str = "#009E73";
pub const PURPLE: &str = "#CC79A7";
pub const GREY: &str = "#666666";
pub const PALE: &str = "#9ECAE1";
pub const BLACK: &str = "#000000";
pub const GRID: &str = "#E4E4E4";

/// The colours of several series, in order; more series begin anew.
pub const SERIES: [&str; 7] = [BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK];

/// The PNG files have round ends, which take some of each gap.
pub const DASHED: &str = "11 7";
pub const DOTTED: &str = "3 7";

/// The colour of the series with this index.
pub fn series(index: usize) -> &'static str {
    SERIES[index % SERIES.len()]
}
