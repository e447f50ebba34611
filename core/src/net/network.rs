//! A network as a list of layers, with what follows from it: shapes, parameters, the task.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::layer::{LayerSpec, Padding, Shape};
use super::shapes::Shapes;
use crate::raster::ImageShape;
use crate::task::Task;

/// A layer with the name that its parameters have in weights files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NamedLayer {
    pub name: String,
    #[serde(flatten)]
    pub layer: LayerSpec,
}

/// A network: what goes in, and its layers one after the other, also those within residual blocks (see `shapes`). The last one is dense and puts the prediction out: one
/// number for a regression, two logits for a classification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetworkSpec {
    /// Of the images.
    pub input: ImageShape,
    pub layers: Vec<NamedLayer>,
}

/// The largest number of filters, units, rows, columns or pixels that a layer may have: products of a few do not overflow.
const MOST: usize = 1 << 14;
/// More layers than any network of use, fewer than would take long to read.
const MOST_LAYERS: usize = 10_000;

/// Why layers are no network.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NetworkError {
    #[error("the layer `{name}` ({kind}) gets {input} from {before}: {problem}")]
    Shape { position: usize, name: String, kind: &'static str, before: String, input: String, problem: String },
    #[error("two layers are called `{name}`")]
    SameName { position: usize, name: String },
    #[error("the layer `{name}` has no {what}")]
    Empty { position: usize, name: String, what: &'static str },
    #[error("the layer `{name}` has a {what} of more than {MOST}")]
    TooLarge { position: usize, name: String, what: &'static str },
    #[error("images of {shape} are nothing that a network could take")]
    Images { shape: String },
    #[error("there are {found} layers, more than {MOST_LAYERS}")]
    TooMany { found: usize },
    #[error("the last layer must be dense with 1 unit, or with 2 for a classification, but it {found}")]
    Output { found: String },
}

impl NetworkError {
    /// The position of the layer that is at fault, where it is one alone.
    pub fn position(&self) -> Option<usize> {
        match self {
            Self::Shape { position, .. }
            | Self::SameName { position, .. }
            | Self::Empty { position, .. }
            | Self::TooLarge { position, .. } => Some(*position),
            Self::Images { .. } | Self::TooMany { .. } | Self::Output { .. } => None,
        }
    }
}

/// A layer's place in a network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placed<'a> {
    pub name: &'a str,
    pub layer: LayerSpec,
    pub input: Shape,
    pub output: Shape,
}

impl NetworkSpec {
    /// A network of these layers, whose shapes fit each other.
    ///
    /// # Errors
    /// [`NetworkError`] for the first layer that does not fit.
    pub fn new(input: ImageShape, layers: Vec<NamedLayer>) -> Result<Self, NetworkError> {
        if layers.len() > MOST_LAYERS {
            return Err(NetworkError::TooMany { found: layers.len() });
        }
        if !is_reasonable(Shape::Image(input)) {
            return Err(NetworkError::Images { shape: input.to_string() });
        }
        let mut names = BTreeSet::new();
        let mut shapes = Shapes::new(Shape::Image(input));
        let mut before = "the image".to_owned();
        for (position, NamedLayer { name, layer }) in layers.iter().enumerate() {
            let name = name.clone();
            if !names.insert(name.clone()) {
                return Err(NetworkError::SameName { position, name });
            }
            if let Some(what) = nothing_in(*layer) {
                return Err(NetworkError::Empty { position, name, what });
            }
            if let Some(what) = too_large_in(*layer) {
                return Err(NetworkError::TooLarge { position, name, what });
            }
            let (kind, input) = (layer.kind(), shapes.here());
            let output = shapes.step(*layer).and_then(|output| match is_reasonable(output) {
                true => Ok(()),
                false => Err(format!("it would put out {output}")),
            });
            let from = std::mem::replace(&mut before, format!("`{name}`"));
            let refuse =
                |problem| NetworkError::Shape { position, name, kind, before: from, input: input.to_string(), problem };
            output.map_err(refuse)?;
        }
        if !shapes.is_outside() {
            return Err(NetworkError::Output { found: "lies within a residual block that does not end".into() });
        }
        match layers.last().map(|last| last.layer) {
            Some(LayerSpec::Dense { units: 1 | 2, .. }) => Ok(Self { input, layers }),
            Some(LayerSpec::Dense { units, .. }) => Err(NetworkError::Output { found: format!("has {units} units") }),
            Some(layer) => Err(NetworkError::Output { found: format!("is of the type \"{}\"", layer.kind()) }),
            None => Err(NetworkError::Output { found: "is missing".into() }),
        }
    }

    /// Whether it is one: layers that were read from a file may be anything.
    pub fn is_sound(&self) -> bool {
        Self::new(self.input, self.layers.clone()).is_ok()
    }

    /// All layers with their shapes.
    pub fn placed(&self) -> impl Iterator<Item = Placed<'_>> {
        let mut shapes = Shapes::new(Shape::Image(self.input));
        self.layers.iter().map(move |NamedLayer { name, layer }| {
            let input = shapes.here();
            let output = shapes.step(*layer).expect("the shapes of a network fit");
            Placed { name, layer: *layer, input, output }
        })
    }

    /// The layer that puts the prediction out.
    pub fn output(&self) -> &NamedLayer {
        self.layers.last().expect("a network has an output")
    }

    /// Numbers that it puts out for an image.
    pub fn outputs(&self) -> usize {
        match self.output().layer {
            LayerSpec::Dense { units, .. } => units,
            layer => unreachable!("a network does not end with a layer of the type {}", layer.kind()),
        }
    }

    pub fn task(&self) -> Task {
        if self.outputs() == 1 { Task::Regression } else { Task::Classification }
    }

    /// Name and shape of every parameter, in the order in which the network uses them.
    pub fn parameters(&self) -> Vec<(String, Vec<usize>)> {
        let of_layer = |placed: Placed| {
            let parts = placed.layer.parameters(placed.input).into_iter();
            parts.map(|(part, shape)| (format!("{}.{part}", placed.name), shape)).collect::<Vec<_>>()
        };
        self.placed().flat_map(of_layer).collect()
    }

    /// For every dropout its rate and how many values of a sample it acts on.
    pub fn dropouts(&self) -> Vec<(f64, usize)> {
        let rate = |placed: Placed| match placed.layer {
            LayerSpec::Dropout { rate } => Some((rate, placed.input.values())),
            _ => None,
        };
        self.placed().filter_map(rate).collect()
    }

    /// The same network under another rate of every dropout, which does not matter once it is trained.
    pub fn without_rates(&self) -> Self {
        let plain = |named: &NamedLayer| match named.layer {
            LayerSpec::Dropout { .. } => NamedLayer { layer: LayerSpec::Dropout { rate: 0.0 }, ..named.clone() },
            _ => named.clone(),
        };
        Self { layers: self.layers.iter().map(plain).collect(), ..*self }
    }

    /// Bytes of what an image leaves behind in all layers on its way through, in single precision.
    pub fn activations(&self) -> u128 {
        self.placed().map(|placed| placed.output.values() as u128 * size_of::<f32>() as u128).sum()
    }

    /// How many values its parameters have.
    pub fn parameter_count(&self) -> u128 {
        self.parameters().iter().map(|(_, shape)| shape.iter().map(|&side| side as u128).product::<u128>()).sum()
    }
}

