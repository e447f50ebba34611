//! A results folder, read back.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ReportError;
use crate::data::Split;
use crate::disk::Folder;
use crate::figure::study::{self, Ensemble, Run, Score, Study, Value};
use crate::key::may_name_run;
use crate::metric::ENSEMBLE_METRICS;
use crate::picture::Colormap;
use crate::plan::{FrozenPlan, PLAN, Plan, PlannedRun};
use crate::source::Source;
use crate::stage::Job;
use crate::stage_name::StageName;
use crate::tables;
use crate::tables::{Cells, Table, Texts};
use crate::task::Task;
use crate::unit::{Unit, Units};

/// Columns of the runs' table that hold neither a setting nor a score.
const FACTS: [&str; 4] = ["run_id", "status", "reason", "note"];

/// The contents of a results folder, all that there is much of for each run left where it is.
pub struct Results {
    pub path: PathBuf,
    pub name: String,
    pub description: String,
    /// `spec.toml` as it is.
    pub spec: String,
    /// `provenance.json`; null where there is none.
    pub provenance: serde_json::Value,
    /// `runs.parquet`.
    pub table: Table,
    /// The runs that are done, with what the tables of runs and ensembles tell of them.
    pub study: Study,
}

impl Results {
    /// Reads what is told of whole runs in a results folder.
    ///
    /// # Errors
    /// [`ReportError`] where the spec or the table of runs cannot be read, or another table is damaged.
    pub fn read(path: &Path) -> Result<Self, ReportError> {
        let folder = Folder::at(path);
        let unreadable = |reason: String| ReportError::Unreadable { path: path.join("spec.toml"), reason };
        let spec = folder.read("spec.toml").map_err(|error| unreadable(error.to_string()))?;
        let spec = String::from_utf8(spec).map_err(|error| unreadable(error.to_string()))?;
        let settings: toml::Table = spec.parse().map_err(|error: toml::de::Error| unreadable(error.to_string()))?;
        let provenance = folder.read("provenance.json").ok();
        let provenance = provenance.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        let experiment = settings.get("experiment");
        let text = |key: &str| {
            experiment.and_then(|section| section.get(key)).and_then(toml::Value::as_str).unwrap_or_default().to_owned()
        };
        let plan = FrozenPlan::read(&folder);
        let plan =
            plan.map_err(|error| ReportError::Unreadable { path: path.join(PLAN), reason: error.to_string() })?;
        let table = Table::read(&path.join("runs.parquet"), None)?;
        let name = text("name");
        let runs = read_runs(path, &table, &plan.plan)?;
        let description = text("description");
        Ok(Self {
            path: path.to_owned(),
            study: Study { name: name.clone(), runs, ensembles: read_ensembles(path)? },
            name,
            description,
            spec,
            provenance,
            table,
        })
    }

    /// The file with the maps of a run; nothing where there is none.
    ///
    /// # Errors
    /// [`ReportError`] for a link, or something else that is not a plain file.
    pub fn relevance(&self, run_id: &str) -> Result<Option<PathBuf>, ReportError> {
        let (folder, name) = (Folder::at(&self.path), format!("relevance/{run_id}.npy"));
        match folder.file(&name) {
            Ok(path) => Ok(Some(path)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ReportError::Unreadable { path: folder.path_of(&name), reason: error.to_string() }),
        }
    }

    /// The file with the data set of a run; nothing where there is none.
    ///
    /// # Errors
    /// [`ReportError`] for a link, or something else that is not a plain file.
    pub fn dataset(&self, run: &Run) -> Result<Option<PathBuf>, ReportError> {
        let (folder, name) = (Folder::at(&self.path), format!("datasets/{}.npz", run.dataset));
        match folder.file(&name) {
            Ok(path) => Ok(Some(path)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ReportError::Unreadable { path: folder.path_of(&name), reason: error.to_string() }),
        }
    }

    /// Whether a column of the runs' table is a setting that differs between runs, or counts repetitions.
    pub fn is_setting(column: &str) -> bool {
        column.contains('.') || column == "replicate"
    }
}

