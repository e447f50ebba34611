//! What a finished experiment is looked at with: its figures, and `report.html`.
//!
//! Everything is made from the results folder alone, so that it can be made again at any time and on any machine.

mod choice;
mod embed;
mod figures;
mod folder;
mod gallery;
mod page;

use std::path::{Path, PathBuf};

use crate::disk::{Folder, Kind};
use crate::store::arrays::ArrayError;
use crate::store::table::UnreadableTable;

pub use folder::Results;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error(transparent)]
    Table(#[from] UnreadableTable),
    #[error(transparent)]
    Array(#[from] ArrayError),
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("cannot write {}: {source}", path.display())]
    Unwritable { path: PathBuf, source: std::io::Error },
    #[error("cannot read {}: {id:?} in the column run_id does not name a run", path.display())]
    NotARun { path: PathBuf, id: String },
    #[error("there is no finished run {0}")]
    NoRun(String),
    #[error(transparent)]
    Figure(#[from] crate::figure::FigureError),
}

/// The page, in a results folder.
const PAGE: &str = "report.html";

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    pub page: PathBuf,
    /// How many figures were drawn, each as SVG and PNG.
    pub figures: usize,
}

/// What a report tells of: the settings and the runs, as their files hold them.
#[derive(Debug, PartialEq, Eq)]
pub struct Contents([Vec<u8>; 2]);

/// What a report of this folder tells of; none where there is no report, or nothing to tell.
pub fn contents(folder: &Path) -> Option<Contents> {
    let folder = Folder::at(folder);
    (folder.kind(PAGE) == Some(Kind::File)).then_some(())?;
    Some(Contents([folder.read("spec.toml").ok()?, folder.read("runs.parquet").ok()?]))
}

/// Draws the figures of a results folder and writes its `report.html`; what was there is replaced. Of many runs, some
/// have figures of their own: the `wanted` ones, by their ids, and a few of different settings.
///
/// # Errors
/// [`ReportError`] where a table is missing or damaged, or the folder cannot be written. A figure that lacks something
/// is left out, and the report says what it needs.
pub fn write(folder: &Path, wanted: &[String]) -> Result<Made, ReportError> {
    let results = Results::read(folder)?;
    let chosen = choice::choose(&results, wanted)?;
    let figures = figures::draw(&chosen)?;
    let own = Folder::at(folder);
    figures::save(&figures, &own)?;
    let gallery = gallery::gather(&results, &chosen)?;
    let page = folder.join(PAGE);
    let text = page::render(&results, &figures, &gallery);
    own.replace(PAGE, text.as_bytes()).map_err(|source| ReportError::Unwritable { path: page.clone(), source })?;
    Ok(Made { page, figures: figures.drawn.len() })
}