/// Whether a shape has any values, and so few that products with them do not overflow.
fn is_reasonable(shape: Shape) -> bool {
    const MOST_SIDE: usize = 1 << 20;
    const MOST_VALUES: usize = 1 << 40;
    let fits = match shape {
        Shape::Image(ImageShape { channels, height, width }) => {
            channels <= MOST && [height, width].into_iter().all(|side| side <= MOST_SIDE)
        }
        Shape::Features(_) => true,
    };
    fits && (1..=MOST_VALUES).contains(&shape.values())
}

/// What of a layer is larger than anything of use.
fn too_large_in(layer: LayerSpec) -> Option<&'static str> {
    let over = |sides: [usize; 2]| sides.into_iter().any(|side| side > MOST);
    let padded = |padding| matches!(padding, Padding::Pixels(pixels) if over(pixels));
    match (layer, layer.window()) {
        (LayerSpec::Conv { filters, .. }, _) if filters > MOST => Some("number of filters"),
        (LayerSpec::Dense { units, .. }, _) if units > MOST => Some("number of units"),
        (LayerSpec::AdaptiveAvgPool { output }, _) if over(output) => Some("output"),
        (_, Some((kernel, ..))) if over(kernel) => Some("kernel"),
        (_, Some((_, stride, _))) if over(stride) => Some("stride"),
        (_, Some((.., padding))) if padded(padding) => Some("padding"),
        _ => None,
    }
}

