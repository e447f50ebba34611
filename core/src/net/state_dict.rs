//! Weights as other programs save them: what a PyTorch state dict has beyond the parameters of a PumpkinNet.

use std::collections::{BTreeMap, BTreeSet};

use crate::net::NetworkSpec;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use super::weights::{Weights, WeightsError, named_network};

/// The first parameter of every PumpkinNet.
const FIRST: &str = "conv1.weight";
/// How often a batch norm was trained, which PyTorch keeps beside its statistics and no network needs to predict.
const COUNTER: &str = ".num_batches_tracked";

/// Weights, and what was changed to make them those of a network.
#[derive(Debug)]
pub struct Adapted {
    pub weights: Weights,
    /// What the user should know, in one sentence; none where the file was taken as it is.
    pub note: Option<String>,
}

/// Reads a safetensors file with the parameters of the network in its metadata, else of a PumpkinNet, also from a state dict of
/// PyTorch: float64, float16 and bfloat16 become float32, counters are passed over, and a prefix before all names (`module.`,
/// `model.`) is dropped.
///
/// # Errors
/// [`WeightsError`] where the file is damaged, or of another format, or its tensors are not those of the network.
pub fn adapt(bytes: &[u8]) -> Result<Adapted, WeightsError> {
    adapt_to(bytes, None)
}

/// As [`adapt`], with the parameters of `network`, whatever the file says of its own.
///
/// # Errors
/// As [`adapt`].
pub fn adapt_to(bytes: &[u8], network: Option<&NetworkSpec>) -> Result<Adapted, WeightsError> {
    if let Some(format) = other_format(bytes) {
        return Err(WeightsError::Other { format });
    }
    let mut tensors: BTreeMap<String, TensorView> = SafeTensors::deserialize(bytes)?.tensors().into_iter().collect();
    let mut changes = Vec::new();
    let count = tensors.len();
    tensors.retain(|name, _| !name.ends_with(COUNTER));
    if tensors.len() < count {
        changes
            .push(format!("the counters of batch normalisation ({}) are not needed", COUNTER.trim_start_matches('.')));
    }
    let first = network.and_then(|network| Some(network.parameters().into_iter().next()?.0));
    let network = match network {
        Some(network) => Some(network.clone()),
        None => named_network(bytes)?,
    };
    // What carries its layers was written here, with the names that they have.
    let prefix = match (&network, first) {
        (_, Some(first)) => prefix(&tensors, &first)?,
        (Some(_), None) => String::new(),
        (None, None) => prefix(&tensors, FIRST)?,
    };
    if !prefix.is_empty() {
        let stripped = tensors.into_iter().map(|(name, view)| match name.strip_prefix(&prefix) {
            Some(own) => (own.to_owned(), view),
            None => (name, view),
        });
        tensors = stripped.collect();
        changes.push(format!("the prefix {prefix:?} before all names is dropped"));
    }
    let converted: BTreeSet<&str> = tensors.values().filter_map(|tensor| wider_or_narrower(tensor.dtype())).collect();
    if !converted.is_empty() {
        let types = converted.into_iter().collect::<Vec<_>>().join(" and ");
        changes.push(format!("tensors of {types} are converted to float32"));
    }
    let weights = Weights::from_tensors(tensors, network)?;
    Ok(Adapted { weights, note: (!changes.is_empty()).then(|| changes.join("; ")) })
}

/// What stands before the name of every parameter, of which one is called `first`.
fn prefix(tensors: &BTreeMap<String, TensorView>, first: &str) -> Result<String, WeightsError> {
    if tensors.contains_key(first) {
        return Ok(String::new());
    }
    let before = |name: &str| name.strip_suffix(first).map(str::to_owned);
    let mut prefixes = tensors.keys().filter_map(|name| before(name));
    let prefixes: Vec<String> = prefixes.by_ref().filter(|prefix| prefix.is_empty() || prefix.ends_with('.')).collect();
    match &prefixes[..] {
        // That the first parameter is missing is told with what is there.
        [] => Ok(String::new()),
        [prefix] => Ok(prefix.clone()),
        _ => Err(WeightsError::Several { prefixes }),
    }
}

/// The name of a type of floats that is not float32.
fn wider_or_narrower(dtype: Dtype) -> Option<&'static str> {
    match dtype {
        Dtype::F64 => Some("float64"),
        Dtype::F16 => Some("float16"),
        Dtype::BF16 => Some("bfloat16"),
        _ => None,
    }
}

/// What a file is that begins like one of another format, with what to do about it.
fn other_format(bytes: &[u8]) -> Option<&'static str> {
    const PYTORCH: &str = "a checkpoint of PyTorch, which could run any program when it is read; save its state dict with \
                           safetensors.torch.save_file(torch.load(\"net.pt\", weights_only=True), \"net.safetensors\")";
    match bytes {
        [b'P', b'K', 3, 4, ..] => Some(PYTORCH),
        // A pickle of protocol 2 or later. A safetensors file begins with the length of its header, which has four bytes at most.
        [0x80, 2..=5, _, _, high @ ..] if high.iter().take(4).any(|byte| *byte != 0) => Some(PYTORCH),
        [0x89, b'H', b'D', b'F', ..] => {
            Some("an HDF5 file, such as Keras writes; save its weights as safetensors, with the names of PyTorch")
        }
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Some("an array of numpy; weights are safetensors files"),
        _ => None,
    }
}

#[cfg(test)]
#[path = "state_dict_tests.rs"]
mod tests;
