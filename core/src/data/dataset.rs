//! A data set, wherever it comes from.

use std::sync::Arc;

use super::atlas::Atlas;
use super::partition::{Partition, Split};
use super::target::Target;
use super::truth::Truth;
use crate::raster::RasterStack;

/// Images with a target each.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// `[sample, channels, row, column]`.
    pub images: RasterStack,
    /// What is to be predicted, one number an image.
    pub targets: Vec<f32>,
    /// What the targets are.
    pub target: Target,
    pub partition: Partition,
    /// What tables call the samples.
    pub names: Vec<String>,
    /// What is known of the images beforehand, where anything is.
    pub truth: Option<Arc<dyn Truth>>,
    /// Where things are in the images, where that is known.
    pub atlas: Option<Arc<Atlas>>,
    /// The groups that samples are compared by.
    pub grouping: Option<Grouping>,
}

/// A group for every sample, such as the sex of a patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grouping {
    /// Such as "sex".
    pub name: String,
    /// Such as "f", one a sample.
    pub of: Vec<String>,
}

impl Dataset {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// The indices of a part's samples, ascending.
    pub fn samples(&self, split: Split) -> Vec<usize> {
        self.partition.samples(split)
    }
}