/// What a layer has none of, that it needs.
fn nothing_in(layer: LayerSpec) -> Option<&'static str> {
    match (layer, layer.window()) {
        (LayerSpec::Conv { filters: 0, .. }, _) => Some("filters"),
        (LayerSpec::Dense { units: 0, .. }, _) => Some("units"),
        (LayerSpec::AdaptiveAvgPool { output }, _) if output.contains(&0) => Some("output"),
        (_, Some((kernel, ..))) if kernel.contains(&0) => Some("kernel"),
        (_, Some((_, stride, _))) if stride.contains(&0) => Some("stride"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, layer: LayerSpec) -> NamedLayer {
        NamedLayer { name: name.into(), layer }
    }

    fn small() -> Vec<NamedLayer> {
        let conv = LayerSpec::Conv { filters: 4, kernel: [3, 3], stride: [2, 2], padding: Padding::Same, bias: true };
        vec![
            named("first", conv),
            named("relu", LayerSpec::Relu),
            named("flatten", LayerSpec::Flatten),
            named("drop", LayerSpec::Dropout { rate: 0.25 }),
            named("last", LayerSpec::Dense { units: 1, bias: true }),
        ]
    }

    #[test]
    fn shapes_and_parameters_follow_from_the_layers() {
        let network = NetworkSpec::new(ImageShape::new(3, 64, 80), small()).unwrap();
        assert_eq!((network.outputs(), network.task()), (1, Task::Regression));
        let names: Vec<String> = network.parameters().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["first.weight", "first.bias", "last.weight", "last.bias"]);
        assert_eq!(network.parameters()[2].1, [1, 4 * 32 * 40]);
        assert_eq!(network.dropouts(), [(0.25, 4 * 32 * 40)]);
        assert_eq!(network.parameter_count(), 4 * 3 * 9 + 4 + 5120 + 1);
        let json = serde_json::to_string(&network).unwrap();
        assert_eq!(serde_json::from_str::<NetworkSpec>(&json).unwrap(), network);
        assert_ne!(network, network.without_rates());
    }

    #[test]
    fn what_is_no_network_is_told_with_its_place() {
        let refused = |change: fn(&mut Vec<NamedLayer>)| {
            let mut layers = small();
            change(&mut layers);
            NetworkSpec::new(ImageShape::new(3, 64, 80), layers).unwrap_err()
        };
        let error = refused(|layers| layers[1].name = "first".into());
        assert_eq!((error.position(), error.to_string()), (Some(1), "two layers are called `first`".into()));
        let error = refused(|layers| drop(layers.remove(2)));
        assert_eq!(error.position(), Some(3), "{error}");
        assert!(error.to_string().contains("4 x 32 x 40 (channels, rows, columns)"), "{error}");
        let error = refused(|layers| drop(layers.pop()));
        assert!(error.to_string().ends_with("but it is of the type \"dropout\""), "{error}");
        let error = refused(|layers| layers[4].layer = LayerSpec::Dense { units: 3, bias: true });
        assert!(error.to_string().ends_with("but it has 3 units"), "{error}");
        let error = refused(|layers| layers[4].layer = LayerSpec::Dense { units: 0, bias: true });
        assert_eq!(error.to_string(), "the layer `last` has no units");
        let error = refused(|layers| layers[4].layer = LayerSpec::Dense { units: MOST + 1, bias: true });
        assert_eq!(error.to_string(), "the layer `last` has a number of units of more than 16384");
        let error = refused(|layers| {
            layers[0].layer = LayerSpec::Conv {
                filters: MOST,
                kernel: [1, 1],
                stride: [1, 1],
                padding: Padding::Pixels([MOST, MOST]),
                bias: true,
            }
        });
        assert_eq!(error.position(), Some(0), "{error}");
        assert!(NetworkSpec::new(ImageShape::new(3, usize::MAX, 2), small()).is_err());
        assert!(NetworkSpec::new(ImageShape::new(3, 0, 2), small()).is_err());
        assert!(refused(Vec::clear).to_string().ends_with("but it is missing"));
    }
}
