//! Explain: network and images -> relevance maps.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use tch::Device;
use xdlreg_core::data::{Dataset, Split, Target};
use xdlreg_core::event::{Progress, ProgressSink};
use xdlreg_core::explain::{ExplainSettings, Finding, Flaw, Reference, Review, Sum};
use xdlreg_core::key::Key;
use xdlreg_core::net::EngineChoice;
use xdlreg_core::protocol::NetworkFile;
use xdlreg_core::raster::{Planes, RasterStack};
use xdlreg_core::sim;
use xdlreg_core::stage::{self, StageContext, StageError, files};
use xdlreg_core::store::planes::{ArrayWriter, ImageFile};
use xdlreg_core::store::{Draft, dataset, inputs};
use xdlreg_core::task::Task;

use super::predict;
use crate::explain::{AboutMaps, ExplainError, ExplainedImages, Question, Samples, Sink, explain_each};
use crate::net::{Network, adapt};

/// Explains the chosen subset of a data set into `draft`. Images and maps are in memory some at a time.
pub fn run(
    data: &Key,
    network: &Key,
    settings: &ExplainSettings,
    (device, engine): (Device, EngineChoice),
    draft: &Draft,
    context: &StageContext,
) -> Result<(), StageError> {
    let net = load(&context.model(network)?, device)?.0.computed_by(engine);
    let images = images_of(data, settings, context)?;
    let samples = Some(Samples { images: &*images.training, targets: &images.training_targets });
    let file = |name| draft.file(name).map_err(StageError::io(draft.folder()));
    let looked = Looked::new(settings, range_of(&images.targets, net.task()), images.indices);
    let mut kept = EntryFiles {
        paths: [file(files::RELEVANCE)?, file(files::OUTPUTS)?, file(files::LEDGER)?],
        about: None,
        looked,
        totals: Vec::new(),
        maps: None,
        outputs: None,
        ledger: None,
    };
    let question = Question { net: &net, target: &images.target, settings, samples };
    let made = explain_each(&question, &*images.explained, &mut kept, context.progress);
    made.map_err(|error| refused(error.of_samples(&kept.looked.samples)))?;
    let facts = kept.finish().map_err(StageError::io(draft.folder()))?;
    let text = serde_json::to_vec(&facts).map_err(StageError::failed)?;
    draft.write(files::EXPLAINED, &text).map_err(StageError::io(draft.folder()))
}

/// What a data set offers to an explanation.
struct Images {
    explained: Box<dyn Planes>,
    /// Index in the data set of each explained image.
    indices: Vec<usize>,
    /// The training set, which is empty where no reference needs it.
    training: Box<dyn Planes>,
    training_targets: Vec<f32>,
    target: Target,
    /// Of all samples.
    targets: Vec<f32>,
}

/// Images are read some at a time, unless they are in memory anyway.
fn images_of(data: &Key, settings: &ExplainSettings, context: &StageContext) -> Result<Images, StageError> {
    let needed = Known::needed(settings);
    if let Some(set) = context.remembered_dataset(data) {
        let training = if needed { set.samples(Split::Train) } else { Vec::new() };
        let indices = set.samples(settings.subset);
        return Ok(Images {
            explained: Box::new(set.images.select(&indices)),
            indices,
            training_targets: training.iter().map(|&sample| set.targets[sample]).collect(),
            training: Box::new(set.images.select(&training)),
            target: set.target.clone(),
            targets: set.targets.clone(),
        });
    }
    let file = context.dataset_file(data)?;
    let all = ImageFile::open(&file).map_err(StageError::failed)?;
    let known = dataset::load_samples(&file).map_err(StageError::failed)?;
    let training = if needed { known.partition.samples(Split::Train) } else { Vec::new() };
    let indices = known.partition.samples(settings.subset);
    Ok(Images {
        explained: Box::new(all.clone().select(&indices)),
        indices,
        training_targets: training.iter().map(|&sample| known.targets[sample]).collect(),
        training: Box::new(all.select(&training)),
        target: known.target,
        targets: known.targets,
    })
}

