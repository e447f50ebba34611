//! Explanations: one engine that carries out the rules and composites of [`xdlreg_core::explain`].

mod batches;
mod engine;
mod error;
mod explainer;
#[cfg(target_arch = "x86_64")]
mod kernel;
mod ledger;
mod linear;
mod memory;
mod pool;
mod propagate;
mod reference;
mod relevance;
mod rule;
mod stabilise;
mod step;

use std::io;
use std::ops::ControlFlow;

use xdlreg_core::alive;
use xdlreg_core::data::Target;
use xdlreg_core::event::ProgressSink;
use xdlreg_core::explain::{ExplainSettings, ExplainedNetwork, Facts, LayerSite, Meaning};
use xdlreg_core::raster::{ImageShape, Planes, RasterStack};
use xdlreg_core::settings::Invalid;
use xdlreg_core::task::Task;

use batches::{Chunk, Team, Work};
pub use error::ExplainError;
pub use ledger::{Ledger, Taken};
pub use reference::Samples;
use reference::{Missed, Root};

use crate::net::Network;

/// Images that are looked at together before any is explained.
const LOOK: usize = 256;

/// Relevance of every value of every image.
#[derive(Debug, Clone, PartialEq)]
pub struct RelevanceMaps {
    /// A map an image.
    pub maps: RasterStack,
    /// What they mean.
    pub meaning: Meaning,
    /// What else is known of each map.
    pub facts: Vec<Facts>,
    /// What is explained: the target, or the logit of a class. Under noise that of the images themselves.
    pub outputs: Vec<f32>,
    /// What it is explained against, in the target's unit; 0 without a reference.
    pub reference: f64,
    /// What layers kept, where relevance is propagated from the prediction.
    pub ledger: Option<Ledger>,
}

/// What is known of all maps before the first of them.
#[derive(Debug, Clone, PartialEq)]
pub struct AboutMaps {
    /// Of each map: that of the images.
    pub shape: ImageShape,
    /// What they mean.
    pub meaning: Meaning,
    /// What predictions are explained against, in the target's unit; 0 without a reference.
    pub reference: f64,
    /// The linear layers from the input on, where relevance is propagated from the prediction and they keep a ledger.
    pub layers: Option<Vec<String>>,
}

/// The explanations of some images in a row.
#[derive(Debug, Clone, Copy)]
pub struct ExplainedImages<'a> {
    /// A map an image, one after the other.
    pub maps: &'a [f32],
    /// What is explained, a number an image.
    pub outputs: &'a [f32],
    /// An entry an image and layer of the ledger; of no meaning where there is none.
    pub taken: &'a [Taken],
    /// What else is known of each map.
    pub facts: &'a [Facts],
}

/// Takes explanations as they are made.
pub trait Sink {
    /// Called once, before any explanation, with how many there will be.
    fn begin(&mut self, count: usize, about: &AboutMaps) -> io::Result<()>;

    /// Called with the explanations in the order of the images.
    fn take(&mut self, explained: ExplainedImages) -> io::Result<()>;
}

/// What is explained, and how.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    pub net: &'a Network,
    /// What it predicts.
    pub target: &'a Target,
    pub settings: &'a ExplainSettings,
    /// Those that references are taken from.
    pub samples: Option<Samples<'a>>,
}

/// Explains the prediction for every image.
///
/// On a CPU, as many batches are propagated side by side as libtorch has threads; the maps do not depend on that
/// number.
///
/// # Errors
/// [`ExplainError`] for images of another shape, a class of a regression, a reference that cannot be
/// reached, and relevance that is not finite.
pub fn explain(
    question: &Question,
    images: &RasterStack,
    progress: &dyn ProgressSink,
) -> Result<RelevanceMaps, ExplainError> {
    let mut all = All::default();
    explain_each(question, images, &mut all, progress)?;
    let AboutMaps { shape, meaning, reference, layers } = all.about.expect("explanations have begun");
    let ledger = layers.map(|layers| Ledger { layers, taken: all.taken });
    let maps = RasterStack::of(shape, all.maps);
    Ok(RelevanceMaps { maps, meaning, facts: all.facts, outputs: all.outputs, reference, ledger })
}

