//! What figures are drawn from: the finished runs of an experiment, as its tables tell of them.

use std::collections::HashSet;
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};

use super::maps::significant;
use super::words::Words;
use crate::data::{Dataset, Mark, Split, Target};
use crate::event::Epoch;
use crate::picture::Colormap;
use crate::plan::{self, EXPLANATION_NAME, REPLICATE, is_named, is_seed};
use crate::raster::{Raster, RasterStack};
use crate::sim::{Pumpkin, PumpkinSettings};
use crate::source::Source;
use crate::task::Task;

/// The score of a sample that says how much relevance there is.
pub const SUM_RELEVANCE: &str = "sum_relevance";

/// A value that was varied: a number where it can be one.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Integer(i64),
    Number(f64),
    Text(String),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Integer(integer) => write!(f, "{integer}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// The prediction of a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// Index in the data set.
    pub sample: usize,
    pub split: Split,
    pub target: f64,
    /// The target, or the probability of the upper class.
    pub prediction: f64,
}

/// What the tables tell of a sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub name: String,
    pub target: f64,
}

/// A data set as it is stored.
#[derive(Debug)]
pub struct Stored {
    pub dataset: Dataset,
    /// The samples whose images are there, ascending; none where all are.
    pub shown: Option<Vec<usize>>,
    /// The records of pumpkins, where they are such.
    pub pumpkins: Option<Vec<Pumpkin>>,
}

impl Stored {
    /// Keeps the images of some samples alone, which are named in ascending order.
    pub fn show(self, samples: Vec<usize>) -> Self {
        let images = &self.dataset.images;
        let pixels = samples.iter().flat_map(|&sample| images.get(sample).pixels).copied().collect();
        let images = RasterStack::of(images.shape(), pixels);
        Self { dataset: Dataset { images, ..self.dataset }, shown: Some(samples), ..self }
    }

    /// The image of a sample, where it is there.
    fn image(&self, sample: usize) -> Option<Raster<'_>> {
        let images = &self.dataset.images;
        let place = match &self.shown {
            Some(shown) => shown.binary_search(&sample).ok()?,
            None => sample,
        };
        (place < images.len()).then(|| images.get(place))
    }
}

/// A score, in long form.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// Index of the sample in the data set; none for a score of the whole run.
    pub sample: Option<usize>,
    pub metric: Arc<str>,
    /// The sign of age it is about, where it is about one.
    pub sign: Option<String>,
    pub value: f64,
}

/// A finished run.
#[derive(Debug, Clone)]
pub struct Run {
    pub id: String,
    /// What was varied: dotted keys and their values in this run.
    pub varied: Vec<(String, Value)>,
    pub task: Task,
    /// Where its data set comes from.
    pub source: Source,
    /// The data set itself, where it was loaded.
    pub stored: Option<Arc<Stored>>,
    /// The unit of its relevance, such as "years".
    pub unit: String,
    /// What tells its data set, its network and its maps from those of other runs.
    pub dataset: String,
    pub network: String,
    pub explanation: String,
    /// How it was explained: the explanation's name, or else the analyzer, such as "lrp.sequential_preset_a".
    pub analyzer: String,
    /// The colours of its heatmaps, and the explained part of the data set.
    pub colormap: Colormap,
    pub subset: Split,
    pub epochs: Vec<Epoch>,
    /// Of the test set and of what was explained at least, in the order of the samples.
    pub predictions: Vec<Prediction>,
    /// The whole data set; runs may share it.
    pub samples: Arc<Vec<Sample>>,
    /// Of the whole run all; of samples [`super::registry::SAMPLE_SCORES`], where the run has figures of its own.
    pub scores: Vec<Score>,
    /// Of every explained sample, by its index in the data set: the sum of its relevance.
    pub sums: Vec<(usize, f64)>,
    /// The relevance of every explained sample, where it was loaded.
    pub maps: Option<Arc<RasterStack>>,
}

/// The map of an explained sample.
#[derive(Debug, Clone, Copy)]
pub struct Explained<'a> {
    /// Position among the explained samples.
    pub index: usize,
    pub prediction: &'a Prediction,
    pub relevance: Raster<'a>,
}

impl Run {
    /// The predictions of a part of the data set.
    pub fn predictions_of(&self, split: Split) -> impl Iterator<Item = &Prediction> {
        self.predictions.iter().filter(move |row| split == Split::All || row.split == split)
    }

    /// (target, prediction) of the test set.
    pub fn tested(&self) -> Vec<(f64, f64)> {
        self.predictions_of(Split::Test).map(|row| (row.target, row.prediction)).collect()
    }

    /// The score of the whole run with this name.
    pub fn score(&self, metric: &str) -> Option<f64> {
        let mut of_run = self.scores.iter().filter(|score| score.sample.is_none() && score.sign.is_none());
        of_run.find(|score| *score.metric == *metric).map(|score| score.value)
    }