/// What a run was planned as.
struct Planned<'a> {
    source: &'a Source,
    task: Task,
    /// The name of the explanation, or else of the analyzer.
    explanation: &'a str,
    subset: Split,
    colormap: Colormap,
    /// The keys of its data set, its network and its maps.
    keys: [String; 3],
}

impl<'a> Planned<'a> {
    fn of(plan: &'a Plan, run: &'a PlannedRun) -> Option<Self> {
        let task = |stage| plan.tasks.get(run.tasks[stage]);
        let [dataset, network, maps] = [StageName::Simulate, StageName::Train, StageName::Explain].map(task);
        let (dataset, network, maps) = (dataset?, network?, maps?);
        let (Job::Simulate { data }, Job::Train { model, .. }, Job::Explain { explain, .. }) =
            (&dataset.job, &network.job, &maps.job)
        else {
            return None;
        };
        Some(Self {
            source: data,
            task: model.task,
            explanation: run.explanation.as_deref().unwrap_or(explain.analyzer.name()),
            subset: explain.subset,
            colormap: match plan.tasks.get(run.tasks[StageName::Render]).map(|task| &task.job) {
                Some(Job::Render { heatmaps, .. }) => heatmaps.colormap.unwrap_or_default(),
                _ => Colormap::default(),
            },
            keys: [dataset, network, maps].map(|task| task.key.to_string()),
        })
    }
}

/// The runs that are done, without what other tables tell of them.
fn read_runs(path: &Path, table: &Table, plan: &Plan) -> Result<Vec<Run>, ReportError> {
    let none = Texts::default();
    let text = |name: &str| table.texts(name).unwrap_or(&none);
    let (ids, states) = (text("run_id"), text("status"));
    let planned: HashMap<&str, &PlannedRun> = plan.runs.iter().map(|run| (run.run_id.as_str(), run)).collect();
    let of_scores = table.columns.iter().filter(|(name, _)| is_score(name));
    let names: Vec<Arc<str>> = of_scores.map(|(name, _)| name.as_str().into()).collect();
    let mut runs = Vec::new();
    for row in (0..table.rows).filter(|&row| states.get(row) == Some("done")) {
        let Some(id) = ids.get(row) else { continue };
        if !may_name_run(id) {
            return Err(ReportError::NotARun { path: path.join("runs.parquet"), id: id.to_owned() });
        }
        let Some(planned) = planned.get(id).and_then(|run| Planned::of(plan, run)) else {
            let reason = format!("it has no run {id}, which is in runs.parquet");
            return Err(ReportError::Unreadable { path: path.join(PLAN), reason });
        };
        let Planned { source, task, explanation: name, subset, colormap, keys: [dataset, network, explanation] } =
            planned;
        let scores = names.iter().filter_map(|name| {
            let value = table.number(name, row).filter(|value| value.is_finite())?;
            Some(Score { sample: None, metric: Arc::clone(name), sign: None, value })
        });
        runs.push(Run {
            id: id.to_owned(),
            varied: varied(table, row),
            task,
            source: source.clone(),
            stored: None,
            unit: Units::of(task, &source.target(), Unit::OUTPUT).of_relevance(),
            samples: Arc::default(),
            dataset,
            network,
            explanation,
            analyzer: name.to_owned(),
            colormap,
            subset,
            epochs: Vec::new(),
            predictions: Vec::new(),
            scores: scores.collect(),
            sums: Vec::new(),
            maps: None,
        });
    }
    Ok(runs)
}

/// Whether a column of the runs' table is a score.
pub fn is_score(column: &str) -> bool {
    let other = ["_key", "_seconds", "_bytes", "_at", "_host"].iter().any(|ending| column.ends_with(ending));
    !other && !FACTS.contains(&column) && !Results::is_setting(column)
}

