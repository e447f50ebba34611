//! Drawing all figures that can be drawn, and saving them.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;

use super::ReportError;
use super::choice::{Chosen, check_maps, load_dataset};
use super::folder::Results;
use crate::disk::{Folder, Kind};
use crate::figure::FigureError;
use crate::figure::kinds::Drawn;
use crate::figure::registry::{RUN_FIGURES, STUDY_FIGURES};
use crate::figure::study::{Run, Stored};
use crate::figure::words::Words;
use crate::key::is_run_id;

/// Where figures are, in a results folder.
const FOLDER: &str = "figures";

/// A figure as files.
pub struct Figure {
    /// The run it is of; none where it is of several.
    pub run_id: Option<String>,
    /// Its files without ending, relative to the results folder.
    pub path: String,
    pub title: String,
    pub caption: String,
    pub source: &'static str,
    /// Width and height in units.
    pub size: (f64, f64),
    pub svg: String,
    pub png: Vec<u8>,
}

/// A figure that lacks something.
pub struct NotDrawn {
    pub run_id: Option<String>,
    pub title: String,
    /// What it needs.
    pub needs: String,
}

#[derive(Default)]
pub struct Figures {
    pub drawn: Vec<Figure>,
    pub not_drawn: Vec<NotDrawn>,
}

/// Draws every comparison, and every figure of the chosen runs; of these one after the other, since each needs its data set
/// whole.
pub fn draw(results: &Results, chosen: &Chosen) -> Result<Figures, ReportError> {
    let study = &results.study;
    let of_study = STUDY_FIGURES.par_iter().map(|figure| {
        let about = About { words: &study.words(), name: figure.name, title: figure.title, caption: figure.caption };
        finish((figure.draw)(study), None, FOLDER, about, figure.source)
    });
    let mut figures = Figures::default();
    figures.add(of_study.collect())?;
    let alone = study.runs.len() == 1;
    let mut last: Option<(&str, Option<Arc<Stored>>)> = None;
    for without_images in chosen.figures.iter().map(|&index| &study.runs[index]) {
        let stored = match last.take() {
            Some((dataset, stored)) if dataset == without_images.dataset => stored,
            _ => load_dataset(results, without_images)?.map(Arc::new),
        };
        if let Some(stored) = &stored {
            check_maps(results, without_images, stored)?;
        }
        let run = &Run { stored: stored.clone(), ..without_images.clone() };
        let folder = if alone { FOLDER.to_owned() } else { format!("{FOLDER}/{}", run.id) };
        let of_run = RUN_FIGURES.par_iter().map(|figure| {
            let about = About { words: &run.words(), name: figure.name, title: figure.title, caption: figure.caption };
            finish((figure.draw)(run), Some(run.id.clone()), &folder, about, figure.source)
        });
        figures.add(of_run.collect())?;
        last = Some((&without_images.dataset, stored));
    }
    Ok(figures)
}

impl Figures {
    fn add(&mut self, results: Vec<Result<Result<Figure, NotDrawn>, FigureError>>) -> Result<(), FigureError> {
        for result in results {
            match result? {
                Ok(figure) => self.drawn.push(figure),
                Err(not_drawn) => self.not_drawn.push(not_drawn),
            }
        }
        Ok(())
    }
}

/// What a figure is called, before the words for its data set are put in.
struct About<'a> {
    words: &'a Words,
    name: &'a str,
    title: &'a str,
    caption: &'a str,
}

fn finish(
    drawn: Drawn,
    run_id: Option<String>,
    folder: &str,
    About { words, name, title, caption }: About,
    source: &'static str,
) -> Result<Result<Figure, NotDrawn>, FigureError> {
    let (title, caption) = (words.fill(title), words.fill(caption));
    let sheet = match drawn {
        Ok(sheet) => sheet,
        Err(missing) => return Ok(Err(NotDrawn { run_id, title, needs: missing.to_string() })),
    };
    Ok(Ok(Figure {
        run_id,
        path: format!("{folder}/{}", words.file_name(name)),
        title,
        caption: std::iter::once(caption.as_str())
            .chain(sheet.notes().iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join(" "),
        source,
        size: sheet.size(),
        svg: sheet.to_svg()?,
        png: sheet.to_png()?,
    }))
}

/// Writes the figures below the results folder, and returns the names of their files. Those of an earlier report that are
/// not among them are removed.
pub fn save(figures: &Figures, folder: &Folder) -> Result<Vec<String>, ReportError> {
    let unwritable = |path: PathBuf| move |source| ReportError::Unwritable { path, source };
    let mut written: HashSet<String> = HashSet::new();
    for figure in &figures.drawn {
        for (ending, bytes) in [("svg", figure.svg.as_bytes()), ("png", &figure.png)] {
            let name = format!("{}.{ending}", figure.path);
            let parent = name.rsplit_once('/').map_or_else(|| folder.clone(), |(parent, _)| folder.folder(parent));
            let replaced = parent.make().and_then(|()| folder.replace(&name, bytes));
            replaced.map_err(unwritable(folder.path_of(&name)))?;
            written.insert(name);
        }
    }
    remove_others(&written, folder).map_err(unwritable(folder.path_of(FOLDER)))?;
    Ok(written.into_iter().collect())
}

/// Removes figures that are not among the `written` ones; what else a user has put there stays.
fn remove_others(written: &HashSet<String>, folder: &Folder) -> std::io::Result<()> {
    let names = RUN_FIGURES.iter().map(|figure| figure.name).chain(STUDY_FIGURES.iter().map(|figure| figure.name));
    let names: HashSet<String> =
        names.flat_map(|name| ["svg", "png"].map(|ending| format!("{name}.{ending}"))).collect();
    for item in folder.folder(FOLDER).list()? {
        let name = format!("{FOLDER}/{}", item.name);
        let of_run = item.kind == Kind::Folder && is_run_id(&item.name);
        let stale = of_run && !written.iter().any(|written| written.starts_with(&format!("{name}/")));
        if stale || (names.contains(&item.name) && !written.contains(&name)) {
            folder.remove_all(&name)?;
        }
    }
    Ok(())
}
