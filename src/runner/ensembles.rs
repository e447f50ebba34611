//! Ensembles: runs that differ by their seeds alone and explain the same images.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

use serde_json::{Value, json};

use super::reader::{Reader, target_of};
use super::results::{ENSEMBLES as FOLDER, ResultsFolder};
use crate::data::{Split, Target};
use crate::disk::{Folder, Kind};
use crate::error::{Error, Result};
use crate::event::RunStatus;
use crate::key::Key;
use crate::metric::ENSEMBLE_METRICS;
use crate::net::ModelSettings;
use crate::plan::is_seed;
use crate::plan::{Plan, PlannedRun};
use crate::stage::Job;
use crate::stage::ensemble::{Agreement, Member, combine, metrics};
use crate::stage_name::StageName;
use crate::store::Receipt;
use crate::tables;
use crate::tables::Table;
use crate::tables::{EnsembleImage, EnsembleRecord, RunRecord};
use crate::task::Task;

/// Raised when the same members would give other maps or scores.
const VERSION: u32 = 2;

/// What is there of them, with checksums: what has changed since is made again.
const RECEIPT: &str = ".ensembles.json";

/// Writes mean and standard deviation over the members of each ensemble, and tables of how far they agree. What is there
/// already of the same members stays; what belongs to no ensemble goes. Members are read one ensemble at a time.
pub fn write(
    plan: &Plan,
    records: &[RunRecord],
    reader: &mut Reader,
    done: &[bool],
    folder: &ResultsFolder,
) -> Result<()> {
    let ensembles = find(plan, records);
    let (results, maps) = (folder.folder(), folder.folder().folder(FOLDER));
    if ensembles.is_empty() {
        let removed = [FOLDER, RECEIPT].iter().chain(&tables::ENSEMBLES).try_for_each(|name| results.remove_all(name));
        return removed.map_err(|error| Error::io("remove ensembles from", folder.path(), &error));
    }
    maps.make().map_err(|error| Error::io("write", &maps.path(), &error))?;
    let known = if Receipt::holds(results, RECEIPT) { Known::read(folder.path()) } else { Known::default() };
    let mut rows = Vec::with_capacity(ensembles.len());
    for ensemble in &ensembles {
        let members = ensemble.read(plan, reader, done)?;
        let images = match known.images(ensemble, plan, members.samples.len(), &maps) {
            Some(images) => images,
            None => ensemble.combine(plan, &members, folder.path(), &maps)?,
        };
        rows.push(ensemble.record(plan, records, members, images));
    }
    tables::write_ensembles(results, &rows).map_err(|error| Error::Failed {
        message: format!("cannot write the tables of ensembles in {}: {error}", folder.path().display()),
        help: None,
    })?;
    remove_others(&maps, &ensembles).map_err(|error| Error::io("remove other maps from", &maps.path(), &error))?;
    let files = ensembles.iter().flat_map(Ensemble::files).map(|name| format!("{FOLDER}/{name}"));
    let files: Vec<String> = files.chain(tables::ENSEMBLES.map(str::to_owned)).collect();
    let receipt = Receipt::of(results, &[]).and_then(|receipt| receipt.write(results, RECEIPT, &files));
    receipt.map_err(|error| Error::io("write", &results.path_of(RECEIPT), &error))
}

/// What the maps and tables of an ensemble are made of, read from the store.
struct Members {
    /// Index in the data set of every image that members explain.
    samples: Vec<usize>,
    /// Of each of these images.
    targets: Vec<f32>,
    /// What is predicted.
    target: Target,
    /// Of each member: its predictions of these images, and which of its maps mean nothing.
    of_members: Vec<(Vec<f32>, BTreeSet<usize>)>,
}

/// Runs that make an ensemble.
struct Ensemble {
    /// What it is called: a short key of all settings but seeds.
    id: String,
    /// Of all that its maps and scores come from.
    key: Key,
    /// Indices of its runs, each with a network of its own.
    runs: Vec<usize>,
}

