//! In which unit a score is, before it is known of which network and explanation.

use crate::unit::{Unit, Units};

/// The unit of a score, relative to those of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitOf {
    /// A pure number.
    One,
    /// Information by natural logarithms.
    Nat,
    /// That of what the network puts out, such as years.
    Output,
    OutputSquared,
    /// That of the explanation's relevance.
    Relevance,
    /// Of relevance for each unit of the output.
    RelevancePerOutput,
}

impl UnitOf {
    /// Its name in a run of these units, as written in tables.
    pub fn name(self, units: &Units) -> String {
        let unit = match self {
            Self::One => Unit::ONE,
            Self::Nat => return "nat".into(),
            Self::Output => Unit::OUTPUT,
            Self::OutputSquared => Unit::OUTPUT.times(Unit::OUTPUT),
            Self::Relevance => units.relevance,
            Self::RelevancePerOutput => units.relevance.per(Unit::OUTPUT),
        };
        unit.name(&units.output)
    }
}