    /// (prediction, sum of relevance) of every explained sample.
    pub fn relevance_sums(&self) -> Vec<(f64, f64)> {
        self.sums.iter().filter_map(|&(sample, sum)| Some((self.prediction(sample)?.prediction, sum))).collect()
    }

    /// Every explained sample with its map; nothing where no maps were loaded.
    pub fn explained(&self) -> Vec<Explained<'_>> {
        let Some(maps) = &self.maps else { return Vec::new() };
        let rows = self.predictions_of(self.subset).zip(maps.iter()).enumerate();
        rows.map(|(index, (prediction, relevance))| Explained { index, prediction, relevance }).collect()
    }

    /// The explained sample nearest to a target, the first of several.
    pub fn explained_near(&self, target: f64) -> Option<Explained<'_>> {
        let distance = |sample: &Explained| (sample.prediction.target - target).abs();
        self.explained().into_iter().min_by(|a, b| distance(a).total_cmp(&distance(b)))
    }

    pub fn prediction(&self, sample: usize) -> Option<&Prediction> {
        self.predictions.binary_search_by_key(&sample, |row| row.sample).ok().map(|row| &self.predictions[row])
    }

    /// The stored image of a sample.
    pub fn image(&self, sample: usize) -> Option<Raster<'_>> {
        self.stored.as_ref()?.image(sample)
    }

    /// What is known of a sample's image beforehand, to be marked.
    pub fn marks(&self, sample: usize) -> Vec<Mark> {
        let truth = self.stored.as_ref().and_then(|stored| stored.dataset.truth.as_deref());
        truth.map(|truth| truth.marks(sample)).unwrap_or_default()
    }

    /// The records of its pumpkins, where they are such and were loaded.
    pub fn pumpkins(&self) -> Option<&[Pumpkin]> {
        self.stored.as_ref()?.pumpkins.as_deref()
    }

    /// The settings of its pumpkins, where they are such.
    pub fn simulation(&self) -> Option<&PumpkinSettings> {
        self.source.pumpkins()
    }

    /// The range of targets over which shown samples are chosen: 20 to 80 years for pumpkins, whatever their ages, as published.
    pub fn shown_range(&self) -> (f64, f64) {
        if self.simulation().is_some() { (20.0, 80.0) } else { self.range().unwrap_or((0.0, 1.0)) }
    }

    pub fn words(&self) -> Words {
        Words { target: self.source.target(), pumpkins: self.simulation().is_some() }
    }

    /// The least and the largest target: of all that could be drawn, or else of the data set.
    pub fn range(&self) -> Option<(f64, f64)> {
        match self.simulation() {
            Some(settings) => Some((f64::from(settings.min_age), f64::from(settings.max_age))),
            None => {
                let targets = self.samples.iter().map(|sample| sample.target);
                targets.fold(None, |range, at| {
                    Some(range.map_or((at, at), |(low, high): (f64, f64)| (low.min(at), high.max(at))))
                })
            }
        }
    }

    /// What was varied, seeds left out: "target_bias 55, output_bias zero". Empty where nothing else was.
    pub fn label(&self) -> String {
        label(&self.varied)
    }

    /// The same of what this part of a run depends on.
    pub fn label_of(&self, part: Part) -> String {
        label_where(&self.varied, |key| part.depends_on(key))
    }

    /// The seeds that were varied: "seed 3", or which of the replicates it is; empty where none were.
    pub fn seeds(&self) -> String {
        let counted = self.varied.iter().any(|(key, _)| key == REPLICATE);
        let seeds = self.varied.iter().filter(|(key, _)| if counted { key == REPLICATE } else { is_seed(key) });
        seeds.map(|(key, value)| format!("{} {value}", self.called(key))).collect::<Vec<_>>().join(", ")
    }

    /// How a quantity of relevance is labelled: "sum of relevance in years", or in whatever unit it is.
    pub fn relevance(&self, quantity: &str) -> String {
        format!("{quantity} in {}", self.unit)
    }

    /// A prediction in words: ages with a tenth of a year, others with as many digits as they need.
    pub fn told(&self, prediction: f64) -> String {
        if self.simulation().is_some() { format!("{prediction:.1}") } else { significant(prediction) }
    }

    /// How predictions are labelled.
    pub fn predicted(&self) -> String {
        match (self.task, self.simulation()) {
            (Task::Regression, _) => self.source.target().label_of("prediction"),
            (Task::Classification, Some(_)) => "prediction: probability of old".to_owned(),
            (Task::Classification, None) => format!("prediction: probability of a high {}", self.source.target().name),
        }
    }

    /// The last part of a varied key, or all of it where another one ends alike.
    pub fn called<'a>(&self, key: &'a str) -> &'a str {
        called(&self.varied, key)
    }
}

/// A part of a run that other runs may share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The trained network and its predictions.
    Network,
    /// The maps of its explanations.
    Explanation,
}

