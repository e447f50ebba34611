//! What is in a data set, in words.

use super::dataset::Dataset;
use super::partition::Split;

/// Something that is told of a data set: what it is about, and what is so.
pub type Fact = (String, String);

/// How many names of an atlas or of groups are listed.
const LISTED: usize = 12;

/// Counts, the target of every part, regions and groups. The pixels of images are not looked at.
pub fn facts(data: &Dataset) -> Vec<Fact> {
    let (shape, all) = (data.images.shape(), data.samples(Split::All));
    let mut facts =
        vec![("images".to_owned(), format!("{} of {shape}", data.len())), (data.target.label(), described(data, &all))];
    for split in Split::PARTS {
        let samples = data.samples(split);
        let what = format!("{} images; {} {}", samples.len(), data.target.name, described(data, &samples));
        facts.push((split.name().to_owned(), what));
    }
    facts.extend(regions(data));
    if let Some(atlas) = &data.atlas {
        let names: Vec<&str> = atlas.regions().iter().map(|region| region.name.as_str()).collect();
        let whose = if atlas.labels().1 == 1 { "one for all images" } else { "one for each image" };
        facts.push(("atlas".to_owned(), format!("{} regions ({whose}): {}", names.len(), listed(&names))));
    }
    if let Some(grouping) = &data.grouping {
        let mut groups: Vec<&str> = grouping.of.iter().map(String::as_str).collect();
        groups.sort_unstable();
        groups.dedup();
        let count = |group: &&str| format!("{group}: {}", grouping.of.iter().filter(|of| of == group).count());
        let counts: Vec<String> = groups.iter().map(count).collect();
        facts.push((grouping.name.clone(), listed(&counts.iter().map(String::as_str).collect::<Vec<_>>())));
    }
    facts
}

/// "18.1 to 89.9, mean 54.2, standard deviation 20.7".
fn described(data: &Dataset, samples: &[usize]) -> String {
    let targets: Vec<f64> = samples.iter().map(|&sample| f64::from(data.targets[sample])).collect();
    let count = targets.len() as f64;
    let (low, high) = targets.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &t| (l.min(t), h.max(t)));
    let mean = targets.iter().sum::<f64>() / count;
    let deviation = (targets.iter().map(|target| (target - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt();
    let told = |value: f64| significant(value, high - low);
    let spread = if targets.len() > 1 { format!(", standard deviation {}", told(deviation)) } else { String::new() };
    format!("{} to {}, mean {}{spread}", told(low), told(high), told(mean))
}

/// A number with about three digits of the range in which it lies.
fn significant(value: f64, range: f64) -> String {
    let digits = if range > 0.0 { (2.0 - range.log10().floor()).clamp(0.0, 12.0) as usize } else { 2 };
    format!("{value:.digits$}")
}

/// In how many images the known regions are, and how large.
fn regions(data: &Dataset) -> Vec<Fact> {
    let Some(truth) = &data.truth else { return Vec::new() };
    let mut sizes: indexmap::IndexMap<String, Vec<usize>> = indexmap::IndexMap::new();
    for sample in 0..data.len() {
        for region in truth.regions(sample) {
            sizes.entry(region.name.into_owned()).or_default().push(region.pixels.len());
        }
    }
    let area = data.images.shape().area() as f64;
    let fact = |(name, sizes): (String, Vec<usize>)| {
        let share = 100.0 * sizes.iter().sum::<usize>() as f64 / sizes.len() as f64 / area;
        (
            format!("mask {name}"),
            format!("in {} images, where it covers {share:.2} % of the pixels on average", sizes.len()),
        )
    };
    sizes.into_iter().map(fact).collect()
}

fn listed(names: &[&str]) -> String {
    match names.len().checked_sub(LISTED) {
        Some(more) if more > 0 => format!("{} and {more} more", names[..LISTED].join(", ")),
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::data::{Atlas, Grouping, Masks, Partition, Target};
    use crate::raster::{ImageShape, RasterStack};

    #[test]
    fn facts_are_counted() {
        let mut masks = Masks::new(vec!["eye".into()], 4, 2);
        [(0, 0), (0, 1), (2, 3)].into_iter().for_each(|(sample, pixel)| masks.insert(sample, 0, pixel));
        let data = Dataset {
            images: RasterStack::of(ImageShape::plane(2, 2), vec![0.0; 16]),
            targets: vec![20.0, 40.0, 30.0, 60.0],
            target: Target::new("age", "years"),
            partition: Partition::new(vec![Split::Train, Split::Train, Split::Validation, Split::Test]),
            names: vec![String::new(); 4],
            truth: Some(Arc::new(masks)),
            atlas: Some(Arc::new(Atlas::new(vec![0, 1, 2, 2], 4, &[(1, "stem".into())]))),
            grouping: Some(Grouping { name: "sex".into(), of: ["f", "m", "m", "f"].map(str::to_owned).to_vec() }),
        };
        let told: Vec<String> = facts(&data).into_iter().map(|(name, fact)| format!("{name}: {fact}")).collect();
        assert_eq!(
            told,
            [
                "images: 4 of 2 x 2 pixels",
                "age in years: 20.0 to 60.0, mean 37.5, standard deviation 17.1",
                "train: 2 images; age 20.0 to 40.0, mean 30.0, standard deviation 14.1",
                "validation: 1 images; age 30.00 to 30.00, mean 30.00",
                "test: 1 images; age 60.00 to 60.00, mean 60.00",
                "mask eye: in 2 images, where it covers 37.50 % of the pixels on average",
                "atlas: 2 regions (one for all images): stem, label 2",
                "sex: f: 2, m: 2",
            ]
        );
        assert_eq!(listed(&["a"; 14]), format!("{} and 2 more", ["a"; 12].join(", ")));
    }
}
