//! The table of a user's images: which row has which image, target and part of the data set.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use csv_core::{ReadRecordResult, ReaderBuilder};

use super::bad_data::{BadData, Problem};
use super::files::FileSource;
use super::split::{self, Fold};
use crate::data::{Partition, Split};
use crate::settings::near_miss;
use crate::shown::shown;

/// A row of the table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    /// Line in the file, counted from 1 at the header.
    pub line: u64,
    pub name: String,
    pub target: f32,
    /// Its image; none where all are in one array.
    pub image: Option<PathBuf>,
    /// Its masks, in the order of the source's regions; none where the cell is empty.
    pub masks: Vec<Option<PathBuf>>,
}

/// The columns that a source reads, by their places.
struct Columns {
    target: usize,
    id: Option<usize>,
    image: Option<usize>,
    split: Option<usize>,
    group: Option<usize>,
    masks: Vec<usize>,
}

/// What a table holds.
pub(super) struct Table {
    pub rows: Vec<Row>,
    pub partition: Partition,
    /// What is wrong with its cells. Rows and parts are of no use then, but for looking at their files.
    pub problems: Vec<Problem>,
}

/// Reads all rows, and the part of each.
pub(super) fn read(source: &FileSource) -> Result<Table, BadData> {
    let (path, folder) = (&source.table, source.table.parent().unwrap_or(Path::new("")));
    let whole = |message: String, help: &str| BadData::whole(path.display(), message, help);
    let delimiter = match path.extension().and_then(|ending| ending.to_str()).map(str::to_lowercase).as_deref() {
        Some("csv") => b',',
        Some("tsv" | "tab") => b'\t',
        _ => return Err(whole("a table ends with .csv or .tsv".into(), "save it as one of these, with a header")),
    };
    let text = crate::disk::read_linked(path).map_err(|error| whole(error.to_string(), "give the path of a table"))?;
    let text = String::from_utf8(text).map_err(|error| whole(error.to_string(), "save it as text in UTF-8"))?;
    let mut records = records(text.trim_start_matches('\u{feff}').as_bytes(), delimiter).into_iter();
    let header = records.next().map(|record| record.cells).unwrap_or_default();
    let columns = Columns::find(source, &header)?;
    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    let (mut parts, mut groups) = (Vec::new(), Vec::new());
    let mut lines: HashMap<String, u64> = HashMap::new();
    for Record { line, cells } in records {
        if cells.len() != header.len() {
            let message = format!("it has {} cells, but the header has {}", cells.len(), header.len());
            problems.push(Problem { line: Some(line), column: None, message });
            continue;
        }
        let cell = |column: usize| cells.get(column).map_or("", |cell| cell.trim());
        let mut wrong = |column: usize, message: String| {
            let column = header.get(column).cloned();
            problems.push(Problem { line: Some(line), column, message });
        };
        let target = cell(columns.target).parse::<f32>().ok().filter(|target| target.is_finite());
        if target.is_none() {
            wrong(columns.target, format!("\"{}\" is not a finite number", shown(cell(columns.target))));
        }
        let name = columns.id.map_or_else(|| (rows.len() + 1).to_string(), |column| cell(column).to_owned());
        if let Some(column) = columns.id {
            match lines.insert(name.clone(), line) {
                _ if name.is_empty() => wrong(column, "is empty".into()),
                Some(first) => wrong(column, format!("\"{}\" is also in line {first}", shown(&name))),
                None => {}
            }
        }
        let image = columns.image.map(cell);
        if image == Some("") {
            wrong(columns.image.unwrap_or_default(), "is empty".into());
        }
        for column in [columns.group, columns.split.filter(|_| source.fold.is_some())].into_iter().flatten() {
            if cell(column).is_empty() {
                wrong(column, "is empty".into());
            }
        }
        if let Some(column) = columns.split {
            if source.fold.is_none() && part_of(cell(column)).is_none() {
                wrong(column, format!("\"{}\" is not \"train\", \"validation\" or \"test\"", shown(cell(column))));
            }
            parts.push(cell(column).to_owned());
        }
        groups.extend(columns.group.map(|column| cell(column).to_owned()));
        let mask = |column: &usize| Some(cell(*column)).filter(|file| !file.is_empty()).map(|file| folder.join(file));
        rows.push(Row {
            line,
            name,
            target: target.unwrap_or_default(),
            image: image.filter(|file| !file.is_empty()).map(|file| folder.join(file)),
            masks: columns.masks.iter().map(mask).collect(),
        });
    }
    // Parts of rows that cannot be used do not matter.
    let partition = match problems.is_empty() {
        true => partition(source, &rows, &parts, &groups)?,
        false => Partition::new(vec![Split::Train; rows.len()]),
    };
    let empty = |split: &Split| partition.samples(*split).is_empty();
    if problems.is_empty()
        && let Some(split) = Split::PARTS.into_iter().find(empty)
    {
        let message = format!("none of its {} rows is in the {} set", rows.len(), split.name());
        return Err(whole(message, "add rows, or change data.split"));
    }
    Ok(Table { rows, partition, problems })
}

