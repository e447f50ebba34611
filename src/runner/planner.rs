//! From the cells of a spec to the plan: what every run needs, with equal stages made once.

use std::collections::{HashMap, HashSet};

use rayon::prelude::*;
use serde_json::Value;

use crate::key::Key;
use crate::net::ModelSettings;
use crate::picture::{Colormap, Extent, HeatmapSettings};
use crate::plan::{Plan, PlannedRun, PlannedTask};
use crate::source::SourceName;
use crate::spec::{Cell, ExperimentSpec};
use crate::stage::{Compute, Job};
use crate::stage_name::{PerStage, StageName};

/// So many cells are prepared at a time: enough to keep all cores busy, few enough that repeated jobs take little memory.
const CHUNK: usize = 1024;

/// Plans the pipelines of `cells`. Runs with the same settings are one; so are tasks with the same key.
pub fn make_plan(cells: &[Cell], compute: Compute) -> Plan {
    let mut planner = Planner::default();
    let mut known = HashSet::new();
    let varied = varied_keys(cells);
    for cells in cells.chunks(CHUNK) {
        let prepared: Vec<_> = cells
            .par_iter()
            .map(|Cell { spec, .. }| (run_id(spec), values(&varied, spec), Pipeline::of(spec, compute)))
            .collect();
        for (Cell { settings, spec }, (run_id, values, pipeline)) in cells.iter().zip(prepared) {
            if !known.insert(run_id.clone()) {
                continue;
            }
            let tasks = planner.add_pipeline(pipeline);
            let (explanation, replicate) = (spec.explain.name.clone(), settings.replicate);
            planner.plan.runs.push(PlannedRun { run_id, settings: values, explanation, replicate, tasks });
        }
    }
    planner.plan
}

/// The jobs of one run, each with its key.
struct Pipeline {
    simulate: (Job, Key),
    train: (Job, Key),
    explain: (Job, Key),
    evaluate: (Job, Key),
    render: (Job, Key),
}

impl Pipeline {
    fn of(spec: &ExperimentSpec, compute: Compute) -> Self {
        let keyed = |job: Job| {
            let key = job.key();
            (job, key)
        };
        let (subset, engine) = (spec.explain.subset, spec.run.engine);
        let simulate = keyed(Job::Simulate { data: spec.data.to_source() });
        let dataset = simulate.1.clone();
        let train = keyed(Job::Train {
            dataset: dataset.clone(),
            model: ModelSettings { start: None, ..spec.model.clone() },
            train: spec.train.clone(),
            start: spec.model.start.clone(),
            compute,
            threads: spec.run.threads_per_worker,
            engine,
        });
        let network = train.1.clone();
        // What it is called for people is no part of the work.
        let settings = spec.explain.unnamed();
        let explain = keyed(Job::Explain {
            dataset: dataset.clone(),
            network: network.clone(),
            explain: settings.clone(),
            compute,
            engine,
        });
        let relevance = explain.1.clone();
        let evaluate = keyed(Job::Evaluate {
            dataset: dataset.clone(),
            network: network.clone(),
            relevance: relevance.clone(),
            task: spec.model.task,
            explain: settings,
            evaluate: spec.evaluate.clone(),
            compute,
            engine,
        });
        let render = keyed(Job::Render { dataset, network, relevance, subset, heatmaps: drawn(spec) });
        Self { simulate, train, explain, evaluate, render }
    }
}

/// How heatmaps are drawn. Pumpkins have the published colours, other images those whose sign survives a greyscale print.
///
/// Whatever is as it has always been stays out of the key, so that pictures of earlier versions are found.
fn drawn(spec: &ExperimentSpec) -> HeatmapSettings {
    let own = if spec.data.source == SourceName::Files { Colormap::OrangeBlue } else { Colormap::Published };
    let colormap = spec.heatmaps.colormap.unwrap_or(own);
    HeatmapSettings {
        colormap: Some(colormap).filter(|colormap| *colormap != Colormap::Published),
        scale: spec.heatmaps.scale.filter(|scale| *scale != Extent::Image),
        colorbar: spec.heatmaps.colorbar.filter(|shown| !shown),
        ..spec.heatmaps.clone()
    }
}

/// A plan that grows run by run.
#[derive(Default)]
struct Planner {
    plan: Plan,
    index_of: HashMap<Key, usize>,
}

impl Planner {
    /// Adds a task of the run that is being planned, unless it is there already.
    fn add(&mut self, (job, key): (Job, Key), upstream: &[usize]) -> usize {
        let (run, tasks) = (self.plan.runs.len(), &mut self.plan.tasks);
        let index = *self.index_of.entry(key.clone()).or_insert(tasks.len());
        if index == tasks.len() {
            tasks.push(PlannedTask { job, key, upstream: upstream.to_vec(), runs: Vec::new() });
        }
        tasks[index].runs.push(run);
        index
    }

