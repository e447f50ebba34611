//! Maps of networks of layers against those that Zennit and Captum make of the same weights and images, which
//! `tests/parity/cases.py` writes.

use std::path::{Path, PathBuf};

use tch::{Device, Kind, Tensor, no_grad};
use xdlreg_core::explain::{Analyzer, ExplainSettings, Method, Options};
use xdlreg_core::net::ModelSettings;
use xdlreg_core::raster::{ImageShape, RasterStack};

use super::network_tests::{ask, given, settings};
use super::twin::{computed_in, layers_in};
use crate::net::network::to_tensor;
use crate::net::{Flow, Layer, Network, adapt_to};

/// Points on the way of integrated gradients in the maps of Captum.
const STEPS: usize = 20;

/// A folder of `cases.py`.
struct Case {
    folder: PathBuf,
    net: Network,
    images: RasterStack,
}

/// Shape and bytes of a .npy file of version 1.
fn array(path: &Path) -> (Vec<usize>, Vec<u8>) {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let end = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = String::from_utf8_lossy(&bytes[10..end]).into_owned();
    let shape = header.split_once("'shape': (").and_then(|(_, rest)| rest.split_once(')')).expect("a shape").0;
    let shape = shape.split(',').filter_map(|side| side.trim().parse().ok()).collect();
    (shape, bytes[end..].to_vec())
}

impl Case {
    fn read(folder: PathBuf) -> Self {
        let (shape, bytes) = array(&folder.join("images.npy"));
        let pixels = bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
        let image = ImageShape::new(shape[1], shape[2], shape[3]);
        let text = std::fs::read_to_string(folder.join("model.toml")).expect("settings");
        let network = toml::from_str::<ModelSettings>(&text).expect("settings").network(image).expect("a network");
        let weights = std::fs::read(folder.join("weights.safetensors")).expect("weights");
        let weights = adapt_to(&weights, Some(&network)).expect("weights of the network").weights;
        Self { net: Network::new(&weights, Device::Cpu), images: RasterStack::of(image, pixels), folder }
    }

    /// The maps of another library, in double precision.
    fn maps(&self, name: &str) -> Vec<f64> {
        let (_, bytes) = array(&self.folder.join(format!("{name}.npy")));
        bytes.as_chunks().0.iter().map(|eight| f64::from_le_bytes(*eight)).collect()
    }

    /// How far integrated gradients of PyTorch in float32 are from its own in float64, as a share of the maximum.
    fn float32_of_torch(&self) -> f64 {
        let text = std::fs::read_to_string(self.folder.join("float32.txt")).expect("a number");
        text.trim().parse().expect("a number")
    }

