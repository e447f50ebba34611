//! `data.atlas`: the files of an atlas.

use std::path::Path;

use super::bad_data::BadData;
use super::cells;
use super::file_source::FileSource;
use super::picture;
use crate::disk;
use crate::raster::ImageShape;
use crate::shown::shown;

/// What all rows have in common of an atlas.
pub(super) struct Shared {
    pub names: Vec<(i32, String)>,
    /// `[height, width]`; none where each row has labels of its own.
    pub labels: Option<Vec<i32>>,
    pub checksum: blake3::Hash,
}

/// Reads what all rows have in common, for images of this shape.
pub(super) fn read(source: &FileSource, of_rows: bool, shape: ImageShape) -> Result<Option<Shared>, BadData> {
    let Some(files) = &source.atlas else { return Ok(None) };
    let folder = source.table.parent().unwrap_or(Path::new(""));
    let mut checksum = blake3::Hasher::new();
    let names = match &files.names {
        Some(names) => read_names(&folder.join(names))?,
        None => Vec::new(),
    };
    for (label, name) in &names {
        checksum.update(&label.to_le_bytes()).update(name.as_bytes()).update(&[0]);
    }
    let path = folder.join(&files.labels);
    let refused = |message: String| {
        let help =
            format!("give data.atlas a file of {} x {} labels, or a column of the table", shape.height, shape.width);
        BadData::whole(path.display(), message, help)
    };
    let labels = match of_rows {
        true => None,
        false => {
            let bytes = disk::read_linked(&path).map_err(|error| refused(error.to_string()))?;
            let (labels, sides) = picture::read_labels(&path, &bytes).map_err(refused)?;
            let as_images = sides == [shape.height, shape.width];
            if !as_images && source.size.is_none() {
                let message = format!("the atlas has {} x {} pixels, but the images have {shape}", sides[0], sides[1]);
                return Err(refused(message));
            }
            checksum.update(blake3::hash(&bytes).as_bytes());
            Some(if as_images { labels } else { source.fitted_labels(&labels, sides) })
        }
    };
    if labels.as_ref().is_some_and(|labels| labels.iter().all(|&label| label == 0)) {
        return Err(refused("all labels are 0, which is the background".into()));
    }
    Ok(Some(Shared { names, labels, checksum: checksum.finalize() }))
}

/// The names of labels, from a table.
fn read_names(path: &Path) -> Result<Vec<(i32, String)>, BadData> {
    let table = cells::read(path)?;
    let refused = |message: String| BadData::whole(path.display(), message, "give it the columns label,name");
    let column = |name: &str| {
        let found = table.header.iter().position(|column| column.trim().eq_ignore_ascii_case(name));
        found.ok_or_else(|| refused(format!("there is no column `{name}`")))
    };
    let (label, name) = (column("label")?, column("name")?);
    let mut names: Vec<(i32, String)> = Vec::new();
    for record in &table.records {
        let cell = |column: usize| record.cells.get(column).map_or("", |cell| cell.trim());
        let number = cell(label).parse::<f64>().ok().filter(|number| number.fract() == 0.0 && number.abs() < 1e9);
        let Some(number) = number else {
            return Err(refused(format!("{}: \"{}\" is not a whole number", record.place, shown(cell(label)))));
        };
        let (number, name) = (number as i32, cell(name).to_owned());
        if name.is_empty() {
            return Err(refused(format!("{}: label {number} has no name", record.place)));
        }
        if let Some((known, _)) = names.iter().find(|(known, other)| *known == number || *other == name) {
            let message = format!("{}: label {known} and label {number} cannot be told apart", record.place);
            return Err(refused(message));
        }
        names.push((number, name));
    }
    Ok(names)
}
