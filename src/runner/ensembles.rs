//! Ensembles: runs that differ by their seeds alone and explain the same images.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use serde_json::{Value, json};

use super::results::{ENSEMBLES as FOLDER, ResultsFolder};
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
/// already of the same members stays; what belongs to no ensemble goes.
pub fn write(plan: &Plan, records: &[RunRecord], folder: &ResultsFolder) -> Result<()> {
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
        let images = match known.images(ensemble, plan, records, &maps) {
            Some(images) => images,
            None => ensemble.combine(plan, records, folder.path(), &maps)?,
        };
        rows.push(ensemble.record(plan, records, images));
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
    let mut place = HashMap::new();
    for (run, planned) in plan.runs.iter().enumerate().filter(|(run, _)| records[*run].status == RunStatus::Done) {
        let setting = setting(plan, planned);
        let group = *place.entry(setting.clone()).or_insert(groups.len());
        if group == groups.len() {
            groups.push((setting, Vec::new()));
        }
        let network = |run: usize| plan.runs[run].tasks[StageName::Train];
        // A network counts once, whatever else differs between its runs.
        if groups[group].1.iter().all(|&member| network(member) != network(run)) {
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
    let (Job::Train { dataset, model, train, .. }, Job::Explain { explain, .. }) =
        (job(StageName::Train), job(StageName::Explain))
    else {
        unreachable!("a run trains and explains")
    };
    let model = ModelSettings { seed: 0, ..model.clone() };
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

    /// Index in the data set of every image that members explain.
    fn samples(&self, plan: &Plan, records: &[RunRecord]) -> Vec<usize> {
        let run = self.runs[0];
        match &plan.tasks[plan.runs[run].tasks[StageName::Explain]].job {
            Job::Explain { explain, .. } => records[run].partition.samples(explain.subset),
            job => unreachable!("the third task of a run explains, it does not {}", job.stage()),
        }
    }

    fn combine(&self, plan: &Plan, records: &[RunRecord], results: &Path, folder: &Folder) -> Result<Vec<Agreement>> {
        let samples = self.samples(plan, records);
        let member = |&run: &usize| {
            let record: &RunRecord = &records[run];
            Member {
                relevance: results.join("relevance").join(format!("{}.npy", record.run_id)),
                predictions: samples.iter().map(|&sample| record.predictions[sample].1).collect(),
                flawed: record.flaws.keys().copied().collect(),
            }
        };
        let members: Vec<Member> = self.runs.iter().map(member).collect();
        let [mean, deviation] = self.files();
        let combined = combine(&members, self.task(plan), folder, [&mean, &deviation]);
        combined.map_err(|error| Error::Failed { message: format!("ensemble {}: {error}", self.id), help: None })
    }

    /// What the tables tell of it.
    fn record(&self, plan: &Plan, records: &[RunRecord], images: Vec<Agreement>) -> EnsembleRecord {
        let first = &records[self.runs[0]];
        let settings: Vec<(String, Value)> = first.settings.iter().filter(|(key, _)| !is_seed(key)).cloned().collect();
        let names = metrics(self.task(plan)).map(|metric| metric.about.name);
        let flawed: BTreeSet<usize> = self.runs.iter().flat_map(|&run| records[run].flaws.keys().copied()).collect();
        let note = (!flawed.is_empty()).then(|| {
            let (flawed, all) = (flawed.len(), self.samples(plan, records).len());
            format!("of {flawed} of {all} images a member has a map that means nothing: they have no scores of maps")
        });
        let images = self.samples(plan, records).into_iter().zip(images).map(|(sample, agreement)| EnsembleImage {
            sample,
            target: first.predictions[sample].0,
            prediction: agreement.prediction,
            scores: agreement.scores,
        });
        EnsembleRecord {
            ensemble_id: self.id.clone(),
            settings,
            run_ids: self.runs.iter().map(|&run| records[run].run_id.clone()).collect(),
            target: first.target.clone(),
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
        Self { keys, images }
    }

    /// The images of an ensemble whose files are there, made of the same members.
    fn images(
        &self,
        ensemble: &Ensemble,
        plan: &Plan,
        records: &[RunRecord],
        folder: &Folder,
    ) -> Option<Vec<Agreement>> {
        let are_there = || ensemble.files().iter().all(|name| folder.kind(name) == Some(Kind::File));
        if self.keys.get(&ensemble.id)? != ensemble.key.as_str() || !are_there() {
            return None;
        }
        let (ids, predictions) = (self.images.texts("ensemble_id")?, self.images.numbers("mean_prediction")?);
        let columns = metrics(ensemble.task(plan)).map(|metric| self.images.numbers(metric.about.name));
        let columns = columns.collect::<Option<Vec<_>>>()?;
        let rows = (0..self.images.rows).filter(|&row| ids.get(row) == Some(ensemble.id.as_str()));
        let scores = |row: usize| columns.iter().map(|column| column[row]).collect();
        let images = rows.map(|row| Agreement { prediction: predictions[row], scores: scores(row) });
        let images: Vec<Agreement> = images.collect();
        (images.len() == ensemble.samples(plan, records).len()).then_some(images)
    }
}

/// Removes maps of what is no ensemble any more.
fn remove_others(folder: &Folder, ensembles: &[Ensemble]) -> std::io::Result<()> {
    let kept: Vec<String> = ensembles.iter().flat_map(Ensemble::files).collect();
    let others = folder.list()?.into_iter().filter(|item| item.kind != Kind::Folder && !kept.contains(&item.name));
    others.into_iter().try_for_each(|item| folder.remove_file(&item.name))
}

#[cfg(test)]
#[path = "ensembles_tests.rs"]
mod tests;
