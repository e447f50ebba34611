//! What a finished experiment is looked at with: its figures, and `report.html`.
//!
//! Everything is made from the results folder alone, so that it can be made again at any time and on any machine.

mod choice;
mod embed;
mod figures;
mod folder;
mod gallery;
mod page;
mod rows;
mod template;

use std::path::{Path, PathBuf};

use crate::disk::Folder;
use crate::store::Receipt;
use crate::store::arrays::ArrayError;
use crate::store::dataset::DatasetError;
use crate::tables::{self, UnreadableTable};

pub use folder::Results;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error(transparent)]
    Table(#[from] UnreadableTable),
    #[error(transparent)]
    Array(#[from] ArrayError),
    #[error(transparent)]
    Dataset(#[from] DatasetError),
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
/// What a report was made of, and its files.
const RECEIPT: &str = ".report.json";
/// What a report is made of, beside maps and the tables of ensembles.
const SOURCES: [&str; 7] = [
    "spec.toml",
    "plan.json",
    "runs.parquet",
    "epochs.parquet",
    "predictions.parquet",
    "measurements.parquet",
    "samples.parquet",
];

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    pub page: PathBuf,
    /// How many figures were drawn, each as SVG and PNG.
    pub figures: usize,
}

/// Whether the report of a folder tells of the settings and the runs that are in it now, and is all there: page and figures
/// as they were made.
pub fn is_up_to_date(folder: &Path) -> bool {
    Receipt::holds(&Folder::at(folder), RECEIPT)
}

/// Looks at what a report is made of before all of it is hashed: what took the place of a file may be too large for that.
fn check_sources(folder: &Folder) -> Result<(), ReportError> {
    let (of_tables, others): (Vec<&str>, Vec<&str>) =
        SOURCES.into_iter().chain(tables::ENSEMBLES).partition(|name| name.ends_with(".parquet"));
    tables::check_ends(folder, &of_tables)?;
    for name in others {
        match folder.check_size(name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(ReportError::Unreadable { path: folder.path_of(name), reason: error.to_string() });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Draws the figures of a results folder and writes its `report.html`; what was there is replaced. Of many runs, some
/// have figures of their own: the `wanted` ones, by their ids, and a few of different settings.
///
/// # Errors
/// [`ReportError`] where a table is missing or damaged, or the folder cannot be written. A figure that lacks something
/// is left out, and the report says what it needs.
pub fn write(folder: &Path, wanted: &[String]) -> Result<Made, ReportError> {
    let own = Folder::at(folder);
    let page = folder.join(PAGE);
    let unwritable = |source| ReportError::Unwritable { path: page.clone(), source };
    let sources: Vec<String> = SOURCES.into_iter().chain(tables::ENSEMBLES).map(str::to_owned).collect();
    check_sources(&own)?;
    let mut receipt = Receipt::of(&own, &sources).map_err(unwritable)?;
    let mut results = Results::read(folder)?;
    let chosen = choice::choose(&results.study, wanted)?;
    let loaded = chosen.load(&mut results)?;
    receipt.add_sources(&own, &loaded.sources).map_err(unwritable)?;
    let figures = figures::draw(&results, &chosen)?;
    let mut files = figures::save(&figures, &own)?;
    let gallery = gallery::gather(&results, &loaded.gallery)?;
    let text = page::render(&results, &figures, &gallery);
    own.replace(PAGE, text.as_bytes()).map_err(unwritable)?;
    files.push(PAGE.to_owned());
    receipt.write(&own, RECEIPT, &files).map_err(unwritable)?;
    Ok(Made { page, figures: figures.drawn.len() })
}
