//! The names of the stages: entries of the store, events and tables are ordered by them.

use std::fmt;
use std::ops::Index;

use serde::{Deserialize, Serialize};

/// The five stages, in the order of the data's flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageName {
    Simulate,
    Train,
    Explain,
    Evaluate,
    Render,
}

impl StageName {
    pub const ALL: [Self; 5] = [Self::Simulate, Self::Train, Self::Explain, Self::Evaluate, Self::Render];

    pub fn name(self) -> &'static str {
        match self {
            Self::Simulate => "simulate",
            Self::Train => "train",
            Self::Explain => "explain",
            Self::Evaluate => "evaluate",
            Self::Render => "render",
        }
    }
}

impl fmt::Display for StageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something of each stage. It is written as a list in the order of [`StageName::ALL`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PerStage<T>([T; 5]);

impl<T> PerStage<T> {
    pub fn new(of: impl FnMut(StageName) -> T) -> Self {
        Self(StageName::ALL.map(of))
    }

    /// # Errors
    /// That of the first stage for which `of` fails.
    pub fn try_new<E>(mut of: impl FnMut(StageName) -> Result<T, E>) -> Result<Self, E> {
        let [a, b, c, d, e] = StageName::ALL;
        Ok(Self([of(a)?, of(b)?, of(c)?, of(d)?, of(e)?]))
    }

    pub fn iter(&self) -> impl Iterator<Item = (StageName, &T)> {
        StageName::ALL.into_iter().zip(&self.0)
    }
}

impl<T> Index<StageName> for PerStage<T> {
    type Output = T;

    fn index(&self, stage: StageName) -> &T {
        &self.0[stage as usize]
    }
}
