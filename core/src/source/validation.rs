//! What can be wrong with the settings of files before any file is looked at.

use super::intensity::Intensity;
use super::settings::DataSettings;
use super::split;
use crate::settings::Invalid;
use crate::settings::number::{Bound, number, seed as valid_seed};
use crate::sim::{Distribution, PumpkinSettings};

/// Images are no larger than this along an axis.
const MOST_SIDE: usize = 1 << 14;

impl DataSettings {
    /// What is wrong with the settings of files.
    pub(super) fn validate_files(&self) -> Vec<Invalid> {
        let mut invalid = Vec::new();
        let (own, default) = (serde_json::json!(self.pumpkins()), serde_json::json!(PumpkinSettings::default()));
        let shared = self.shared_with_pumpkins();
        let foreign = own.as_object().into_iter().flatten().filter(|(key, _)| !shared.contains(&key.as_str()));
        for (key, value) in foreign.filter(|(key, value)| default.get(*key) != Some(value)) {
            let message =
                format!("`{key}` is a setting of pumpkins, but here it is {value} and images come from files");
            invalid.push(Invalid::new(
                format!("data.{key}"),
                message,
                "leave it out, or set data.source = \"pumpkins\"",
            ));
        }
        let needed = [
            ("table", &self.table, "table = \"subjects.csv\""),
            ("target", &self.target, "target = \"age\", the column with what is to be predicted"),
        ];
        for (key, value, example) in needed {
            if value.as_deref().is_none_or(str::is_empty) {
                let help = format!("add for example {example}");
                invalid.push(Invalid::new(format!("data.{key}"), format!("images from files need `{key}`"), help));
            }
        }
        match (&self.image, &self.images) {
            (Some(_), Some(_)) => invalid.push(Invalid::new(
                "data.images",
                "images are either in files of their own or in one array",
                "leave data.image or data.images out",
            )),
            (None, None) => invalid.push(Invalid::new(
                "data.image",
                "nothing says where the images are",
                "add image = \"file\", the column with their files, or images = \"all.npy\"",
            )),
            _ => {}
        }
        if self.channels.is_some_and(|channels| ![1, 3].contains(&channels)) {
            let message = format!("data.channels must be 1 or 3, got {}", self.channels.unwrap_or(0));
            invalid.push(Invalid::new("data.channels", message, "use 1 for grey images, 3 for colour"));
        }
        if self.images.is_some() && self.intensity == Some(Intensity::Unit) {
            let message =
                "\"unit\" divides grey levels of pictures, and an array does not tell what its largest would be";
            invalid.push(Invalid::new("data.intensity", message, "scale the array, and leave data.intensity out"));
        }
        if let Some([rows, cols]) = self.size.filter(|size| size.iter().any(|side| !(1..=MOST_SIDE).contains(side))) {
            let message =
                format!("data.size must be two numbers of pixels from 1 to {MOST_SIDE}, got [{rows}, {cols}]");
            invalid.push(Invalid::new("data.size", message, "use for example size = [96, 128], rows and columns"));
        }
        if self.fit.is_some() && self.size.is_none() {
            let message = "data.fit says how images come to a size, but there is no data.size";
            invalid.push(Invalid::new("data.fit", message, "add for example size = [96, 128], or leave data.fit out"));
        }
        invalid.extend(self.validate_subsample());
        invalid.extend(self.split.iter().flat_map(|split| split.validate(self.folds.is_some())));
        invalid.extend(split::validate_folds(self.folds, self.fold));
        invalid
    }

    fn validate_subsample(&self) -> Vec<Invalid> {
        let mut invalid: Vec<Invalid> = valid_seed("data.seed", self.seed).into_iter().collect();
        if self.n_samples.given && self.n_samples.count == 0 {
            let message = "data.n_samples must be positive, got 0";
            invalid.push(Invalid::new("data.n_samples", message, "leave it out to train on all rows"));
        }
        if self.distribution == Distribution::Biased {
            invalid.extend(number("data.skew_factor", self.skew_factor, Bound::From(0.0, 1.0)));
            match self.target_bias {
                Some(bias) if bias.is_finite() => {}
                _ => invalid.push(Invalid::new(
                    "data.target_bias",
                    "a biased distribution needs the target value around which its rows are",
                    "add target_bias, in the unit of the target, or leave data.distribution out",
                )),
            }
        }
        if self.folds.is_some() && (self.n_samples.given || self.distribution == Distribution::Biased) {
            let key = if self.n_samples.given { "data.n_samples" } else { "data.distribution" };
            let message = format!("{key} leaves rows out, but in a cross-validation every row is tested once");
            invalid.push(Invalid::new(key, message, format!("leave {key} or data.folds out")));
        }
        invalid
    }
}
