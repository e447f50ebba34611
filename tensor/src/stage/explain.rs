//! Explain: network and images -> relevance maps.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use tch::Device;
use xdlreg_core::event::{Progress, ProgressSink};
use xdlreg_core::explain::{ExplainSettings, Finding, Flaw, Meaning, Method, Reference, Review, Sum, analyzer};
use xdlreg_core::key::Key;
use xdlreg_core::raster::{self, Planes, RasterStack};
use xdlreg_core::sim::SIDE;
use xdlreg_core::data::Split;
use xdlreg_core::sim::PumpkinSet;
use xdlreg_core::stage::{self, StageContext, StageError, files};
use xdlreg_core::store::planes::{ArrayWriter, ImageFile};
use xdlreg_core::store::{Draft, dataset, inputs};
use xdlreg_core::task::Task;

use crate::explain::{AboutMaps, ExplainError, Explained, Samples, Sink, explain_each};
use crate::net::{PumpkinNet, adapt};

/// Explains the chosen subset of a data set into `draft`. Images and maps are in memory some at a time.
pub fn run(
    data: &Key,
    network: &Key,
    settings: &ExplainSettings,
    device: Device,
    draft: &Draft,
    context: &StageContext,
) -> Result<(), StageError> {
    let (net, _) = load(&context.model(network)?, device)?;
    let Images { explained, origin, training, ages } = images_of(data, settings, context)?;
    let in_training = ages.as_deref().and_then(|ages| ages.get(Split::Train.range(ages.len())));
    let samples = in_training.map(|ages| Samples { images: &*training, ages });
    let file = |name| draft.file(name).map_err(StageError::io(draft.folder()));
    let looked = Looked::new(settings, range_of(ages.as_deref(), net.architecture().task), origin);
    let mut kept = Kept {
        paths: [file(files::RELEVANCE)?, file(files::OUTPUTS)?, file(files::LEDGER)?],
        about: None,
        looked,
        totals: Vec::new(),
        maps: None,
        outputs: None,
        ledger: None,
    };
    let made = explain_each(&net, &*explained, settings, samples, &mut kept, context.progress);
    made.map_err(|error| refused(error.counted_from(origin)))?;
    let facts = kept.finish().map_err(StageError::io(draft.folder()))?;
    let text = serde_json::to_vec(&facts).map_err(StageError::failed)?;
    draft.write(files::EXPLAINED, &text).map_err(StageError::io(draft.folder()))
}

/// What a data set offers to an explanation.
struct Images {
    explained: Box<dyn Planes>,
    /// Index in the data set of the first explained image.
    origin: usize,
    /// The training set, which is empty where no reference needs it.
    training: Box<dyn Planes>,
    /// Of all samples, where they are needed.
    ages: Option<Vec<f32>>,
}

/// Images are read some at a time, unless they are in memory anyway.
fn images_of(data: &Key, settings: &ExplainSettings, context: &StageContext) -> Result<Images, StageError> {
    let needed = Known::needed(settings);
    if let Some(set) = context.remembered_dataset(data) {
        let training = Split::Train.range(if needed { set.len() } else { 0 });
        let explained = settings.subset.range(set.len());
        return Ok(Images {
            origin: explained.start,
            explained: Box::new(set.images.slice(explained)),
            training: Box::new(set.images.slice(training)),
            ages: needs_ages(settings).then(|| set.ages()),
        });
    }
    let set = context.dataset_file(data)?;
    let all = ImageFile::open(&set).map_err(StageError::failed)?;
    let count = all.shape()[0];
    let explained = settings.subset.range(count);
    let ages = if needs_ages(settings) { dataset::load_ages(&set).map_err(StageError::failed)? } else { None };
    Ok(Images {
        origin: explained.start,
        explained: Box::new(all.clone().slice(explained)),
        training: Box::new(all.slice(Split::Train.range(count))),
        ages,
    })
}

/// Whether ages are of use: for references taken from them, and to tell how much noise moves predictions.
fn needs_ages(settings: &ExplainSettings) -> bool {
    let smooths = || analyzer(&settings.analyzer).is_some_and(|a| matches!(a.method(settings), Method::Smooth { .. }));
    Known::needed(settings) || smooths()
}

