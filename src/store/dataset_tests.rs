use rand::RngExt;

use super::*;
use crate::event::silent;
use crate::seed;
use crate::sim::{Without, simulate_ages};

fn small(growth_mode: GrowthMode) -> Dataset {
    simulate_ages(&[20, 47, 80], growth_mode, 8, &silent).unwrap()
}

/// Saves `dataset`, lets `damage` change the file's bytes, and loads it.
fn reload(dataset: &Dataset, damage: impl FnOnce(&mut Vec<u8>)) -> Result<Dataset, DatasetProblem> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.npz");
    save(dataset, &path).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    damage(&mut bytes);
    std::fs::write(&path, bytes).unwrap();
    load(&path).map_err(|error| error.problem)
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
    assert!(matches!(error, DatasetProblem::Missing("atrophy_row")), "{error}");
    let cut = |bytes: &mut Vec<u8>| bytes.truncate(1000);
    assert!(matches!(reload(&small(GrowthMode::Human), cut), Err(DatasetProblem::Zip(_))));
}

#[test]
fn damaged_files_never_panic() {
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
            assert_eq!(loaded.images.len(), loaded.pumpkins.len());
        }
    }
}
