//! What figures and captions call things: the target by its name and unit, images by what they show.

use crate::data::Target;

/// The words for a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Words {
    pub target: Target,
    /// Whether the images are simulated pumpkins.
    pub pumpkins: bool,
}

impl Words {
    /// A text with the words for `{target}`, `{unit}`, `{image}` and `{images}` put in.
    pub fn fill(&self, text: &str) -> String {
        let (image, images) = if self.pumpkins { ("pumpkin", "pumpkins") } else { ("image", "images") };
        let words = [("{target}", self.target.name.as_str()), ("{unit}", self.target.unit_name()), ("{image}", image)];
        let filled =
            words.iter().fold(text.replace("{images}", images), |text, (place, word)| text.replace(place, word));
        // The first letter of a sentence.
        let mut letters = filled.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    }

    /// The name of a figure's file, which is written for pumpkins, in the words of this data set.
    pub fn file_name(&self, name: &str) -> String {
        if self.pumpkins {
            return name.to_owned();
        }
        let safe = |word: &str| word.to_lowercase().replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
        let word = |word: &str| match word {
            "age" => safe(&self.target.name),
            "years" => safe(self.target.unit_name()),
            "pumpkin" => "image".to_owned(),
            word => word.to_owned(),
        };
        name.split('_').map(word).collect::<Vec<_>>().join("_")
    }

    /// A target with its unit: "66 years", "0.53 g".
    pub fn value(&self, value: f64) -> String {
        let digits = if self.pumpkins { format!("{value:.0}") } else { super::maps::significant(value) };
        self.target.with_unit(digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_speak_of_the_target_of_the_data_set() {
        let pumpkins = Words { target: crate::sim::age(), pumpkins: true };
        let own = Words { target: Target::new("weight (wet)", "g"), pumpkins: false };
        let text = "{images} of each {target}, in {unit}";
        assert_eq!(pumpkins.fill(text), "Pumpkins of each age, in years");
        assert_eq!(own.fill(text), "Images of each weight (wet), in g");
        assert_eq!(
            (pumpkins.file_name("01_age_distribution"), pumpkins.value(65.6)),
            ("01_age_distribution".into(), "66 years".into())
        );
        assert_eq!(own.file_name("01_age_distribution"), "01_weight--wet-_distribution");
        assert_eq!((own.file_name("24_same_pumpkin"), own.value(0.1234)), ("24_same_image".into(), "0.12 g".into()));
    }
}