/// As [`explain`], for images that need not be in memory, into `sink`. Memory does not grow with their number.
///
/// Images are gone through twice: whether all of them can be explained is known before the first is.
pub fn explain_each(
    question: &Question,
    images: &dyn Planes,
    sink: &mut dyn Sink,
    progress: &dyn ProgressSink,
) -> Result<(), ExplainError> {
    let Question { net, target, settings, samples } = *question;
    let (total, shape) = (images.count(), images.shape());
    if shape != net.spec().input {
        return Err(ExplainError::ImageShape { found: shape, expected: net.spec().input });
    }
    let values = shape.values();
    let method = settings.method();
    if settings.class.is_some() && net.task() == Task::Regression {
        return Err(ExplainError::ClassOfRegression);
    }
    let class = settings.class.and_then(xdlreg_core::explain::Class::output);
    let root = alive::during(|| Root::find(settings.reference(), net, target, samples))?;
    let non_negative = look(question, images, root.as_ref())?;
    let layers: Vec<String> = LayerSite::of(net.spec()).iter().map(|site| site.name.to_owned()).collect();
    let unfit = settings.validate_for_network(net.spec());
    if let Some(Invalid { key, message, help }) = unfit.into_iter().next() {
        return Err(ExplainError::Unfit { key, message, help });
    }
    let sites = LayerSite::of(net.spec());
    let entry = *sites.first().expect("an output layer");
    let meaning = Meaning::of(&method, &ExplainedNetwork { task: net.task(), target, entry, shape });
    let sum = meaning.sum;
    let copies = meaning.smoothing;
    let about = AboutMaps {
        shape,
        meaning,
        reference: root.as_ref().map_or(0.0, |root| root.reference),
        layers: method.relevance().map(|_| layers.clone()),
    };
    let work = Work { method: &method, sum, root, class, non_negative, total };
    let mut team = Team::new(net, &work, layers.len())?;
    sink.begin(total, &about).map_err(ExplainError::Unwritable)?;
    // Images were looked at before; their noisy copies are known only now.
    let check = |maps: &[f32], facts: &[Facts], first: usize| {
        if let (Some(at), Some(noise)) = (facts.iter().position(|facts| facts.unreached > 0), copies) {
            let (sample, unreached, copies) = (first + at, facts[at].unreached, noise.samples);
            let reference = target.with_unit(format!("{:.1}", about.reference));
            return Err(ExplainError::UnreachedUnderNoise { reference, sigma: noise.sigma, sample, unreached, copies });
        }
        match maps.chunks_exact(values).position(|map| !map.iter().fold(true, |all, r| all & r.is_finite())) {
            Some(at) => {
                Err(ExplainError::NotFinite { sample: first + at, analyzer: settings.analyzer.name().to_owned() })
            }
            None => Ok(()),
        }
    };

    let mut first = 0;
    let (mut maps, mut outputs, mut taken, mut facts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut ended = Ok(());
    images.visit(team.chunk(), &mut |images| {
        let count = images.len() / values;
        maps.clear();
        maps.resize(images.len(), 0.0);
        outputs.clear();
        outputs.resize(count, 0.0);
        taken.clear();
        taken.resize(count * layers.len(), Taken::default());
        facts.clear();
        facts.resize(count, Facts::default());
        let (maps, outputs, taken, facts) = (&mut maps, &mut outputs, &mut taken, &mut facts);
        team.explain(Chunk { images, first, maps, outputs, taken, facts }, total, progress);
        if about.layers.is_some() {
            note_stabilised(facts, taken);
        }
        ended = check(maps, facts, first).and_then(|()| {
            sink.take(ExplainedImages { maps, outputs, taken, facts }).map_err(ExplainError::Unwritable)
        });
        first += count;
        if ended.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    ended
}

/// Notes the magnitude of what stabilisers kept of each image's relevance.
fn note_stabilised(facts: &mut [Facts], taken: &[Taken]) {
    let layers = taken.len() / facts.len().max(1);
    for (facts, taken) in facts.iter_mut().zip(taken.chunks_exact(layers.max(1))) {
        facts.stabilised = taken.iter().map(|taken| taken.stabiliser.abs()).sum();
    }
}

/// Looks at all images: whether the reference is reached from each, and whether none has a pixel below zero.
fn look(question: &Question, images: &dyn Planes, root: Option<&Root>) -> Result<bool, ExplainError> {
    let mut non_negative = true;
    let mut missed = Missed::default();
    images.visit(LOOK, &mut |pixels| {
        alive::tick();
        non_negative &= pixels.iter().fold(true, |none, &pixel| none & (pixel >= 0.0));
        if let Some(root) = root {
            root.look(question.net, &RasterStack::of(images.shape(), pixels.to_vec()), &mut missed);
        }
        ControlFlow::Continue(())
    })?;
    root.map_or(Ok(()), |root| root.check(&missed, question.target))?;
    Ok(non_negative)
}

/// Explanations that are all kept.
#[derive(Default)]
struct All {
    about: Option<AboutMaps>,
    maps: Vec<f32>,
    outputs: Vec<f32>,
    taken: Vec<Taken>,
    facts: Vec<Facts>,
}

impl Sink for All {
    fn begin(&mut self, count: usize, about: &AboutMaps) -> io::Result<()> {
        self.about = Some(about.clone());
        self.maps.reserve_exact(count * about.shape.values());
        Ok(())
    }

    fn take(&mut self, explained: ExplainedImages) -> io::Result<()> {
        self.maps.extend_from_slice(explained.maps);
        self.outputs.extend_from_slice(explained.outputs);
        self.taken.extend_from_slice(explained.taken);
        self.facts.extend_from_slice(explained.facts);
        Ok(())
    }
}

#[cfg(test)]
mod layers_tests;
#[cfg(test)]
mod ledger_tests;
#[cfg(test)]
mod meaning_tests;
#[cfg(test)]
mod network_tests;
#[cfg(test)]
mod parity_tests;
#[cfg(test)]
mod precision_tests;
#[cfg(test)]
mod reference_tests;
#[cfg(test)]
mod rule_tests;
#[cfg(test)]
mod smooth_tests;
#[cfg(test)]
mod stack_tests;
#[cfg(test)]
mod torch_tests;
#[cfg(test)]
mod twin;