/// The range of the targets in the unit of the network's output; 0 where it is not known.
fn range_of(ages: Option<&[f32]>, task: Task) -> f64 {
    let ages = ages.filter(|_| task == Task::Regression).unwrap_or_default();
    let ends = ages.iter().fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], &age| [low.min(age), high.max(age)]);
    f64::from((ends[1] - ends[0]).max(0.0))
}

/// Looks over maps as they are made.
struct Looked {
    with_reference: bool,
    range: f64,
    origin: usize,
    /// From the first map on.
    review: Option<Review>,
    flaws: BTreeMap<usize, Flaw>,
    count: usize,
}

impl Looked {
    fn new(settings: &ExplainSettings, range: f64, origin: usize) -> Self {
        let with_reference = settings.reference.is_some_and(|reference| reference != Reference::None);
        Self { with_reference, range, origin, review: None, flaws: BTreeMap::new(), count: 0 }
    }

    fn look(&mut self, meaning: &Meaning, explained: &Explained) {
        let review = || Review::new(meaning.clone(), self.with_reference, self.range, self.origin);
        let review = self.review.get_or_insert_with(review);
        for (map, facts) in explained.maps.chunks_exact(SIDE * SIDE).zip(explained.facts) {
            let flaw = review.look(map, facts);
            self.flaws.extend(flaw.map(|flaw| (self.count, flaw)));
            self.count += 1;
        }
    }

    fn findings(&self) -> Vec<Finding> {
        self.review.as_ref().map(Review::findings).unwrap_or_default()
    }
}

/// The files of the stage while they are written.
struct Kept {
    /// Of the maps, of what they explain, and of the ledger.
    paths: [PathBuf; 3],
    about: Option<AboutMaps>,
    looked: Looked,
    /// What maps are meant to add up to, where that is not simply the output less the reference.
    totals: Vec<f64>,
    maps: Option<ArrayWriter>,
    outputs: Option<ArrayWriter>,
    /// Only where there is a ledger.
    ledger: Option<ArrayWriter>,
}

impl Kept {
    fn finish(self) -> io::Result<stage::Explained> {
        [self.maps, self.outputs, self.ledger].into_iter().flatten().try_for_each(|array| array.finish().map(drop))?;
        let AboutMaps { meaning, reference, layers } = self.about.expect("explanations have begun");
        let (layers, findings) = (layers.unwrap_or_default(), self.looked.findings());
        let (totals, flaws) = (self.totals, self.looked.flaws);
        Ok(stage::Explained { meaning, reference, totals, layers, flaws, findings })
    }
}

impl Sink for Kept {
    fn begin(&mut self, count: usize, about: &AboutMaps) -> io::Result<()> {
        let [maps, outputs, ledger] = &self.paths;
        self.maps = Some(ArrayWriter::create(maps, &[count, SIDE, SIDE])?);
        self.outputs = Some(ArrayWriter::create(outputs, &[count])?);
        let layers = about.layers.as_ref().map(Vec::len);
        self.ledger = layers.map(|layers| ArrayWriter::create(ledger, &[count, layers, 3])).transpose()?;
        self.about = Some(about.clone());
        Ok(())
    }

    fn take(&mut self, explained: Explained) -> io::Result<()> {
        let AboutMaps { meaning, .. } = self.about.as_ref().expect("explanations have begun");
        if meaning.sum != Some(Sum::Difference) || meaning.smoothing.is_some() {
            self.totals.extend(explained.facts.iter().filter_map(|facts| facts.total));
        }
        self.looked.look(meaning, &explained);
        if let Some(ledger) = &mut self.ledger {
            let parts = explained.taken.iter().flat_map(|taken| [taken.bias, taken.stabiliser, taken.rest]);
            ledger.write(&parts.map(|part| part as f32).collect::<Vec<f32>>())?;
        }
        self.maps.iter_mut().try_for_each(|maps| maps.write(explained.maps))?;
        self.outputs.iter_mut().try_for_each(|outputs| outputs.write(explained.outputs))
    }
}

/// The training samples that a reference is taken from, where there is such a one.
#[derive(Default)]
pub struct Known(Option<(RasterStack, Vec<f32>)>);

impl Known {
    pub fn of(data: &Dataset, settings: &ExplainSettings) -> Self {
        let training = Split::Train.range(data.len());
        Self(Self::needed(settings).then(|| (data.images.slice(training.clone()), data.ages()[training].to_vec())))
    }