    fn add_pipeline(&mut self, pipeline: Pipeline) -> PerStage<usize> {
        let simulate = self.add(pipeline.simulate, &[]);
        let train = self.add(pipeline.train, &[simulate]);
        let explain = self.add(pipeline.explain, &[simulate, train]);
        let evaluate = self.add(pipeline.evaluate, &[simulate, train, explain]);
        let render = self.add(pipeline.render, &[simulate, train, explain]);
        PerStage::new(|stage| match stage {
            StageName::Simulate => simulate,
            StageName::Train => train,
            StageName::Explain => explain,
            StageName::Evaluate => evaluate,
            StageName::Render => render,
        })
    }
}

/// The keys that vary over all cells, in the order in which they first appear.
fn varied_keys(cells: &[Cell]) -> Vec<&str> {
    let mut keys: Vec<&str> = Vec::new();
    for assignment in cells.iter().flat_map(|cell| &cell.settings.assignments) {
        if !keys.contains(&assignment.key.as_str()) {
            keys.push(&assignment.key);
        }
    }
    keys
}

/// The values of `keys` as a spec understands them: 55 for a setting in years is 55.0; null for what is not set.
fn values(keys: &[&str], spec: &ExperimentSpec) -> Vec<(String, Value)> {
    if keys.is_empty() {
        return Vec::new();
    }
    let tree = serde_json::to_value(spec).expect("settings are representable in JSON");
    let value = |key: &str| {
        key.split('.').try_fold(&tree, |value, segment| match value {
            Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
            value => value.get(segment),
        })
    };
    keys.iter().map(|key| ((*key).to_owned(), value(key).map_or(Value::Null, readable))).collect()
}

/// A value for a cell of a table or the axis of a figure. Rules of a composite are named one after the other, as
/// "conv: gamma(gamma=0.1); any: epsilon(epsilon=0.1)", and other tables as "ages=[20.0,30.0]".
fn readable(value: &Value) -> Value {
    let named = |table: &serde_json::Map<String, Value>| {
        let parts = table.iter().map(|(key, value)| match value {
            Value::String(text) => format!("{key}={text}"),
            value => format!("{key}={value}"),
        });
        parts.collect::<Vec<_>>().join(", ")
    };
    let rule = |item: &Value| {
        let mut item = item.as_object()?.clone();
        let (layer, rule) = (item.remove("layer")?, item.remove("rule")?);
        let parameters = if item.is_empty() { String::new() } else { format!("({})", named(&item)) };
        Some(format!("{}: {}{parameters}", layer.as_str()?, rule.as_str()?))
    };
    match value {
        Value::Array(items) if !items.is_empty() => match items.iter().map(rule).collect::<Option<Vec<_>>>() {
            Some(rules) => rules.join("; ").into(),
            None => value.clone(),
        },
        Value::Object(table) => named(table).into(),
        value => value.clone(),
    }
}

