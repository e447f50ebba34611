//! Why a prediction cannot be explained.

use thiserror::Error;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExplainError {
    #[error("there is no analyzer `{name}`")]
    UnknownAnalyzer { name: String },
    #[error("no rule is given for the layer `{layer}`")]
    NoRule { layer: String },
    #[error("images of {height} x {width} pixels cannot be explained, only of {side} x {side}", side = xdlreg::raster::SIDE)]
    ImageSize { height: usize, width: usize },
    #[error("the relevance of sample {sample} is not finite under `{analyzer}`")]
    NotFinite { sample: usize, analyzer: String },
}