    pub fn needed(settings: &ExplainSettings) -> bool {
        settings.reference.is_some_and(Reference::needs_samples)
    }

    pub fn samples(&self) -> Option<Samples<'_>> {
        self.0.as_ref().map(|(images, ages)| Samples { images, ages })
    }
}

/// Settings that lead nowhere make a run invalid, not failed.
fn refused(error: ExplainError) -> StageError {
    match error {
        ExplainError::UnknownAnalyzer { .. }
        | ExplainError::NoRule { .. }
        | ExplainError::ImageSize { .. }
        | ExplainError::Unreadable(_)
        | ExplainError::Unwritable { .. } => StageError::failed(error),
        error => StageError::invalid(error),
    }
}

/// Explains images of a file with weights of a file; the maps go to `out`. References are taken from the same file,
/// where it knows ages. Images and maps are in memory some at a time.
pub fn explain_files(
    weights: &Path,
    images: &Path,
    settings: &ExplainSettings,
    device: Device,
    out: &Path,
    progress: &dyn ProgressSink,
) -> Result<(), StageError> {
    let (net, note) = load(weights, device)?;
    if let Some(note) = note {
        progress.report(Progress::Note { message: format!("{}: {note}", weights.display()) });
    }
    let file = ImageFile::open(images).map_err(StageError::failed)?;
    check_size(&file)?;
    let extent = raster::extent(&file).map_err(StageError::failed)?;
    if let Some(message) = file.note_on_scale(extent) {
        progress.report(Progress::Note { message });
    }
    let ages = if needs_ages(settings) { dataset::load_ages(images).map_err(StageError::failed)? } else { None };
    if let Some(ages) = ages.as_ref().filter(|ages| ages.len() != file.shape()[0]) {
        let (path, count) = (images.display(), file.shape()[0]);
        return Err(StageError::Failed(format!("{path}: {} ages for {count} images", ages.len())));
    }
    let samples = ages.as_deref().map(|ages| Samples { images: &file, ages });
    let looked = Looked::new(settings, range_of(ages.as_deref(), net.architecture().task), 0);
    let mut maps = Maps { path: out, about: None, looked, writer: None };
    explain_each(&net, &file, settings, samples, &mut maps, progress).map_err(refused)?;
    let findings = maps.looked.findings();
    if let Some(turned) = findings.iter().find(|finding| finding.flaw == Some(Flaw::Noise)) {
        // Nothing in a file of maps would tell which of them explain something else.
        return Err(StageError::Invalid(turned.message.clone()));
    }
    for Finding { message, .. } in findings {
        progress.report(Progress::Note { message });
    }
    maps.writer.expect("explanations have begun").finish().map(drop).map_err(StageError::io(out))
}

/// A file of maps while it is written.
struct Maps<'a> {
    path: &'a Path,
    about: Option<AboutMaps>,
    looked: Looked,
    writer: Option<ArrayWriter>,
}

impl Sink for Maps<'_> {
    fn begin(&mut self, count: usize, about: &AboutMaps) -> io::Result<()> {
        self.about = Some(about.clone());
        self.writer = Some(ArrayWriter::create(self.path, &[count, SIDE, SIDE])?);
        Ok(())
    }

    fn take(&mut self, explained: Explained) -> io::Result<()> {
        let AboutMaps { meaning, .. } = self.about.as_ref().expect("explanations have begun");
        self.looked.look(meaning, &explained);
        self.writer.iter_mut().try_for_each(|writer| writer.write(explained.maps))
    }
}

fn check_size(images: &ImageFile) -> Result<(), StageError> {
    let [_, height, width] = images.shape();
    if (height, width) == (SIDE, SIDE) {
        return Ok(());
    }
    Err(StageError::Failed(format!(
        "{}: images of {height} x {width} pixels, but the network reads {SIDE} x {SIDE}",
        images.path().display()
    )))
}

/// A network from its file, with what the user should know of how that was read.
pub(super) fn load(path: &Path, device: Device) -> Result<(PumpkinNet, Option<String>), StageError> {
    let refused = |error: &dyn std::fmt::Display| StageError::Failed(format!("{}: {error}", path.display()));
    let bytes = inputs::read_file(path).map_err(|error| refused(&error))?;
    let adapted = adapt(&bytes).map_err(|error| refused(&error))?;
    Ok((PumpkinNet::new(&adapted.weights, device), adapted.note))
}