/// What was varied, in this row: columns under their dotted names.
fn varied(table: &Table, row: usize) -> Vec<(String, Value)> {
    let columns = table.columns.iter().filter(|(name, _)| Results::is_setting(name));
    let value = |(name, cells): &(String, Cells)| {
        let value = match cells {
            Cells::Integers(integers) => Value::Integer(integers[row]?),
            Cells::Numbers(numbers) => Value::Number(Some(numbers[row]).filter(|number| number.is_finite())?),
            Cells::Texts(texts) => Value::Text(plain_number(texts.get(row)?)),
        };
        Some((name.clone(), value))
    };
    columns.filter_map(value).collect()
}

/// "20" for "20.0", as numbers are written among names. Whole numbers stay as they are, however large.
fn plain_number(text: &str) -> String {
    let begins = text.starts_with(|first: char| first.is_ascii_digit() || first == '-');
    let fraction = text.parse::<f64>().ok().filter(|_| begins && text.parse::<i128>().is_err());
    fraction.map_or_else(|| text.to_owned(), |number| number.to_string())
}

/// Ensembles with the scores of their images; nothing where there are none.
fn read_ensembles(path: &Path) -> Result<Vec<Ensemble>, ReportError> {
    let [of_ensembles, of_images] = tables::ENSEMBLES.map(|name| path.join(name));
    if !of_ensembles.exists() {
        return Ok(Vec::new());
    }
    let (table, images) = (Table::read(&of_ensembles, None)?, Table::read(&of_images, None)?);
    let none = Texts::default();
    let (ids, owners) = (table.texts("ensemble_id").unwrap_or(&none), images.texts("ensemble_id").unwrap_or(&none));
    let mut of_owners: HashMap<&str, Vec<usize>> = HashMap::new();
    for image in 0..images.rows {
        if let Some(owner) = owners.get(image) {
            of_owners.entry(owner).or_default().push(image);
        }
    }
    let ensemble = |row: usize| {
        let id = ids.get(row)?;
        let rows = of_owners.get(id).map_or(&[][..], Vec::as_slice);
        let score = |name: &str| {
            let numbers = images.numbers(name)?;
            Some((name.to_owned(), rows.iter().map(|&image| numbers[image]).collect()))
        };
        Some(Ensemble {
            label: study::label(&varied(&table, row)),
            members: table.number("members", row)? as usize,
            scores: ENSEMBLE_METRICS.iter().filter_map(|metric| score(metric.about.name)).collect(),
        })
    };
    Ok((0..table.rows).filter_map(ensemble).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two runs of a sweep, of which only the first varies some of the keys.
    fn table() -> Table {
        let texts = |values: [Option<&str>; 2]| {
            let distinct: Vec<String> = values.iter().flatten().map(|text| (*text).to_owned()).collect();
            let place = |text: &str| distinct.iter().position(|known| known == text).map(|at| at as u32);
            let rows = values.iter().map(|text| text.and_then(place)).collect();
            Cells::Texts(Texts { distinct, rows })
        };
        let columns = [
            ("run_id", texts([Some("one"), Some("other")])),
            ("data.target_bias", Cells::Numbers(vec![30.0, f64::NAN])),
            ("data.distribution", texts([Some("biased"), Some("uniform")])),
            ("explain.reference", texts([Some("{ flooding = 70 }"), None])),
            ("model.seed", Cells::Integers(vec![Some(3), None])),
            ("replicate", Cells::Integers(vec![Some(0), Some(1)])),
            ("test_mae", Cells::Numbers(vec![5.0, 6.0])),
        ];
        Table { rows: 2, columns: columns.map(|(name, cells)| (name.to_owned(), cells)).into() }
    }

    #[test]
    fn columns_are_settings_scores_or_facts() {
        let table = table();
        let names = table.columns.iter().map(|(name, _)| name.as_str());
        let scores: Vec<&str> = names.clone().filter(|name| is_score(name)).collect();
        let settings: Vec<&str> = names.filter(|name| Results::is_setting(name)).collect();
        assert_eq!(scores, ["test_mae"]);
        let expected = ["data.target_bias", "data.distribution", "explain.reference", "model.seed", "replicate"];
        assert_eq!(settings, expected);
        assert!(["train_seconds", "peak_memory_bytes", "train_key"].iter().all(|fact| !is_score(fact)));
    }
}
