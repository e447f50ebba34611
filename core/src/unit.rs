//! Units of predictions, of relevance and of the scores that are made of them.

use serde::{Deserialize, Serialize};

use crate::data::Target;
use crate::task::Task;

/// A unit as powers of the two that explanations are made of: the unit of what the network puts out, and that of an
/// image's intensity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    pub output: i8,
    pub intensity: i8,
}

impl Unit {
    pub const ONE: Self = Self { output: 0, intensity: 0 };
    pub const OUTPUT: Self = Self { output: 1, intensity: 0 };
    pub const INTENSITY: Self = Self { output: 0, intensity: 1 };

    pub fn times(self, other: Self) -> Self {
        Self { output: self.output + other.output, intensity: self.intensity + other.intensity }
    }

    pub fn per(self, other: Self) -> Self {
        Self { output: self.output - other.output, intensity: self.intensity - other.intensity }
    }

    /// Its name where the network puts out `output`, such as "years": "years per unit of intensity". A pure number is "1".
    pub fn name(self, output: &str) -> String {
        let powers = [(self.output, output, "unit of output"), (self.intensity, "intensity", "unit of intensity")];
        let raised = |name: &str, power: i8| if power == 1 { name.to_owned() } else { format!("{name}^{power}") };
        let above = powers.iter().filter(|(power, ..)| *power > 0).map(|(power, name, _)| raised(name, *power));
        let below = powers.iter().filter(|(power, ..)| *power < 0).map(|(power, _, name)| raised(name, -power));
        let (above, below): (Vec<_>, Vec<_>) = (above.collect(), below.collect());
        let above = if above.is_empty() { "1".to_owned() } else { above.join(" ") };
        if below.is_empty() { above } else { format!("{above} per {}", below.join(" and ")) }
    }
}

/// The units of a run: that of the explained output, and that of its relevance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Units {
    /// "years" or "logit".
    pub output: String,
    pub relevance: Unit,
}

impl Units {
    /// Of a network that puts out `target`, or the logits of its two classes.
    pub fn of(task: Task, target: &Target, relevance: Unit) -> Self {
        let output = match task {
            Task::Regression => target.unit_name().to_owned(),
            Task::Classification => "logit".to_owned(),
        };
        Self { output, relevance }
    }

    /// What relevance is measured in: "years", "logit", "years per unit of intensity" and so on.
    pub fn of_relevance(&self) -> String {
        self.relevance.name(&self.output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_named_by_their_powers() {
        let slope = Unit::OUTPUT.per(Unit::INTENSITY);
        for (unit, years) in [
            (Unit::OUTPUT, "years"),
            (Unit::INTENSITY, "intensity"),
            (Unit::OUTPUT.per(Unit::OUTPUT), "1"),
            (slope, "years per unit of intensity"),
            (slope.times(Unit::OUTPUT), "years^2 per unit of intensity"),
            (slope.per(Unit::OUTPUT), "1 per unit of intensity"),
            (Unit::INTENSITY.per(Unit::OUTPUT), "intensity per unit of output"),
            (slope.times(Unit::INTENSITY), "years"),
        ] {
            assert_eq!(unit.name("years"), years);
        }
        let (age, score) = (Target::new("age", "years"), Target::new("score", ""));
        assert_eq!(Units::of(Task::Classification, &age, Unit::OUTPUT).of_relevance(), "logit");
        assert_eq!(Units::of(Task::Regression, &age, slope).of_relevance(), "years per unit of intensity");
        assert_eq!(Units::of(Task::Regression, &score, slope).of_relevance(), "score per unit of intensity");
    }
}