/// The ensembles among the runs that are done, in the order of their first runs.
fn find(plan: &Plan, records: &[RunRecord]) -> Vec<Ensemble> {
    let mut groups: Vec<(Key, Vec<usize>)> = Vec::new();
    let (mut place, mut networks) = (HashMap::new(), HashSet::new());
    for (run, planned) in plan.runs.iter().enumerate().filter(|(run, _)| records[*run].status == RunStatus::Done) {
        let setting = setting(plan, planned);
        let group = *place.entry(setting.clone()).or_insert(groups.len());
        if group == groups.len() {
            groups.push((setting, Vec::new()));
        }
        // A network counts once, whatever else differs between its runs.
        if networks.insert((group, planned.tasks[StageName::Train])) {
            groups[group].1.push(run);
        }
    }
    let ensembles = groups.into_iter().filter(|(_, runs)| runs.len() > 1);
    ensembles
        .map(|(setting, runs)| {
            let explain = |&run: &usize| plan.runs[run].tasks[StageName::Explain];
            let maps: Vec<&Key> = runs.iter().map(|run| &plan.tasks[explain(run)].key).collect();
            let scores: Vec<&str> = ENSEMBLE_METRICS.iter().map(|metric| metric.about.name).collect();
            let key = Key::of(&json!({ "version": VERSION, "maps": maps, "scores": scores }));
            Ensemble { id: setting.run_id().to_owned(), key, runs }
        })
        .collect()
}

/// A key of all that a run's maps depend on, but for seeds of network and explanation. The data set counts as it is.
pub(super) fn setting(plan: &Plan, run: &PlannedRun) -> Key {
    let job = |stage| &plan.tasks[run.tasks[stage]].job;
    let (Job::Train { dataset, model, train, start, .. }, Job::Explain { explain, .. }) =
        (job(StageName::Train), job(StageName::Explain))
    else {
        unreachable!("a run trains and explains")
    };
    let model = ModelSettings { seed: 0, start: start.clone(), ..model.clone() }.inputs();
    let explain = explain.without_seeds();
    Key::of(&json!({ "dataset": dataset, "model": model, "train": train, "explain": explain }))
}

impl Ensemble {
    /// The names of its maps.
    fn files(&self) -> [String; 2] {
        ["mean", "sd"].map(|what| format!("{}.{what}.npy", self.id))
    }

    fn task(&self, plan: &Plan) -> Task {
        plan.learning_task(&plan.runs[self.runs[0]])
    }

    fn read(&self, plan: &Plan, reader: &mut Reader, done: &[bool]) -> Result<Members> {
        let mut members = Members {
            samples: Vec::new(),
            targets: Vec::new(),
            target: target_of(plan, &plan.runs[self.runs[0]]),
            of_members: Vec::with_capacity(self.runs.len()),
        };
        for &run in &self.runs {
            let found = reader.found(&plan.runs[run], done)?;
            if let (true, Some(samples)) = (members.of_members.is_empty(), found.samples()) {
                members.samples = samples.partition.samples(self.subset(plan));
                members.targets = members.samples.iter().map(|&sample| samples.targets[sample]).collect();
            }
            let (predictions, (_, flaws)) = (found.predictions()?, found.explained()?);
            let predictions = members.samples.iter().map(|&sample| predictions[sample]).collect();
            members.of_members.push((predictions, flaws.into_keys().collect()));
        }
        Ok(members)
    }

    /// The part of the data set that members explain.
    fn subset(&self, plan: &Plan) -> Split {
        match &plan.tasks[plan.runs[self.runs[0]].tasks[StageName::Explain]].job {
            Job::Explain { explain, .. } => explain.subset,
            job => unreachable!("the third task of a run explains, it does not {}", job.stage()),
        }
    }

    fn combine(&self, plan: &Plan, members: &Members, results: &Path, folder: &Folder) -> Result<Vec<Agreement>> {
        let member = |(&run, (predictions, flawed)): (&usize, &(Vec<f32>, BTreeSet<usize>))| Member {
            relevance: results.join("relevance").join(format!("{}.npy", plan.runs[run].run_id)),
            predictions: predictions.clone(),
            flawed: flawed.clone(),
        };
        let members: Vec<Member> = self.runs.iter().zip(&members.of_members).map(member).collect();
        let [mean, deviation] = self.files();
        let combined = combine(&members, self.task(plan), folder, [&mean, &deviation]);
        combined.map_err(|error| Error::Failed { message: format!("ensemble {}: {error}", self.id), help: None })
    }

