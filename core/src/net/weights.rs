//! The parameters of a network as plain numbers, and their file format (safetensors).
//!
//! A file carries the layers in its metadata. One without them, such as a state dict of PyTorch, is a PumpkinNet of the published
//! image size.

use std::collections::BTreeMap;

use crate::net::{BLOCKS, LayerSpec, NetworkError, NetworkSpec, Placed, PumpkinNet, Shape};
use crate::shown::grouped;
use crate::sim::SHAPE;
use crate::task::Task;
use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensorError, SafeTensors};
use thiserror::Error;

/// The layers as JSON, in a file's metadata: one entry, because entries have no order and equal weights give equal bytes.
const NETWORK: &str = "xdlreg_network";

/// One named parameter in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    pub name: String,
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// All parameters of a network, in the order in which it uses them.
///
/// Convolutions are `[filters, channels, rows, columns]`, dense layers `[outputs, inputs]`; the inputs of one behind a flatten are
/// in channel, row, column order.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    network: NetworkSpec,
    parameters: Vec<Parameter>,
}

/// Why a file holds no weights of a network.
#[derive(Debug, Error)]
pub enum WeightsError {
    #[error("the weights are not a complete safetensors file: {0}")]
    Format(#[from] SafeTensorError),
    #[error("the weights are {format}")]
    Other { format: &'static str },
    #[error("the weights are those of several networks, which begin with {prefixes:?}; save one of them alone")]
    Several { prefixes: Vec<String> },
    #[error("the weights lack the tensor {name:?} (there are: {present})")]
    Missing { name: String, present: String },
    #[error("the weights name layers that cannot be read: {0}")]
    Layers(#[from] serde_json::Error),
    #[error("the weights name layers that are no network: {0}")]
    Network(#[from] NetworkError),
    #[error("the weights hold the tensor {name:?}, which a {network} of this shape does not have")]
    Unexpected { name: String, network: &'static str },
    #[error("the tensor {name:?} is of type {found:?}, expected F32 or another type of floats")]
    Type { name: String, found: Dtype },
    #[error("the tensor {name:?} has shape {found:?}, expected {expected:?}")]
    Shape { name: String, expected: Vec<usize>, found: Vec<usize> },
    #[error("layer `{layer}` expects {expected} {what} but `{before}` provides {provided} (tensor \"{layer}.weight\")")]
    Inputs { layer: String, expected: String, what: &'static str, before: String, provided: String },
    #[error("the tensor {name:?} holds {value} at position {index}; weights must be finite float32 numbers")]
    NotFinite { name: String, index: usize, value: f32 },
}

impl Weights {
    /// Weights of `network` with the values that `fill` gives for a parameter's name and shape.
    ///
    /// # Panics
    /// Panics when `fill` returns another number of values than the shape has.
    pub fn build(network: &NetworkSpec, mut fill: impl FnMut(&str, &[usize]) -> Vec<f32>) -> Self {
        let parameters = network
            .parameters()
            .into_iter()
            .map(|(name, shape)| {
                let values = fill(&name, &shape);
                assert_eq!(values.len(), shape.iter().product::<usize>(), "values of {name}");
                Parameter { name, shape, values }
            })
            .collect();
        Self { network: network.clone(), parameters }
    }

    /// The network that they belong to.
    pub fn network(&self) -> &NetworkSpec {
        &self.network
    }

    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The parameter `name`.
    ///
    /// # Panics
    /// Panics when the network has no such parameter.
    pub fn get(&self, name: &str) -> &Parameter {
        self.parameters.iter().find(|p| p.name == name).unwrap_or_else(|| panic!("no parameter named {name}"))
    }

    /// Reads a safetensors file; without layers in its metadata they are inferred from names and shapes. Files of other
    /// programs are read by [`super::state_dict::adapt`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WeightsError> {
        let tensors = SafeTensors::deserialize(bytes)?.tensors().into_iter().collect();
        Self::from_tensors(tensors, named_network(bytes)?)
    }

    /// Takes the parameters of `network`, of a PumpkinNet by default.
    pub fn from_tensors(
        mut tensors: BTreeMap<String, TensorView>,
        network: Option<NetworkSpec>,
    ) -> Result<Self, WeightsError> {
        let called = if network.is_some() { "network" } else { "PumpkinNet" };
        let network = network.map_or_else(|| infer(&tensors), Ok)?;
        let mut parameters = Vec::new();
        for (name, shape) in network.parameters() {
            let tensor = take(&mut tensors, &name)?;
            let unfit = unfit(&network, &name, &shape, tensor.shape());
            parameters.push(unfit.map_or_else(|| read(name, shape, &tensor), Err)?);
        }
        match tensors.into_keys().next() {
            Some(name) => Err(WeightsError::Unexpected { name, network: called }),
            None => Ok(Self { network, parameters }),
        }
    }

    /// The safetensors file; equal weights give equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let network = serde_json::to_string(&self.network).expect("names and numbers");
        to_safetensors(self.parameters.iter().map(|p| (p.name.clone(), p)), (NETWORK, network))
    }

    /// The bias of the output layer of a regression, where it has one.
    pub fn output_bias(&self) -> Option<f32> {
        let name = format!("{}.bias", self.network.output().name);
        let bias = self.parameters.iter().find(|parameter| parameter.name == name);
        bias.filter(|_| self.network.task() == Task::Regression).map(|bias| bias.values[0])
    }
}

/// Whether a parameter is learned by gradient descent; batch norm's running statistics are not.
pub fn is_trainable(name: &str) -> bool {
    !name.contains(".running_")
}

/// The layers that a file has in its metadata.
pub(super) fn named_network(bytes: &[u8]) -> Result<Option<NetworkSpec>, WeightsError> {
    let (_, metadata) = SafeTensors::read_metadata(bytes)?;
    let Some(json) = metadata.metadata().as_ref().and_then(|entries| entries.get(NETWORK)) else { return Ok(None) };
    let NetworkSpec { input, layers } = serde_json::from_str(json)?;
    Ok(Some(NetworkSpec::new(input, layers)?))
}

/// A safetensors file of `parameters` under the given names.
pub fn to_safetensors<'a>(
    parameters: impl Iterator<Item = (String, &'a Parameter)>,
    (key, text): (&str, String),
) -> Vec<u8> {
    let bytes: Vec<(String, &Parameter, Vec<u8>)> = parameters
        .map(|(name, parameter)| {
            let data = parameter.values.iter().flat_map(|value| value.to_le_bytes()).collect();
            (name, parameter, data)
        })
        .collect();
    let views = bytes.iter().map(|(name, parameter, data)| {
        let view = TensorView::new(Dtype::F32, parameter.shape.clone(), data).expect("values fill the shape");
        (name, view)
    });
    safetensors::serialize(views, Some([(key.to_owned(), text)].into())).expect("a header of names and shapes")
}

/// Why a layer of these weights does not take what the layer before it makes; none where something else is wrong, or nothing.
fn unfit(network: &NetworkSpec, name: &str, expected: &[usize], found: &[usize]) -> Option<WeightsError> {
    let ([own, inputs, ..], [same, wanted, ..]) = (expected, found) else { return None };
    if (own, expected.len()) != (same, found.len()) || inputs == wanted {
        return None;
    }
    let layer = name.strip_suffix(".weight")?;
    let at = network.placed().position(|placed| placed.name == layer)?;
    let before: Vec<Placed> = network.placed().take(at).collect();
    let source =
        before.iter().rev().find(|placed| !matches!(placed.layer, LayerSpec::Flatten | LayerSpec::Dropout { .. }));
    let (name, shape) = source
        .map_or(("the image".to_owned(), Shape::Image(network.input)), |placed| (placed.name.into(), placed.output));
    let provided = match shape {
        Shape::Image(image) if expected.len() == 2 => {
            format!("{} ({} x {} x {})", grouped(image.values() as u128), image.channels, image.height, image.width)
        }
        shape => grouped(shape.channels() as u128),
    };
    let what = if expected.len() == 2 { "inputs" } else { "channels" };
    Some(WeightsError::Inputs { layer: layer.into(), expected: grouped(*wanted as u128), what, before: name, provided })
}

/// The parameter `name` of exactly this shape, but for sides of 1 behind it (a convolution of 1 x 1 pixels is a dense layer), of any
/// type of floats, and finite as float32.
pub fn read(name: String, shape: Vec<usize>, tensor: &TensorView) -> Result<Parameter, WeightsError> {
    let data = tensor.data();
    let values: Vec<f32> = match tensor.dtype() {
        Dtype::F32 => data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
        Dtype::F64 => data.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes) as f32).collect(),
        Dtype::F16 => data.as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32()).collect(),
        Dtype::BF16 => data.as_chunks().0.iter().map(|bytes| bf16::from_le_bytes(*bytes).to_f32()).collect(),
        found => return Err(WeightsError::Type { name, found }),
    };
    let is_one = |extra: &[usize]| shape.len() > 1 && extra.iter().all(|&side| side == 1);
    if tensor.shape().strip_prefix(&shape[..]).is_none_or(|extra| !extra.is_empty() && !is_one(extra)) {
        return Err(WeightsError::Shape { name, expected: shape, found: tensor.shape().to_vec() });
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(WeightsError::NotFinite { value: values[index], name, index }),
        None => Ok(Parameter { name, shape, values }),
    }
}

fn missing(name: &str, tensors: &BTreeMap<String, TensorView>) -> WeightsError {
    /// More names would hide the message.
    const MOST_NAMES: usize = 20;
    let names: Vec<String> = tensors.keys().take(MOST_NAMES).map(|name| format!("{name:?}")).collect();
    let more =
        if tensors.len() > MOST_NAMES { format!(" and {} more", tensors.len() - MOST_NAMES) } else { String::new() };
    WeightsError::Missing { name: name.into(), present: format!("{}{more}", names.join(", ")) }
}

fn take<'a>(tensors: &mut BTreeMap<String, TensorView<'a>>, name: &str) -> Result<TensorView<'a>, WeightsError> {
    tensors.remove(name).ok_or_else(|| missing(name, tensors))
}

/// The PumpkinNet that tensors belong to. They do not tell of dropout, which does nothing but while it is trained.
fn infer(tensors: &BTreeMap<String, TensorView>) -> Result<NetworkSpec, WeightsError> {
    let rows = |name: &str| match tensors.get(name) {
        None => Err(missing(name, tensors)),
        Some(tensor) => match tensor.shape() {
            [rows, ..] if *rows > 0 => Ok(*rows),
            found => Err(WeightsError::Shape { name: name.into(), expected: vec![1], found: found.to_vec() }),
        },
    };
    let mut conv_filters = [0; BLOCKS];
    for (block, filters) in conv_filters.iter_mut().enumerate() {
        *filters = rows(&format!("conv{}.weight", block + 1))?;
    }
    let task = if rows("output.weight")? == 2 { Task::Classification } else { Task::Regression };
    let batch_norm = tensors.keys().any(|name| name.starts_with("bn"));
    let net = PumpkinNet { task, conv_filters, dense_units: rows("dense.weight")?, batch_norm };
    Ok(net.network(SHAPE, 0.0))
}

#[cfg(test)]
#[path = "weights_tests.rs"]
mod tests;