/// The part of every row. `parts` and `groups` are the entries of these columns, empty where there is no such column.
fn partition(source: &FileSource, rows: &[Row], parts: &[String], groups: &[String]) -> Result<Partition, BadData> {
    let targets: Vec<f32> = rows.iter().map(|row| row.target).collect();
    let groups = source.group.as_ref().map(|_| groups);
    let folds = match (source.fold, &source.split.column) {
        (None, Some(_)) => {
            let parts: Vec<Split> = parts.iter().filter_map(|part| part_of(part)).collect();
            kept_together(source, rows, groups, &parts.iter().map(|part| part.name()).collect::<Vec<_>>())?;
            return Ok(Partition::new(parts));
        }
        (Some(fold), Some(_)) => {
            kept_together(source, rows, groups, &parts.iter().map(String::as_str).collect::<Vec<_>>())?;
            Some(folds_named(source, parts, fold)?)
        }
        (_, None) => None,
    };
    let of_rows = split::Rows { targets: &targets, groups, folds: folds.as_deref() };
    Ok(split::draw(&of_rows, &source.split, source.fold))
}

/// Refuses a column that puts rows of one group into several parts.
fn kept_together(source: &FileSource, rows: &[Row], groups: Option<&[String]>, parts: &[&str]) -> Result<(), BadData> {
    let mut first: HashMap<&str, usize> = HashMap::new();
    let mut problems = Vec::new();
    for (row, group) in groups.into_iter().flatten().enumerate() {
        let known = *first.entry(group).or_insert(row);
        if parts[known] != parts[row] {
            let message = format!(
                "group \"{}\" is in \"{}\" here and in \"{}\" in line {}",
                shown(group),
                shown(parts[row]),
                shown(parts[known]),
                rows[known].line
            );
            problems.push(Problem { line: Some(rows[row].line), column: source.split.column.clone(), message });
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    let help = "give all rows of a group one part, or leave data.group out".to_owned();
    Err(BadData { path: source.table.display().to_string(), problems, help })
}

/// The fold of each row, from a column of names: numbers in their order, others in that of the alphabet.
fn folds_named(source: &FileSource, names: &[String], fold: Fold) -> Result<Vec<usize>, BadData> {
    let mut all: Vec<&String> = names.iter().collect();
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
    let place: HashMap<&str, usize> = all.iter().enumerate().map(|(fold, name)| (name.as_str(), fold)).collect();
    Ok(names.iter().map(|name| place[name.as_str()]).collect())
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
                problems.push(Problem { line: None, column: None, message });
            } else if found.is_none() {
                let all = header.iter().map(|column| shown(column)).collect::<Vec<_>>().join(", ");
                let meant = near_miss(name, header.iter().map(String::as_str))
                    .map(|near| format!("; did you mean `{}`?", shown(near)));
                let message = format!(
                    "there is no column `{}` for data.{key}{} (there are: {all})",
                    shown(name),
                    meant.unwrap_or_default()
                );
                problems.push(Problem { line: None, column: None, message });
            }
            found
        };
        let target = place("target", &source.target);
        let id = source.id.as_deref().map(|name| place("id", name));
        let image = source.image.as_deref().map(|name| place("image", name));
        let split = source.split.column.as_deref().map(|name| place("split.column", name));
        let group = source.group.as_deref().map(|name| place("group", name));
        let masks: Vec<_> =
            source.masks.iter().map(|(region, column)| place(&format!("masks.{region}"), column)).collect();
        if !problems.is_empty() {
            let help = "name columns as the table's header does, each by a name of its own".to_owned();
            return Err(BadData { path: source.table.display().to_string(), problems, help });
        }
        let (id, image, split, group) = (id.flatten(), image.flatten(), split.flatten(), group.flatten());
        let masks = masks.into_iter().flatten().collect();
        Ok(Self { target: target.unwrap_or_default(), id, image, split, group, masks })
    }
}

/// A row as it is written, with the line on which it begins.
struct Record {
    line: u64,
    cells: Vec<String>,
}

/// The rows of a table, of which empty ones are passed over. Quotes, and line breaks between them, are read as RFC 4180 has them.
fn records(mut text: &[u8], delimiter: u8) -> Vec<Record> {
    let mut reader = ReaderBuilder::new().delimiter(delimiter).build();
    let breaks = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
    let (mut records, mut line, mut passed) = (Vec::new(), 1, 1);
    let (mut bytes, mut ends) = (vec![0; 1024], vec![0; 64]);
    let (mut written, mut ended) = (0, 0);
    loop {
        let (result, read, wrote, ended_now) = reader.read_record(text, &mut bytes[written..], &mut ends[ended..]);
        let (taken, rest) = text.split_at(read);
        (text, passed) = (rest, passed + breaks(taken));
        (written, ended) = (written + wrote, ended + ended_now);
        match result {
            ReadRecordResult::InputEmpty => {}
            ReadRecordResult::OutputFull => bytes.resize(2 * bytes.len(), 0),
            ReadRecordResult::OutputEndsFull => ends.resize(2 * ends.len(), 0),
            ReadRecordResult::Record => {
                let starts = [0].into_iter().chain(ends[..ended].iter().copied());
                let cell = |(start, &end): (usize, &usize)| String::from_utf8_lossy(&bytes[start..end]).into_owned();
                records.push(Record { line, cells: starts.zip(&ends[..ended]).map(cell).collect() });
                (written, ended) = (0, 0);
                // Line breaks before the next record, so that it begins on its own line.
                let gap = text.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                let (taken, rest) = text.split_at(gap);
                (text, passed) = (rest, passed + breaks(taken));
                line = passed;
            }
            ReadRecordResult::End => return records,
        }
    }
}

/// The part that a cell names.
fn part_of(cell: &str) -> Option<Split> {
    match cell.to_lowercase().as_str() {
        "val" | "valid" => Some(Split::Validation),
        name => Split::named(name),
    }
}
