//! `[evaluate]`: how explanations are scored.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::metric::NETWORK_METRICS;
use crate::raster::ImageShape;
use crate::settings::Invalid;
use crate::settings::near_miss;
use crate::settings::number::{Bound, count, number, seed};
use crate::settings::{Need, image_bytes};
use crate::shown::shown;

/// `[evaluate]`: the scores of explanations. Those that need nothing but maps, images and the known signs are always there;
/// these settings are about those for which the network is asked again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluateSettings {
    /// Which scores are computed that need the network: "faithfulness" and "causal" (for a regression only),
    /// "sensitivity" (explains each image `draws` times) and "randomisation" (explains each image once per
    /// layer).
    #[schemars(schema_with = "scores_schema")]
    pub scores: Vec<String>,
    /// Number of explained images for which these scores are computed, spread evenly. All if there are fewer.
    pub images: usize,
    /// Causal: number of lesions and of atrophies per image that are left out one at a time. All if there are
    /// fewer.
    pub signs: usize,
    /// Faithfulness: number of steps in which pixels are changed.
    pub steps: usize,
    /// Faithfulness: share of an image's pixels that are changed in the end.
    pub flipped: f64,
    /// Faithfulness: the value to which pixels are set. The default, 0.8, is tissue.
    pub fill: f64,
    /// Sensitivity: number of random images in the neighbourhood of an image.
    pub draws: usize,
    /// Sensitivity: largest difference between a pixel of a neighbour and that of the image.
    pub radius: f64,
    /// Seed of noise maps, of the choice of signs, of neighbours and of random layers.
    pub seed: u64,
}

impl Default for EvaluateSettings {
    fn default() -> Self {
        Self {
            scores: vec!["faithfulness".into(), "causal".into()],
            images: 10,
            signs: 20,
            steps: 10,
            flipped: 0.1,
            fill: 0.8,
            draws: 10,
            radius: 0.02,
            seed: 0,
        }
    }
}

/// The widest neighbourhood of an image: pixels are from 0 to 1, and the width of the range must be a number, too.
const WIDEST: f64 = 1e6;

impl EvaluateSettings {
    /// Everything that cannot be carried out, each with its dotted key.
    pub fn validate(&self) -> Vec<Invalid> {
        let mut invalid = Vec::new();
        for score in self.scores.iter().filter(|score| !names().any(|name| name == score.as_str())) {
            let all = names().collect::<Vec<_>>().join(", ");
            let help = match near_miss(score, names()) {
                Some(near) => format!("did you mean `{near}`? Scores: {all}"),
                None => format!("scores: {all}; all others are always there"),
            };
            invalid.push(Invalid::new(
                "evaluate.scores",
                format!("there is no score `{}` to choose", shown(score)),
                help,
            ));
        }
        for (key, value) in
            [("images", self.images), ("signs", self.signs), ("steps", self.steps), ("draws", self.draws)]
        {
            let help = "use at least 1; to leave a score out, take it from evaluate.scores";
            let zero = count(&format!("evaluate.{key}"), value, 1..=usize::MAX);
            invalid.extend(zero.map(|invalid| Invalid { help: help.into(), ..invalid }));
        }
        invalid.extend(number("evaluate.flipped", self.flipped, Bound::UpTo(1.0)));
        invalid.extend(number("evaluate.fill", self.fill, Bound::Any));
        invalid.extend(number("evaluate.radius", self.radius, Bound::UpTo(WIDEST)));
        invalid.extend(seed("evaluate.seed", self.seed));
        invalid
    }

    /// Memory of the scores that ask the network: faithfulness predicts all steps of an image at once. There are never
    /// more images and signs than the data set has, and draws follow each other.
    pub fn memory(&self, shape: ImageShape) -> Option<Need> {
        let asked = self.scores.iter().any(|score| score == "faithfulness");
        let bytes = (self.steps as u128 + 1) * image_bytes(shape);
        asked.then(|| Need::new("evaluate.steps", bytes, format!("the images of {} steps", self.steps)))
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    NETWORK_METRICS.iter().map(|metric| metric.name)
}

fn scores_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "type": "string", "enum": names().collect::<Vec<_>>() } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_what_cannot_be_is_refused() {
        let keys = |text: &str| {
            let settings: EvaluateSettings = toml::from_str(text).expect("well-formed settings");
            settings.validate().into_iter().map(|invalid| invalid.key).collect::<Vec<_>>()
        };
        assert_eq!(keys(""), [""; 0]);
        assert_eq!(keys("scores = []\nflipped = 1.0\nimages = 1"), [""; 0]);
        assert_eq!(keys("images = 0\nsteps = 0"), ["evaluate.images", "evaluate.steps"]);
        assert_eq!(keys("signs = 0\ndraws = 0"), ["evaluate.signs", "evaluate.draws"]);
        for flipped in ["0.0", "1.5", "nan"] {
            assert_eq!(keys(&format!("flipped = {flipped}")), ["evaluate.flipped"]);
        }
        assert_eq!(keys("fill = inf\nradius = 0.0"), ["evaluate.fill", "evaluate.radius"]);
        let unknown = EvaluateSettings { scores: vec!["faithfullness".into()], ..EvaluateSettings::default() };
        assert!(unknown.validate()[0].help.starts_with("did you mean `faithfulness`?"));
    }
}
