use super::*;
use crate::data::Truth;
use crate::raster::ImageShape;
use crate::sim::{GrowthMode, simulate_ages};

/// Four small images in colour, of which two have known regions.
fn colours() -> (Dataset, Masks) {
    let shape = ImageShape::new(3, 2, 4);
    let mut masks = Masks::new(vec!["lesion".into(), "eye".into()], 4, shape.width);
    for (sample, region, pixel) in [(1, 0, 3), (1, 0, 4), (1, 1, 7), (3, 1, 0)] {
        masks.insert(sample, region, pixel);
    }
    let dataset = Dataset {
        images: RasterStack::of(shape, (0..4 * shape.values()).map(|value| value as f32 / 7.0).collect()),
        targets: vec![1.5, -2.0, 0.0, 3.25],
        target: Target::new("weight", "g"),
        partition: Partition::new(vec![Split::Test, Split::Train, Split::Validation, Split::Train]),
        names: ["a", "b", "ć", ""].map(str::to_owned).to_vec(),
        truth: Some(Arc::new(masks.clone())),
        atlas: Some(Arc::new(Atlas::new(vec![0, 1, 1, 3, 0, 0, 1, 3], shape.area(), &[(1, "rind".into())]))),
        grouping: Some(Grouping { name: "sex".into(), of: ["f", "m", "", "f"].map(str::to_owned).to_vec() }),
    };
    (dataset, masks)
}

#[test]
fn any_data_set_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.npz");
    let (dataset, masks) = colours();
    save(&dataset, Some(&masks), &path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let read = load(&path).unwrap();
    assert_eq!((&read.images, &read.targets, &read.target), (&dataset.images, &dataset.targets, &dataset.target));
    assert_eq!((&read.partition, &read.names), (&dataset.partition, &dataset.names));
    assert_eq!((&read.atlas, &read.grouping), (&dataset.atlas, &dataset.grouping));
    let truth = read.truth.as_deref().unwrap();
    for sample in 0..4 {
        assert_eq!(truth.regions(sample), masks.regions(sample), "sample {sample}");
    }
    assert!(truth.interventions().is_none());
    assert!(is_dataset(&path));
    assert_eq!(load_targets(&path).unwrap().unwrap(), (dataset.target.clone(), dataset.targets.clone()));
    let samples = load_samples(&path).unwrap();
    assert_eq!((samples.names, samples.partition), (dataset.names.clone(), dataset.partition.clone()));
    save(&dataset, Some(&masks), &path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "the same data set gives the same bytes");
    save(&dataset, None, &path).unwrap();
    assert!(load(&path).unwrap().truth.is_none());
}

#[test]
fn pumpkins_are_a_data_set_of_ages() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.npz");
    let set =
        simulate_ages(&[20, 47, 80, 33, 61, 20, 47, 80, 33, 61], GrowthMode::Human, 8, &crate::event::silent).unwrap();
    pumpkins::save(&set, &path).unwrap();
    let read = load(&path).unwrap();
    assert_eq!((&read.images, read.target.label()), (&set.images, "age in years".into()));
    assert_eq!((read.targets[1], read.partition.of(8), read.partition.of(9)), (47.0, Split::Validation, Split::Test));
    let samples = load_samples(&path).unwrap();
    assert_eq!((samples.targets, samples.names), (read.targets.clone(), read.names.clone()));
    assert_eq!(load_targets(&path).unwrap().unwrap().1, read.targets);
}

#[test]
fn contradictions_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.npz");
    let (dataset, masks) = colours();
    let refused = |change: fn(&mut Dataset, &mut Masks)| {
        let (mut dataset, mut masks) = (dataset.clone(), masks.clone());
        change(&mut dataset, &mut masks);
        save(&dataset, Some(&masks), &path).unwrap();
        load(&path).unwrap_err().to_string()
    };
    let error = refused(|dataset, _| dataset.targets[2] = f32::NAN);
    assert!(error.contains("\"target\" holds a value that is not finite"), "{error}");
    let error = refused(|dataset, _| dataset.names.truncate(3));
    assert!(error.contains("\"name\" is cut off: 3 of 4 values are there"), "{error}");
    let error = refused(|_, masks| masks.insert(2, 0, 8));
    assert!(error.contains("\"region_pixel\" points beyond the image"), "{error}");
}
