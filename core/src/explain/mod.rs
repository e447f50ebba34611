//! What an explanation is, as data: rules, composites and analyzers. The tensor side carries them out.

mod analyzer;
mod blindness;
mod composite;
mod entry;
mod flaw;
mod meaning;
mod method;
mod reference;
mod rule;
mod section;
mod settings;

pub use analyzer::Analyzer;
pub use composite::{Activation, Composite, LayerKind, LayerSite, Selector, Start};
pub use entry::{CompositeEntry, RuleName};
pub use flaw::{Facts, Finding, Flaw, Review};
pub use meaning::{ExplainedNetwork, Gaps, Meaning, Sum, starts};
pub use method::{Method, SigmaUnit, Smoothing};
pub use reference::Reference;
pub use rule::{BiasPart, Denominator, Gate, InputPart, Pass, Rule, Term, WeightPart};
pub use section::Options;
pub use settings::{Bias, Class, ExplainSettings};