    /// What the tables tell of it.
    fn record(&self, plan: &Plan, records: &[RunRecord], members: Members, images: Vec<Agreement>) -> EnsembleRecord {
        let first = &records[self.runs[0]];
        let settings: Vec<(String, Value)> = first.settings.iter().filter(|(key, _)| !is_seed(key)).cloned().collect();
        let names = metrics(self.task(plan)).map(|metric| metric.about.name);
        let flawed: BTreeSet<usize> =
            members.of_members.iter().flat_map(|(_, flawed)| flawed.iter().copied()).collect();
        let note = (!flawed.is_empty()).then(|| {
            let (flawed, all) = (flawed.len(), members.samples.len());
            format!("of {flawed} of {all} images a member has a map that means nothing: they have no scores of maps")
        });
        let places = members.samples.iter().zip(&members.targets);
        let images = places.zip(images).map(|((&sample, &target), agreement)| EnsembleImage {
            sample,
            target,
            prediction: agreement.prediction,
            scores: agreement.scores,
        });
        EnsembleRecord {
            ensemble_id: self.id.clone(),
            settings,
            run_ids: self.runs.iter().map(|&run| records[run].run_id.clone()).collect(),
            target: members.target,
            metrics: names.collect(),
            images: images.collect(),
            note,
            simulate_key: first.keys[StageName::Simulate].clone(),
            ensemble_key: self.key.to_string(),
        }
    }
}

/// What an earlier start of the experiment left.
#[derive(Default)]
struct Known {
    /// The keys of ensembles by their names.
    keys: HashMap<String, String>,
    images: Table,
    /// The rows of images by the names of their ensembles.
    rows: HashMap<String, Vec<usize>>,
}

impl Known {
    /// What cannot be read is made again.
    fn read(results: &Path) -> Self {
        let [ensembles, images] = tables::ENSEMBLES.map(|name| Table::read(&results.join(name), None));
        let (ensembles, images) = (ensembles.unwrap_or_default(), images.unwrap_or_default());
        let mut keys = HashMap::new();
        if let (Some(ids), Some(known)) = (ensembles.texts("ensemble_id"), ensembles.texts("ensemble_key")) {
            let pairs = (0..ensembles.rows).filter_map(|row| Some((ids.get(row)?, known.get(row)?)));
            keys.extend(pairs.map(|(id, key)| (id.to_owned(), key.to_owned())));
        }
        let mut rows: HashMap<String, Vec<usize>> = HashMap::new();
        if let Some(ids) = images.texts("ensemble_id") {
            let of_rows = (0..images.rows).filter_map(|row| Some((row, ids.get(row)?)));
            of_rows.for_each(|(row, id)| rows.entry(id.to_owned()).or_default().push(row));
        }
        Self { keys, images, rows }
    }

    /// The images of an ensemble whose files are there, made of the same members; `count` of them.
    fn images(&self, ensemble: &Ensemble, plan: &Plan, count: usize, folder: &Folder) -> Option<Vec<Agreement>> {
        let are_there = || ensemble.files().iter().all(|name| folder.kind(name) == Some(Kind::File));
        if self.keys.get(&ensemble.id)? != ensemble.key.as_str() || !are_there() {
            return None;
        }
        let predictions = self.images.numbers("mean_prediction")?;
        let columns = metrics(ensemble.task(plan)).map(|metric| self.images.numbers(metric.about.name));
        let columns = columns.collect::<Option<Vec<_>>>()?;
        let scores = |row: usize| columns.iter().map(|column| column[row]).collect();
        let images = self.rows.get(&ensemble.id)?.iter();
        let images = images.map(|&row| Agreement { prediction: predictions[row], scores: scores(row) });
        let images: Vec<Agreement> = images.collect();
        (images.len() == count).then_some(images)
    }
}

/// Removes maps of what is no ensemble any more.
fn remove_others(folder: &Folder, ensembles: &[Ensemble]) -> std::io::Result<()> {
    let kept: HashSet<String> = ensembles.iter().flat_map(Ensemble::files).collect();
    let others = folder.list()?.into_iter().filter(|item| item.kind != Kind::Folder && !kept.contains(&item.name));
    others.into_iter().try_for_each(|item| folder.remove_file(&item.name))
}

#[cfg(test)]
#[path = "ensembles_tests.rs"]
mod tests;
