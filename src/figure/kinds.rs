//! What a figure is: its name, what it shows, and the function that draws it.

use super::sheet::Sheet;
use super::study::{Run, Study};

/// Why a figure is not drawn: what it needs and does not find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Missing(pub &'static str);

/// What a drawing function gives.
pub type Drawn = Result<Sheet, Missing>;

/// A figure of one run.
pub struct RunFigure {
    /// The file's name without ending.
    pub name: &'static str,
    pub title: &'static str,
    /// The files of the results folder that it is drawn from.
    pub source: &'static str,
    /// What is seen, and how to read it.
    pub caption: &'static str,
    pub draw: fn(&Run) -> Drawn,
}

/// A figure of several runs.
pub struct StudyFigure {
    pub name: &'static str,
    pub title: &'static str,
    pub source: &'static str,
    pub caption: &'static str,
    pub draw: fn(&Study) -> Drawn,
}
