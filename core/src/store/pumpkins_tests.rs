use std::path::PathBuf;

use rand::RngExt;

use super::*;
use crate::event::silent;
use crate::seed;
use crate::sim::{Without, simulate_ages};
use crate::store::dataset::{is_dataset, load_targets};
use crate::store::npz::NpzError;
use crate::store::source::ArrayProblem;

fn small(growth_mode: GrowthMode) -> PumpkinSet {
    simulate_ages(&[20, 47, 80], growth_mode, 8, &silent).unwrap()
}

/// Saves `dataset`, lets `damage` change the file's bytes, and loads it.
fn reload(dataset: &PumpkinSet, damage: impl FnOnce(&mut Vec<u8>)) -> Result<PumpkinSet, DatasetProblem> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.npz");
    save(dataset, &path).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    damage(&mut bytes);
    std::fs::write(&path, bytes).unwrap();
    load(&path).map_err(|error| *error.problem)
}

#[test]
fn data_sets_survive_their_files_and_can_be_drawn_again() {
    for mode in GrowthMode::ALL {
        let dataset = small(mode);
        let loaded = reload(&dataset, |_| {}).unwrap();
        assert_eq!(loaded, dataset);
        assert_eq!(loaded.pumpkins[2].redraw(Without::Nothing), dataset.images.get(2).pixels);
    }
    let empty = simulate_ages(&[], GrowthMode::Human, 0, &silent).unwrap();
    assert_eq!(reload(&empty, |_| {}).unwrap(), empty);
}

/// An array that numpy saved alone.
fn single() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/numpy/ages_f4.npy")
}

#[test]
fn data_sets_are_told_by_their_contents() {
    let folder = tempfile::tempdir().unwrap();
    let (path, dataset) = (folder.path().join("pumpkins"), small(GrowthMode::Human));
    save(&dataset, &path).unwrap();
    assert!(is_dataset(&path));
    assert_eq!(load(&path).unwrap(), dataset);
    assert_eq!(load_targets(&path).unwrap().unwrap(), (crate::sim::age(), vec![20.0, 47.0, 80.0]));
    for other in ["ages_f4.npy", "named.npz", "none.npz"] {
        let other = single().with_file_name(other);
        assert!(!is_dataset(&other));
        assert!(load(&other).is_err());
    }
    assert_eq!(load_targets(&single()).unwrap(), None);
    assert_eq!(load_targets(&single().with_file_name("named.npz")).unwrap(), None);
}

#[test]
fn the_same_data_set_gives_the_same_bytes() {
    let bytes = || {
        let mut seen = Vec::new();
        reload(&small(GrowthMode::Human), |bytes| seen.clone_from(bytes)).unwrap();
        seen
    };
    assert_eq!(bytes(), bytes());
}

#[test]
fn records_that_cannot_be_are_refused() {
    let refuse = |spoil: fn(&mut Pumpkin), expected: &str| {
        let mut dataset = small(if expected == "tumour" { GrowthMode::NoGrowth } else { GrowthMode::Human });
        spoil(&mut dataset.pumpkins[2]);
        match reload(&dataset, |_| {}) {
            Err(DatasetProblem::Content { name, .. }) => assert_eq!(name, expected),
            other => panic!("{expected}: {:?}", other.err()),
        }
    };
    refuse(|pumpkin| pumpkin.lesions[0].row = 0, "lesion_row");
    refuse(|pumpkin| pumpkin.lesions[0].col = 97, "lesion_col");
    refuse(|pumpkin| pumpkin.atrophies[9].row = 98, "atrophy_row");
    refuse(|pumpkin| pumpkin.age = 1000, "age");
    refuse(|pumpkin| pumpkin.tumour.as_mut().unwrap().col1 = 99, "tumour");
    refuse(|pumpkin| pumpkin.tumour.as_mut().unwrap().row1 = 2, "tumour");
}

#[test]
fn a_missing_array_is_named() {
    let rename = |bytes: &mut Vec<u8>| {
        let name = b"atrophy_row.npy";
        for at in 0..bytes.len() - name.len() {
            if bytes[at..].starts_with(name) {
                bytes[at] = b'A';
            }
        }
    };
    let error = reload(&small(GrowthMode::Human), rename).unwrap_err();
    assert!(matches!(&error, DatasetProblem::Npz(NpzError::Missing { name, .. }) if name == "atrophy_row"), "{error}");
    let cut = |bytes: &mut Vec<u8>| bytes.truncate(1000);
    let error = reload(&small(GrowthMode::Human), cut).unwrap_err();
    assert!(matches!(error, DatasetProblem::File(ArrayProblem::Npz(NpzError::Zip(_)))), "{error}");
    let array = |bytes: &mut Vec<u8>| *bytes = std::fs::read(single()).unwrap();
    assert!(matches!(reload(&small(GrowthMode::Human), array), Err(DatasetProblem::NoArchive)));
}

#[test]
fn damaged_files_never_panic_and_give_no_other_data() {
    let dataset = small(GrowthMode::Human);
    let mut rng = seed::stream(0, "damage", 0);
    for _ in 0..300 {
        let damage = |bytes: &mut Vec<u8>| {
            // Half of the damage goes into the directory at the end of the file.
            let from = if rng.random() { 0 } else { bytes.len() - 2000 };
            for _ in 0..4 {
                let at = rng.random_range(from..bytes.len());
                bytes[at] = rng.random();
            }
        };
        if let Ok(loaded) = reload(&dataset, damage) {
            assert_eq!(loaded, dataset);
        }
    }
}
