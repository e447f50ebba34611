//! Growth: how large a pumpkin of an age is.

use super::settings::GrowthMode;

/// Height and width of an adult in pixels.
const ADULT: (f64, f64) = (80.0, 65.0);

/// Age in years at which a human pumpkin is full-grown.
const FULL_GROWN: u32 = 20;

/// Age in years at which the sizes of the other modes are defined.
const OLD: f64 = 80.0;

impl GrowthMode {
    /// Mean height and width in pixels of a pumpkin at `age` years.
    pub(super) fn mean_size(self, age: u32) -> (f64, f64) {
        let years = f64::from(age);
        let (height, width) = ADULT;
        match self {
            Self::Human => {
                let missing = 2.0 * f64::from(FULL_GROWN.saturating_sub(age));
                (height - missing, width - missing)
            }
            Self::Eternal => (height * years / OLD, width * years / OLD),
            Self::TangPing => (height * (100.0 - years) / OLD, 80.0 * years / OLD),
            Self::NoGrowth => ADULT,
        }
    }

    pub const ALL: [Self; 4] = [Self::Human, Self::Eternal, Self::TangPing, Self::NoGrowth];

    /// Name as written in a specification.
    pub fn name(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Eternal => "eternal",
            Self::TangPing => "tang_ping",
            Self::NoGrowth => "no_growth",
        }
    }

    /// The growth mode of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_follow_the_published_formulas() {
        let sizes = |mode: GrowthMode, ages: [u32; 3]| ages.map(|age| mode.mean_size(age));
        assert_eq!(sizes(GrowthMode::Human, [0, 10, 70]), [(40.0, 25.0), (60.0, 45.0), (80.0, 65.0)]);
        assert_eq!(sizes(GrowthMode::Eternal, [20, 40, 80]), [(20.0, 16.25), (40.0, 32.5), (80.0, 65.0)]);
        assert_eq!(sizes(GrowthMode::TangPing, [20, 50, 80]), [(80.0, 20.0), (50.0, 50.0), (20.0, 80.0)]);
        assert_eq!(sizes(GrowthMode::NoGrowth, [20, 50, 80]), [(80.0, 65.0); 3]);
    }
}
