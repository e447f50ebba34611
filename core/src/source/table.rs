//! The table of a user's images: which row has which image, target and part of the data set.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::bad_data::{BadData, Place, Problem};
use super::cells::{self, Cells, Record};
use super::file_source::FileSource;
use super::split::{self, Fold};
use crate::data::{Partition, Split};
use crate::settings::near_miss;
use crate::shown::shown;

/// A row of the table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub place: Place,
    /// Its index among all rows of the table, and that of its image where all are in one array.
    pub index: usize,
    pub name: String,
    pub target: f32,
    /// Its image; none where all are in one array.
    pub image: Option<PathBuf>,
    /// Its masks, in the order of the source's regions; none where the cell is empty.
    pub masks: Vec<Option<PathBuf>>,
    /// The labels of its pixels, where each row has a file of its own.
    pub atlas: Option<PathBuf>,
    /// The part, or the fold, that its row names; empty where no column does.
    part: String,
    /// What keeps it together with other rows; empty where nothing does.
    group: String,
    /// What it is compared by; empty where it is not.
    pub compared: String,
}

/// The columns that a source reads, by their places.
struct Columns {
    target: usize,
    id: Option<usize>,
    image: Option<usize>,
    split: Option<usize>,
    group: Option<usize>,
    group_by: Option<usize>,
    masks: Vec<usize>,
    atlas: Option<usize>,
}

/// What a table holds.
pub(super) struct Table {
    pub rows: Vec<Row>,
    /// Number of all rows, those included whose cells do not fit the header.
    pub count: usize,
    /// What is wrong with the cells of some rows. These are among the rows, since their files can be looked at all the same.
    pub problems: Vec<Problem>,
    /// Whether `data.atlas` names a column rather than a file.
    pub atlas_of_rows: bool,
}

/// Reads all rows.
pub(super) fn read(source: &FileSource) -> Result<Table, BadData> {
    let folder = source.table.parent().unwrap_or(Path::new(""));
    let Cells { header, records } = cells::read(&source.table)?;
    let columns = Columns::find(source, &header)?;
    let (mut rows, mut problems, count) = (Vec::new(), Vec::new(), records.len());
    let mut named: HashMap<String, Place> = HashMap::new();
    for (index, Record { place, cells }) in records.into_iter().enumerate() {
        if cells.len() != header.len() {
            let message = format!("it has {} cells, but the header has {}", cells.len(), header.len());
            problems.push(Problem { place: Some(place), column: None, message });
            continue;
        }
        let cell = |column: usize| cells.get(column).map_or("", |cell| cell.trim());
        let mut wrong = |column: usize, message: String| {
            let column = header.get(column).cloned();
            problems.push(Problem { place: Some(place), column, message });
        };
        let target = cell(columns.target).parse::<f32>().ok().filter(|target| target.is_finite());
        if target.is_none() {
            wrong(columns.target, format!("\"{}\" is not a finite number", shown(cell(columns.target))));
        }
        let name = columns.id.map_or_else(|| (index + 1).to_string(), |column| cell(column).to_owned());
        if let Some(column) = columns.id {
            match named.get(&name) {
                _ if name.is_empty() => wrong(column, "is empty".into()),
                Some(first) => wrong(column, format!("\"{}\" is also in {first}", shown(&name))),
                None => {
                    named.insert(name.clone(), place);
                }
            }
        }
        let folds_named = columns.split.filter(|_| source.fold.is_some());
        for column in [columns.image, columns.group, columns.group_by, columns.atlas, folds_named].into_iter().flatten()
        {
            if cell(column).is_empty() {
                wrong(column, "is empty".into());
            }
        }
        if let Some(column) = columns.split
            && source.fold.is_none()
            && part_of(cell(column)).is_none()
        {
            wrong(column, format!("\"{}\" is not \"train\", \"validation\" or \"test\"", shown(cell(column))));
        }
        let file = |column: usize| Some(cell(column)).filter(|file| !file.is_empty()).map(|file| folder.join(file));
        let text = |column: Option<usize>| column.map(|column| cell(column).to_owned()).unwrap_or_default();
        rows.push(Row {
            place,
            index,
            name,
            target: target.unwrap_or_default(),
            image: columns.image.and_then(file),
            masks: columns.masks.iter().map(|&column| file(column)).collect(),
            atlas: columns.atlas.and_then(file),
            part: text(columns.split),
            group: text(columns.group),
            compared: text(columns.group_by),
        });
    }
    Ok(Table { rows, count, problems, atlas_of_rows: columns.atlas.is_some() })
}

/// Takes out the rows that something is wrong with.
pub(super) fn exclude(rows: &mut Vec<Row>, problems: &[Problem]) {
    let excluded: HashSet<Place> = problems.iter().filter_map(|problem| problem.place).collect();
    rows.retain(|row| !excluded.contains(&row.place));
}

/// The part of every row, none of which is empty.
pub(super) fn partition(source: &FileSource, rows: &[Row]) -> Result<Partition, BadData> {
    let partition = parts_of(source, rows)?;
    match Split::PARTS.into_iter().find(|split| partition.samples(*split).is_empty()) {
        None => Ok(partition),
        Some(split) => {
            let message = format!("none of its {} rows is in the {} set", rows.len(), split.name());
            Err(BadData::whole(source.table.display(), message, "add rows, or change data.split"))
        }
    }
}