    /// Largest difference of any map from theirs as a share of its largest value.
    fn deviation(&self, ours: &[f64], theirs: &[f64]) -> f64 {
        assert_eq!(ours.len(), theirs.len());
        let values = self.images.shape().values();
        let maps = ours.chunks_exact(values).zip(theirs.chunks_exact(values)).map(|(ours, theirs)| {
            let largest = theirs.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
            ours.iter().zip(theirs).map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f64::max) / largest
        });
        maps.fold(0.0, f64::max)
    }

    /// The same network and question in double precision.
    fn twin(&self, settings: &ExplainSettings) -> Vec<f64> {
        let gradient = |images: &Tensor| {
            let images = images.set_requires_grad(true);
            let mut flow = Flow::new(images.shallow_clone());
            layers_in(Kind::Double, &self.net).iter().for_each(|layer| flow.step(layer, Layer::forward));
            Tensor::run_backward(&[flow.x.sum(Kind::Double)], &[images], false, false).remove(0)
        };
        let images = to_tensor(&self.images, 0..self.images.len()).to_kind(Kind::Double);
        let maps = match settings.method() {
            Method::IntegratedGradients { .. } => {
                let at = |step: usize| gradient(&(&images * (step as f64 / STEPS as f64)));
                let sum = (2..STEPS).fold(at(1), |sum, step| sum + at(step));
                sum / STEPS as f64 * &images
            }
            Method::Propagation(composite) if composite.is_relevance() => {
                return no_grad(|| computed_in(Kind::Double, &self.net, &composite, &self.images));
            }
            _ => gradient(&images),
        };
        Vec::try_from(maps.contiguous().view(-1)).expect("values")
    }

    /// Takes the first point of integrated gradients out of `maps`: on a black image the pixels of a max-pool's windows are all
    /// alike, and which of them wins is a matter of rounding.
    fn take_baseline(&self, maps: &mut [f64]) {
        let black = RasterStack::of(self.images.shape(), vec![0.0; self.images.pixels().len()]);
        let gradient = ask(&self.net, &black, &settings("gradient"), None).expect("maps").maps;
        for ((map, slope), pixel) in maps.iter_mut().zip(gradient.pixels()).zip(self.images.pixels()) {
            *map -= f64::from(*slope) * f64::from(*pixel) / STEPS as f64;
        }
    }

    fn check(&self) {
        for name in [
            "zennit.epsilon_plus",
            "zennit.epsilon_plus_flat",
            "zennit.epsilon_alpha2_beta1",
            "zennit.epsilon_gamma_box",
            "gradient",
            "integrated_gradients",
        ] {
            let steps = (name == "integrated_gradients").then_some(STEPS);
            let question = given(name, Options { steps, ..Options::default() });
            let theirs = self.maps(name);
            let ours = ask(&self.net, &self.images, &question, None).expect("maps").maps;
            let mut ours: Vec<f64> = ours.pixels().iter().map(|&value| f64::from(value)).collect();
            if steps.is_some() {
                self.take_baseline(&mut ours);
            }
            let (single, double) = (self.deviation(&ours, &theirs), self.deviation(&self.twin(&question), &theirs));
            let case = self.folder.file_name().expect("a name").display().to_string();
            println!("{case:12} {name:28} float32 {single:.1e}, float64 {double:.1e} of the maximum");
            // Pixels of a window that are alike but for rounding make gradients in float32 jump, PyTorch's own as well.
            let allowed = if steps.is_some() { self.float32_of_torch().max(1e-4) } else { 1e-4 };
            assert!(single <= allowed, "{case}, {name}: float32 is off by {single:e} of the maximum");
            assert!(double <= 1e-6, "{case}, {name}: float64 is off by {double:e} of the maximum");
        }
    }
}

#[test]
fn layers_of_every_kind_have_the_maps_of_zennit_and_captum() {
    Case::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/layers/every_kind")).check();
}

/// Run by `make test-parity`, which has the other libraries explain the same networks first.
#[test]
#[ignore = "needs the folder of tests/parity/cases.py, named by XDLREG_PARITY"]
fn networks_of_torchvision_have_the_maps_of_zennit_and_captum() {
    let folder = PathBuf::from(std::env::var_os("XDLREG_PARITY").expect("XDLREG_PARITY names the folder of cases"));
    let mut cases: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("cases").map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 2, "{cases:?}");
    cases.into_iter().for_each(|case| Case::read(case).check());
}

/// Every analyzer explains a network of layers of all kinds, and where nothing is lost on the way, the ledger says where it is.
#[test]
fn every_analyzer_explains_layers_of_every_kind() {
    let case = Case::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/layers/every_kind"));
    let layers: Vec<&str> = case.net.layers.iter().map(|(name, _)| name.as_str()).collect();
    for &name in Analyzer::NAMES.iter().filter(|name| **name != "lrp") {
        let (few, window) = (Some(2), Some(9));
        let mut options = Options { steps: few, samples: few, window, stride: window, ..Options::default() };
        let settings = ExplainSettings::of(Analyzer::new(name, &mut options).expect(name));
        let explained = ask(&case.net, &case.images, &settings, None).unwrap_or_else(|error| panic!("{name}: {error}"));
        // Relevance of Deep Taylor starts as the prediction where that is positive.
        let is_zero = explained.maps.pixels().iter().all(|value| *value == 0.0);
        assert_eq!(is_zero, name.starts_with("deep_taylor") && explained.outputs.iter().all(|output| *output <= 0.0));
        let Some(ledger) = explained.ledger else { continue };
        assert!(ledger.layers.iter().all(|layer| layers.contains(&layer.as_str())));
        for (index, map) in explained.maps.iter().enumerate() {
            let kept: f64 = ledger.of(index).iter().map(super::Taken::sum).sum();
            let (sum, output) = (map.sum() + kept, explained.facts[index].total.expect("relevance adds up"));
            let size: f64 = map.pixels.iter().map(|value| f64::from(value.abs())).sum();
            assert!((sum - output).abs() < 1e-4 * (size + output.abs()), "{name}: {sum} for {output}");
        }
    }
}
