//! Drawing all figures that can be drawn, and saving them.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::ReportError;
use super::choice::Chosen;
use crate::figure::FigureError;
use crate::figure::registry::{Drawn, RUN_FIGURES, STUDY_FIGURES};
use crate::store::write_atomically;

/// A figure as files.
pub struct Figure {
    /// The run it is of; none where it is of several.
    pub run_id: Option<String>,
    /// Its files without ending, relative to the results folder.
    pub path: String,
    pub title: &'static str,
    pub caption: &'static str,
    pub source: &'static str,
    /// Width and height in units.
    pub size: (f64, f64),
    pub svg: String,
    pub png: Vec<u8>,
}

/// A figure that lacks something.
pub struct NotDrawn {
    pub run_id: Option<String>,
    pub title: &'static str,
    /// What it needs.
    pub needs: String,
}

#[derive(Default)]
pub struct Figures {
    pub drawn: Vec<Figure>,
    pub not_drawn: Vec<NotDrawn>,
}

/// Draws every figure of the chosen runs, and every comparison.
pub fn draw(chosen: &Chosen) -> Result<Figures, FigureError> {
    let study = &chosen.study;
    let alone = study.runs.len() == 1;
    let of_runs = chosen.figures.par_iter().flat_map(|&index| {
        let run = &study.runs[index];
        let folder = if alone { "figures".to_owned() } else { format!("figures/{}", run.id) };
        RUN_FIGURES.par_iter().map(move |figure| {
            let path = format!("{folder}/{}", figure.name);
            finish((figure.draw)(run), Some(run.id.clone()), path, figure.title, figure.caption, figure.source)
        })
    });
    let of_study = STUDY_FIGURES.par_iter().map(|figure| {
        let path = format!("figures/{}", figure.name);
        finish((figure.draw)(study), None, path, figure.title, figure.caption, figure.source)
    });
    let mut figures = Figures::default();
    for result in of_study.chain(of_runs).collect::<Vec<_>>() {
        match result? {
            Ok(figure) => figures.drawn.push(figure),
            Err(not_drawn) => figures.not_drawn.push(not_drawn),
        }
    }
    Ok(figures)
}

fn finish(
    drawn: Drawn,
    run_id: Option<String>,
    path: String,
    title: &'static str,
    caption: &'static str,
    source: &'static str,
) -> Result<Result<Figure, NotDrawn>, FigureError> {
    let sheet = match drawn {
        Ok(sheet) => sheet,
        Err(missing) => return Ok(Err(NotDrawn { run_id, title, needs: missing.to_string() })),
    };
    Ok(Ok(Figure {
        run_id,
        path,
        title,
        caption,
        source,
        size: sheet.size(),
        svg: sheet.to_svg()?,
        png: sheet.to_png()?,
    }))
}

/// Writes the figures below the results folder; those of an earlier report that are not among them are removed.
pub fn save(figures: &Figures, folder: &Path) -> Result<(), ReportError> {
    let unwritable = |path: &Path| {
        let path = path.to_owned();
        move |source| ReportError::Unwritable { path, source }
    };
    let mut written: HashSet<PathBuf> = HashSet::new();
    for figure in &figures.drawn {
        for (ending, bytes) in [("svg", figure.svg.as_bytes()), ("png", &figure.png)] {
            let path = folder.join(&figure.path).with_extension(ending);
            let parent = path.parent().unwrap_or(folder);
            fs::create_dir_all(parent).map_err(unwritable(parent))?;
            write_atomically(&path, bytes).map_err(unwritable(&path))?;
            written.insert(path);
        }
    }
    let names = RUN_FIGURES.iter().map(|figure| figure.name).chain(STUDY_FIGURES.iter().map(|figure| figure.name));
    let stale =
        names.flat_map(|name| ["svg", "png"].map(|ending| folder.join("figures").join(name).with_extension(ending)));
    for path in stale.filter(|path| !written.contains(path) && path.exists()) {
        fs::remove_file(&path).map_err(unwritable(&path))?;
    }
    Ok(())
}