/// Names a run by what it computes. How it is drawn or executed makes no other run.
pub fn run_id(spec: &ExperimentSpec) -> String {
    let inputs = serde_json::json!({
        "data": spec.data.to_source().inputs(), "model": spec.model.inputs(), "train": spec.train,
        "explain": spec.explain.unnamed(),
        "evaluate": spec.evaluate,
    });
    Key::of(&inputs).run_id().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Folder;
    use crate::explain::Analyzer;
    use crate::format::FORMAT;
    use crate::net::EngineChoice;
    use crate::plan::FrozenPlan;
    use crate::spec::CellSettings;

    fn cell(spec: ExperimentSpec) -> Cell {
        Cell { settings: CellSettings::default(), spec }
    }

    #[test]
    fn runs_share_equal_stages_and_a_picture_setting_forces_no_training() {
        let base = ExperimentSpec::default();
        let mut other_seed = base.clone();
        other_seed.model.seed = 1;
        let mut other_analyzer = base.clone();
        other_analyzer.explain.analyzer = Analyzer::LrpEpsilon { epsilon: None, bias: None, reference: None };
        let cells = [base.clone(), other_seed, other_analyzer, base.clone()].map(cell);
        let plan = make_plan(&cells, Compute::Cpu);
        let counts = StageName::ALL.map(|stage| plan.count(stage));
        assert_eq!((plan.runs.len(), counts), (3, [1, 2, 3, 3, 3]));
        assert_eq!(plan.tasks[plan.runs[0].tasks[StageName::Train]].runs, [0, 2]);
        assert!(plan.tasks.iter().enumerate().all(|(index, task)| task.upstream.iter().all(|&up| up < index)));

        let mut drawn_otherwise = base.clone();
        drawn_otherwise.heatmaps.count = 3;
        let other = make_plan(&[cell(drawn_otherwise)], Compute::Cpu);
        let keys = |plan: &Plan| StageName::ALL.map(|stage| plan.tasks[plan.runs[0].tasks[stage]].key.clone());
        let (keys, other_keys) = (keys(&plan), keys(&other));
        assert_eq!((&keys[..4], &plan.runs[0].run_id), (&other_keys[..4], &other.runs[0].run_id));
        assert_ne!(keys[4], other_keys[4]);
    }

    #[test]
    fn elements_and_composites_have_values_that_can_be_read() {
        let spec: ExperimentSpec = toml::from_str(
            "[model]\nconv_filters = [8, 16, 32, 64, 32]\n[data]\nseed = 9007199254740993\n[explain]\nanalyzer = 'lrp'\n\
             reference = { ages = [20, 30] }\ncomposite = [{ layer = 'conv', rule = 'gamma', gamma = 0.25 }, \
             { layer = 'any', rule = 'flat' }]",
        )
        .unwrap();
        let keys = [
            "explain.composite.0.gamma",
            "explain.composite",
            "model.conv_filters.0",
            "model.conv_filters",
            "explain.reference",
            "data.seed",
            "explain.composite.7.gamma",
        ];
        let values: Vec<String> = values(&keys, &spec).into_iter().map(|(_, value)| value.to_string()).collect();
        let expected = [
            "0.25",
            "\"conv: gamma(gamma=0.25); any: flat\"",
            "8",
            "[8,16,32,64,32]",
            "\"ages=[20.0,30.0]\"",
            "9007199254740993",
            "null",
        ];
        assert_eq!(values, expected);
    }

    /// Each stage is given the settings of its own run, and the results of its own run's earlier stages.
    #[test]
    fn every_job_has_the_settings_of_its_run() {
        let mut spec: ExperimentSpec = toml::from_str(
            "[data]\nn_samples = 150\n[model]\ntask = 'classification'\n[train]\nepochs = 7\n[explain]\nsubset = 'all'\n\
             epsilon = 0.5\n[evaluate]\nimages = 3\n[heatmaps]\ncount = 2\n[run]\nthreads_per_worker = 2\n\
             engine = 'libtorch'",
        )
        .unwrap();
        spec.model.seed = 5;
        let plan = make_plan(&[cell(ExperimentSpec::default()), cell(spec.clone())], Compute::Cuda(1));
        let run = &plan.runs[1];
        let key = |stage| plan.tasks[run.tasks[stage]].key.clone();
        let [dataset, network, relevance] = [StageName::Simulate, StageName::Train, StageName::Explain].map(key);
        let (compute, engine) = (Compute::Cuda(1), EngineChoice::Libtorch);
        let expected = [
            Job::Simulate { data: spec.data.to_source() },
            Job::Train {
                dataset: dataset.clone(),
                model: spec.model.clone(),
                train: spec.train.clone(),
                start: None,
                compute,
                threads: 2,
                engine,
            },
            Job::Explain {
                dataset: dataset.clone(),
                network: network.clone(),
                explain: spec.explain.unnamed(),
                compute,
                engine,
            },
            Job::Evaluate {
                dataset: dataset.clone(),
                network: network.clone(),
                relevance: relevance.clone(),
                task: crate::task::Task::Classification,
                explain: spec.explain.unnamed(),
                evaluate: spec.evaluate.clone(),
                compute,
                engine,
            },
            Job::Render {
                dataset,
                network,
                relevance,
                subset: crate::data::Split::All,
                heatmaps: spec.heatmaps.clone(),
            },
        ];
        for (stage, expected) in StageName::ALL.into_iter().zip(expected) {
            assert_eq!(plan.tasks[run.tasks[stage]].job, expected);
        }
    }

    /// A seal tells of damage, and not of a program that wrote nonsense.
    #[test]
    fn a_plan_that_contradicts_itself_is_not_believed() {
        let plan = make_plan(&[cell(ExperimentSpec::default())], Compute::Cpu);
        let scene = tempfile::tempdir().unwrap();
        let folder = Folder::at(scene.path());
        let read = |change: &dyn Fn(&mut Plan)| {
            let mut plan = plan.clone();
            change(&mut plan);
            let (name, frozen_at) = ("study".to_owned(), "2026-01-01T00:00:00Z".to_owned());
            FrozenPlan { format: FORMAT, name, frozen_at, compute: Compute::Cpu, plan }.write(&folder).unwrap();
            FrozenPlan::read(&folder)
        };
        assert_eq!(read(&|_| {}).unwrap().plan.tasks.len(), 5);
        let changes: [&dyn Fn(&mut Plan); 5] = [
            &|plan| plan.tasks[1].upstream = vec![1],
            &|plan| plan.tasks[2].upstream.push(9),
            &|plan| plan.tasks[0].runs = vec![1],
            &|plan| plan.runs[0].tasks = PerStage::new(|stage| stage as usize + 1),
            &|plan| plan.runs[0].tasks = PerStage::new(|stage| [0, 2, 1, 3, 4][stage as usize]),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let error = read(change).expect_err("nonsense");
            assert_eq!(error.kind(), std::io::ErrorKind::InvalidData, "change {number}");
            assert!(error.to_string().contains("it contradicts itself"), "change {number}: {error}");
        }
    }
}