fn parts_of(source: &FileSource, rows: &[Row]) -> Result<Partition, BadData> {
    let targets: Vec<f32> = rows.iter().map(|row| row.target).collect();
    let groups: Vec<&str> = rows.iter().map(|row| row.group.as_str()).collect();
    let groups = source.group.as_ref().map(|_| &groups[..]);
    let parts: Vec<&str> = rows.iter().map(|row| row.part.as_str()).collect();
    let folds = match (source.fold, &source.split.column) {
        (None, Some(_)) => {
            let parts: Vec<Split> = parts.iter().filter_map(|part| part_of(part)).collect();
            kept_together(source, rows, groups, &parts.iter().map(|part| part.name()).collect::<Vec<_>>())?;
            return Ok(Partition::new(parts));
        }
        (Some(fold), Some(_)) => {
            kept_together(source, rows, groups, &parts)?;
            Some(folds_named(source, &parts, fold)?)
        }
        (_, None) => None,
    };
    let of_rows = split::Rows { targets: &targets, groups, folds: folds.as_deref() };
    Ok(split::draw(&of_rows, &source.split, source.fold))
}

/// Refuses a column that puts rows of one group into several parts.
fn kept_together(source: &FileSource, rows: &[Row], groups: Option<&[&str]>, parts: &[&str]) -> Result<(), BadData> {
    let mut first: HashMap<&str, usize> = HashMap::new();
    let mut problems = Vec::new();
    for (row, group) in groups.into_iter().flatten().enumerate() {
        let known = *first.entry(group).or_insert(row);
        if parts[known] != parts[row] {
            let message = format!(
                "group \"{}\" is in \"{}\" here and in \"{}\" in {}",
                shown(group),
                shown(parts[row]),
                shown(parts[known]),
                rows[known].place
            );
            problems.push(Problem { place: Some(rows[row].place), column: source.split.column.clone(), message });
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    let help = "give all rows of a group one part, or leave data.group out".to_owned();
    Err(BadData { path: source.table.display().to_string(), problems, help })
}

/// The fold of each row, from a column of names: numbers in their order, others in that of the alphabet.
fn folds_named(source: &FileSource, names: &[&str], fold: Fold) -> Result<Vec<usize>, BadData> {
    let mut all: Vec<&str> = names.to_vec();
    all.sort_by(|a, b| match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(one), Ok(other)) => one.total_cmp(&other).then_with(|| a.cmp(b)),
        (Ok(_), Err(_)) => std::cmp::Ordering::Less,
        (Err(_), Ok(_)) => std::cmp::Ordering::Greater,
        _ => a.cmp(b),
    });
    all.dedup();
    if all.len() != fold.count {
        let column = source.split.column.as_deref().unwrap_or_default();
        let message = format!("column `{}` names {} folds, but data.folds is {}", shown(column), all.len(), fold.count);
        let help = format!("set data.folds = {}, or name another column", all.len());
        return Err(BadData::whole(source.table.display(), message, help));
    }
    let place: HashMap<&str, usize> = all.iter().enumerate().map(|(fold, name)| (*name, fold)).collect();
    Ok(names.iter().map(|name| place[name]).collect())
}

impl Columns {
    fn find(source: &FileSource, header: &[String]) -> Result<Self, BadData> {
        let mut problems = Vec::new();
        let mut place = |key: &str, name: &str| {
            let mut named = (0..header.len()).filter(|&column| header[column].trim() == name);
            let found = named.next();
            if let Some(second) = named.next() {
                let places = format!("{} and {}", found.unwrap_or_default() + 1, second + 1);
                let message =
                    format!("two columns are called `{}`, numbers {places}; data.{key} means one", shown(name));
                problems.push(Problem { place: None, column: None, message });
            } else if found.is_none() {
                let all = header.iter().map(|column| shown(column)).collect::<Vec<_>>().join(", ");
                let meant = near_miss(name, header.iter().map(String::as_str))
                    .map(|near| format!("; did you mean `{}`?", shown(near)));
                let message = format!(
                    "there is no column `{}` for data.{key}{} (there are: {all})",
                    shown(name),
                    meant.unwrap_or_default()
                );
                problems.push(Problem { place: None, column: None, message });
            }
            found
        };
        let target = place("target", &source.target);
        let id = source.id.as_deref().map(|name| place("id", name));
        let image = source.image.as_deref().map(|name| place("image", name));
        let split = source.split.column.as_deref().map(|name| place("split.column", name));
        let group = source.group.as_deref().map(|name| place("group", name));
        let group_by = source.group_by.as_deref().map(|name| place("group_by", name));
        // What is no column is a file.
        let atlas = source.atlas.as_ref().map(|atlas| &atlas.labels).filter(|labels| header.contains(labels));
        let atlas = atlas.map(|name| place("atlas", name));
        let masks: Vec<_> =
            source.masks.iter().map(|(region, column)| place(&format!("masks.{region}"), column)).collect();
        if !problems.is_empty() {
            let help = "name columns as the table's header does, each by a name of its own".to_owned();
            return Err(BadData { path: source.table.display().to_string(), problems, help });
        }
        Ok(Self {
            target: target.unwrap_or_default(),
            id: id.flatten(),
            image: image.flatten(),
            split: split.flatten(),
            group: group.flatten(),
            group_by: group_by.flatten(),
            masks: masks.into_iter().flatten().collect(),
            atlas: atlas.flatten(),
        })
    }
}

/// The part that a cell names.
fn part_of(cell: &str) -> Option<Split> {
    match cell.to_lowercase().as_str() {
        "val" | "valid" => Some(Split::Validation),
        name => Split::named(name),
    }
}
