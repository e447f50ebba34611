//! A parcellation of images into labelled regions, such as an anatomical atlas.
//!
//! Unlike [`super::Masks`] it says where things are, not what matters: relevance is summed over its regions, and explanations
//! are not scored by them.

/// A region of an atlas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtlasRegion {
    pub label: i32,
    pub name: String,
}

/// The label of every pixel, of one image for all samples or of each. Label 0 is the background.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Atlas {
    regions: Vec<AtlasRegion>,
    labels: Vec<i32>,
    area: usize,
}

impl Atlas {
    /// Of `labels` `[height, width]`, or `[n, height, width]` with `area` pixels an image. Labels without a name are called
    /// "label 3"; names without a pixel are left out.
    ///
    /// # Panics
    /// Panics where the labels are not those of whole images.
    pub fn new(labels: Vec<i32>, area: usize, names: &[(i32, String)]) -> Self {
        assert!(
            area > 0 && !labels.is_empty() && labels.len().is_multiple_of(area),
            "labels are those of whole images"
        );
        let present: std::collections::BTreeSet<i32> = labels.iter().copied().filter(|&label| label != 0).collect();
        let name = |label: i32| names.iter().find(|(known, _)| *known == label).map(|(_, name)| name.clone());
        let region = |label| AtlasRegion { label, name: name(label).unwrap_or_else(|| format!("label {label}")) };
        Self { regions: present.into_iter().map(region).collect(), labels, area }
    }

    /// In the order of their labels.
    pub fn regions(&self) -> &[AtlasRegion] {
        &self.regions
    }

    /// The labels of a sample's pixels, row-major.
    pub fn of(&self, sample: usize) -> &[i32] {
        if self.labels.len() == self.area {
            return &self.labels;
        }
        &self.labels[sample * self.area..(sample + 1) * self.area]
    }

    /// All labels, and the number of images that they belong to.
    pub fn labels(&self) -> (&[i32], usize) {
        (&self.labels, self.labels.len() / self.area)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_atlas_serves_all_samples_or_each_its_own() {
        let names = [(2, "two".to_owned()), (9, "nowhere".to_owned())];
        let shared = Atlas::new(vec![0, 2, 7, 2], 4, &names);
        let region = |label, name: &str| AtlasRegion { label, name: name.into() };
        assert_eq!(shared.regions(), [region(2, "two"), region(7, "label 7")]);
        assert_eq!((shared.of(0), shared.of(5)), (&[0, 2, 7, 2][..], &[0, 2, 7, 2][..]));
        let own = Atlas::new(vec![0, 2, 7, 2], 2, &names);
        assert_eq!((own.of(0), own.of(1), own.labels().1), (&[0, 2][..], &[7, 2][..], 2));
    }
}