impl Part {
    /// Whether a varied key can change it.
    pub fn depends_on(self, key: &str) -> bool {
        let section = key.split('.').next().unwrap_or(key);
        match self {
            Self::Network => !["explain", "evaluate", "heatmaps"].contains(&section),
            Self::Explanation => !["evaluate", "heatmaps"].contains(&section),
        }
    }

    /// What tells it from that of other runs.
    fn of(self, run: &Run) -> &str {
        let key = match self {
            Self::Network => &run.network,
            Self::Explanation => &run.explanation,
        };
        if key.is_empty() { &run.id } else { key }
    }
}

/// What was varied, seeds left out.
pub fn label(varied: &[(String, Value)]) -> String {
    label_where(varied, |_| true)
}

fn label_where(varied: &[(String, Value)], told: impl Fn(&str) -> bool) -> String {
    let settings = plan::told(varied, |_| true).filter(|(key, _)| !is_seed(key) && told(key));
    let told = settings.map(|(key, value)| match key == EXPLANATION_NAME {
        true => value.to_string(),
        false => format!("{} {value}", called(varied, key)),
    });
    told.collect::<Vec<_>>().join(", ")
}

fn called<'a>(varied: &[(String, Value)], key: &'a str) -> &'a str {
    let alike = varied.iter().filter(|(other, _)| short(other) == short(key)).count();
    if alike > 1 { key } else { short(key) }
}

/// The last part of a dotted key.
fn short(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// Networks that differ by their seeds alone and explain the same images: how far they agree.
#[derive(Debug, Clone, PartialEq)]
pub struct Ensemble {
    /// What was varied, seeds left out.
    pub label: String,
    /// How many networks there are.
    pub members: usize,
    /// Scores by name, each with a value an image; NaN where it is not defined.
    pub scores: Vec<(String, Vec<f64>)>,
}

impl Ensemble {
    /// A score of all images; nothing where it is not known.
    pub fn score(&self, name: &str) -> &[f64] {
        self.scores.iter().find(|(known, _)| known == name).map_or(&[], |(_, values)| values)
    }
}

/// The finished runs of an experiment.
#[derive(Debug, Clone)]
pub struct Study {
    pub name: String,
    pub runs: Vec<Run>,
    pub ensembles: Vec<Ensemble>,
}

impl Study {
    /// The words for its data sets, which have one target: those of its first run.
    pub fn words(&self) -> Words {
        self.runs.first().map_or(Words { target: Target::new("target", ""), pumpkins: false }, Run::words)
    }

    /// Runs that differ by nothing but seeds, in the order in which they first appear.
    pub fn groups(&self) -> Vec<(String, Vec<&Run>)> {
        grouped(self.runs.iter().map(|run| (run.label(), run)))
    }

    /// The runs whose networks (or explanations) differ: of those that share one, the first.
    pub fn distinct(&self, part: Part) -> Vec<&Run> {
        let mut known = HashSet::new();
        self.runs.iter().filter(|run| known.insert(part.of(run))).collect()
    }

    /// As [`Self::compared`], of networks or of explanations: each is there once, however many runs share it.
    pub fn compared_by(&self, part: Part) -> Vec<(String, Vec<&Run>)> {
        let groups = grouped(self.distinct(part).into_iter().map(|run| (run.label_of(part), run)));
        match &groups[..] {
            [(_, runs)] => runs.iter().map(|run| (run.seeds(), vec![*run])).collect(),
            _ => groups,
        }
    }

    /// What is compared: settings, each with all of its seeds; or runs, where they differ by seeds alone.
    pub fn compared(&self) -> Vec<(String, Vec<&Run>)> {
        let groups = self.groups();
        match &groups[..] {
            [(_, runs)] => runs.iter().map(|run| (run.seeds(), vec![*run])).collect(),
            _ => groups,
        }
    }

    /// The varied keys other than seeds. Where every explanation has a name, that stands for all settings of theirs that are
    /// no numbers.
    pub fn varied_keys(&self) -> Vec<&str> {
        let all_named = self.runs.iter().all(|run| run.varied.iter().any(|(key, _)| key == EXPLANATION_NAME));
        let told = |(key, value): &&(String, Value)| {
            let stood_for = all_named && is_named(key) && matches!(value, Value::Text(_));
            !is_seed(key) && !stood_for
        };
        let settings = self.runs.iter().flat_map(|run| &run.varied).filter(told);
        let keys: IndexSet<&str> = settings.map(|(key, _)| key.as_str()).collect();
        keys.into_iter().collect()
    }
}

/// Runs of one label together, in the order in which labels first appear.
fn grouped<'a>(runs: impl Iterator<Item = (String, &'a Run)>) -> Vec<(String, Vec<&'a Run>)> {
    let mut groups: IndexMap<String, Vec<&Run>> = IndexMap::new();
    runs.for_each(|(label, run)| groups.entry(label).or_default().push(run));
    groups.into_iter().collect()
}