/// The range of the targets in the unit of the network's output; 0 where it is not known.
fn range_of(targets: &[f32], task: Task) -> f64 {
    let targets = if task == Task::Regression { targets } else { &[] };
    let ends = targets
        .iter()
        .fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], &value| [low.min(value), high.max(value)]);
    f64::from((ends[1] - ends[0]).max(0.0))
}

/// Looks over maps as they are made.
struct Looked {
    with_reference: bool,
    range: f64,
    /// Index in the data set of each image.
    samples: Vec<usize>,
    /// From the first map on.
    review: Option<Review>,
    flaws: BTreeMap<usize, Flaw>,
    count: usize,
}

impl Looked {
    fn new(settings: &ExplainSettings, range: f64, samples: Vec<usize>) -> Self {
        let with_reference = settings.reference() != Reference::None;
        Self { with_reference, range, samples, review: None, flaws: BTreeMap::new(), count: 0 }
    }

    fn look(&mut self, about: &AboutMaps, explained: &ExplainedImages) {
        let review = || Review::new(about.meaning.clone(), self.with_reference, self.range, self.samples.clone());
        let review = self.review.get_or_insert_with(review);
        for (map, facts) in explained.maps.chunks_exact(about.shape.values()).zip(explained.facts) {
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
struct EntryFiles {
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

impl EntryFiles {
    fn finish(self) -> io::Result<stage::Explained> {
        [self.maps, self.outputs, self.ledger].into_iter().flatten().try_for_each(|array| array.finish().map(drop))?;
        let AboutMaps { meaning, reference, layers, .. } = self.about.expect("explanations have begun");
        let (layers, findings) = (layers.unwrap_or_default(), self.looked.findings());
        let (totals, flaws) = (self.totals, self.looked.flaws);
        Ok(stage::Explained { meaning, reference, totals, layers, flaws, findings })
    }
}

impl Sink for EntryFiles {
    fn begin(&mut self, count: usize, about: &AboutMaps) -> io::Result<()> {
        let [maps, outputs, ledger] = &self.paths;
        self.maps = Some(ArrayWriter::create(maps, &about.shape.of_array(count))?);
        self.outputs = Some(ArrayWriter::create(outputs, &[count])?);
        let layers = about.layers.as_ref().map(Vec::len);
        self.ledger = layers.map(|layers| ArrayWriter::create(ledger, &[count, layers, 3])).transpose()?;
        self.about = Some(about.clone());
        Ok(())
    }

    fn take(&mut self, explained: ExplainedImages) -> io::Result<()> {
        let about = self.about.as_ref().expect("explanations have begun");
        let meaning = &about.meaning;
        if meaning.sum != Some(Sum::Difference) || meaning.smoothing.is_some() {
            self.totals.extend(explained.facts.iter().filter_map(|facts| facts.total));
        }
        self.looked.look(about, &explained);
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
        let known = || {
            let training = data.samples(Split::Train);
            let targets = training.iter().map(|&sample| data.targets[sample]).collect();
            (data.images.select(&training), targets)
        };
        Self(Self::needed(settings).then(known))
    }

    fn needed(settings: &ExplainSettings) -> bool {
        settings.reference().needs_samples()
    }

    pub fn samples(&self) -> Option<Samples<'_>> {
        self.0.as_ref().map(|(images, targets)| Samples { images, targets })
    }
}

/// Settings that lead nowhere make a run invalid, not failed.
fn refused(error: ExplainError) -> StageError {
    match error {
        ExplainError::Unfit { .. }
        | ExplainError::NoRule { .. }
        | ExplainError::ImageShape { .. }
        | ExplainError::Unreadable(_)
        | ExplainError::Unwritable(_) => StageError::failed(error),
        error => StageError::invalid(error),
    }
}

/// So many predictions are shown beside maps.
const SHOWN: usize = 20;

/// Explains images of a file with weights of a file; the maps go to `out`. References are taken from the same file,
/// where it knows targets. Images and maps are in memory some at a time. Returns the predictions for the first images.
pub fn explain_files(
    network: &NetworkFile,
    images: &Path,
    settings: &ExplainSettings,
    (device, engine): (Device, EngineChoice),
    out: &Path,
    progress: &dyn ProgressSink,
) -> Result<Vec<f32>, StageError> {
    let (net, file) = predict::open(network, images, device, progress)?;
    let net = net.computed_by(engine);
    let known = dataset::load_targets(images).map_err(StageError::failed)?;
    if let Some((target, targets)) = known.as_ref().filter(|(_, targets)| targets.len() != file.count()) {
        let (path, count, name) = (images.display(), file.count(), &target.name);
        return Err(StageError::failed(format!("{path}: {} values of {name} for {count} images", targets.len())));
    }
    let samples = known.as_ref().map(|(_, targets)| Samples { images: &file, targets });
    // Weights do not say what they predict.
    let target = known.as_ref().map_or_else(sim::age, |(target, _)| target.clone());
    let targets: &[f32] = known.as_ref().map_or(&[], |(_, targets)| targets);
    let looked = Looked::new(settings, range_of(targets, net.task()), (0..file.count()).collect());
    let mut maps = Maps { path: out, about: None, looked, writer: None };
    let question = Question { net: &net, target: &target, settings, samples };
    explain_each(&question, &file, &mut maps, progress).map_err(refused)?;
    let findings = maps.looked.findings();
    if let Some(turned) = findings.iter().find(|finding| finding.flaw == Some(Flaw::Noise)) {
        // Nothing in a file of maps would tell which of them explain something else.
        return Err(StageError::invalid(turned.message.clone()));
    }
    for Finding { message, .. } in findings {
        progress.report(Progress::Note { message });
    }
    maps.writer.expect("explanations have begun").finish().map_err(StageError::io(out))?;
    let first: Vec<usize> = (0..file.count().min(SHOWN)).collect();
    predict::predict(&net, &file.select(&first))
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
        self.writer = Some(ArrayWriter::create(self.path, &about.shape.of_array(count))?);
        Ok(())
    }

    fn take(&mut self, explained: ExplainedImages) -> io::Result<()> {
        let about = self.about.as_ref().expect("explanations have begun");
        self.looked.look(about, &explained);
        self.writer.iter_mut().try_for_each(|writer| writer.write(explained.maps))
    }
}

/// A network from its file, with what the user should know of how that was read.
pub(super) fn load(path: &Path, device: Device) -> Result<(Network, Option<String>), StageError> {
    let bytes = inputs::read_file(path).map_err(|error| StageError::file(path, error))?;
    let adapted = adapt(&bytes).map_err(|error| StageError::file(path, error))?;
    Ok((Network::new(&adapted.weights, device), adapted.note))
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use safetensors::SafeTensorError;
    use xdlreg_core::metric::ProbeError;

    use super::*;

    /// Whether an error, or one that it comes from, is an `E`.
    fn comes_from<E: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
        error.is::<E>() || error.source().is_some_and(comes_from::<E>)
    }

    #[test]
    fn errors_reach_what_they_come_from() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let absent = load(&path, Device::Cpu).err().unwrap();
        assert!(comes_from::<io::Error>(&absent), "{absent:?}");
        std::fs::write(&path, b"\x10\0\0\0\0\0\0\0 no header").unwrap();
        let damaged = load(&path, Device::Cpu).err().unwrap();
        assert!(comes_from::<SafeTensorError>(&damaged), "{damaged:?}");
        assert_eq!(damaged.to_string().matches("model.safetensors").count(), 1, "{damaged}");

        let unwritable = || ExplainError::Unwritable(io::Error::other("no space"));
        assert!(comes_from::<io::Error>(&refused(unwritable())));
        assert!(comes_from::<io::Error>(&StageError::invalid(ProbeError(unwritable().into()))));
    }
}
