use std::fs;

use image::{Rgb, RgbImage};

use super::*;
use crate::data::{Split, Truth};
use crate::source::bad_data::Place;
use crate::source::{DataSettings, Source};
use crate::store::arrays;

/// A folder with a table, colour pictures of 6 x 8 pixels and masks of one region.
struct Scene {
    folder: tempfile::TempDir,
    settings: DataSettings,
}

const ROWS: usize = 20;

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("pictures")).unwrap();
        let mut table = String::from("subject,file,spot,weight,fold\n");
        for row in 0..ROWS {
            let color = |x: u32, y: u32| Rgb([row as u8, x as u8, y as u8]);
            RgbImage::from_fn(8, 6, color).save(at(&format!("pictures/{row}.png"))).unwrap();
            let mask: Vec<f32> = (0..48).map(|place| f32::from(u8::from(place == row))).collect();
            arrays::write_array(&[6, 8], &mask, &at(&format!("pictures/{row}.npy"))).unwrap();
            let fold = ["train", "Train", "train", "val", "test"][row % 5];
            table += &format!("s{row},pictures/{row}.png,pictures/{row}.npy,{}.5,{fold}\n", row);
        }
        fs::write(at("subjects.csv"), table).unwrap();
        let settings: DataSettings = toml::from_str(
            "source = 'files'\nimage = 'file'\nid = 'subject'\ntarget = 'weight'\nunit = 'g'\n\
             masks = { spot = 'spot' }\nsplit = { column = 'fold' }",
        )
        .unwrap();
        let table = at("subjects.csv").to_str().map(str::to_owned);
        Self { settings: DataSettings { table, ..settings }, folder }
    }

    fn source(&self) -> FileSource {
        self.settings.files().unwrap()
    }

    fn find(&self) -> Result<Found, BadData> {
        find(&self.source(), &mut Seen::default())
    }

    fn told(&self) -> String {
        self.find().unwrap_err().to_string()
    }

    fn edit(&self, change: impl Fn(&str) -> String) {
        let path = self.folder.path().join("subjects.csv");
        let table = fs::read_to_string(&path).unwrap();
        fs::write(path, change(&table)).unwrap();
    }
}

#[test]
fn pictures_targets_parts_and_masks_are_those_of_the_table() {
    let mut scene = Scene::new();
    assert_eq!(scene.settings.validate(), []);
    let found = scene.find().unwrap();
    assert_eq!(found.shape, ImageShape::new(3, 6, 8));
    assert_eq!(Split::PARTS.map(|part| found.partition.samples(part).len()), [12, 4, 4]);
    scene.settings.found = Some(std::sync::Arc::new(found));
    let (dataset, masks) = read(&scene.source()).unwrap();
    assert_eq!((dataset.len(), dataset.target.label(), dataset.names[7].as_str()), (ROWS, "weight in g".into(), "s7"));
    assert_eq!(dataset.targets[3], 3.5);
    let image = dataset.images.get(9);
    let at = |channel: usize, row: usize, col: usize| image.pixels[(channel * 6 + row) * 8 + col];
    assert_eq!([at(0, 2, 5), at(1, 2, 5), at(2, 2, 5)], [9.0, 5.0, 2.0], "channels, columns and rows are told apart");
    let regions = masks.unwrap().regions(9);
    assert_eq!((regions[0].name.as_ref(), &regions[0].pixels[..]), ("spot", &[9][..]));
    scene.settings.intensity = Some(Intensity::Unit);
    scene.settings.channels = Some(1);
    let grey = scene.find().unwrap();
    assert_eq!(grey.shape, ImageShape::plane(6, 8));
}

#[test]
fn shares_are_drawn_by_their_seed() {
    let mut scene = Scene::new();
    let mut parts = |split: &str| {
        scene.settings.split = Some(toml::from_str(split).unwrap());
        assert_eq!(scene.settings.validate(), []);
        scene.find().unwrap().partition
    };
    let one = parts("train = 0.6\nvalidation = 0.2\ntest = 0.2");
    assert_eq!(Split::PARTS.map(|part| one.samples(part).len()), [12, 4, 4]);
    assert_ne!(one.samples(Split::Test), [16, 17, 18, 19], "they are drawn");
    assert_ne!(parts("train = 0.6\nvalidation = 0.2\ntest = 0.2\nseed = 1"), one);
    assert_eq!(parts("validation = 0.2\ntest = 0.2\nseed = 0"), one);
}

/// What is in the files decides the key, and not where they are.
#[test]
fn a_changed_file_is_noticed_and_a_renamed_folder_is_no_change() {
    let mut scene = Scene::new();
    let first = scene.find().unwrap();
    let key = |scene: &Scene, found: &Found| {
        let found = Some(std::sync::Arc::new(found.clone()));
        DataSettings { found, ..scene.settings.clone() }.to_source().inputs()
    };
    let one = key(&scene, &first);
    assert!(!one.to_string().contains(scene.folder.path().to_str().unwrap()), "{one}");
    let moved = scene.folder.path().join("elsewhere");
    fs::create_dir(&moved).unwrap();
    fs::rename(scene.folder.path().join("pictures"), moved.join("pictures")).unwrap();
    fs::rename(scene.folder.path().join("subjects.csv"), moved.join("subjects.csv")).unwrap();
    scene.settings.table = moved.join("subjects.csv").to_str().map(str::to_owned);
    assert_eq!(key(&scene, &scene.find().unwrap()), one);
    scene.settings.found = Some(std::sync::Arc::new(first.clone()));
    let planned = scene.source();
    assert!(read(&planned).is_ok());
    RgbImage::from_pixel(8, 6, Rgb([1, 2, 3])).save(moved.join("pictures/4.png")).unwrap();
    assert_ne!(scene.find().unwrap().content, first.content);
    assert!(read(&planned).unwrap_err().to_string().contains("changed since"), "the first stage notices");
    // So do a target, a name, a mask and a part.
    let scene = Scene::new();
    for (old, new) in [("3.5,", "3.25,"), ("s3,", "t3,"), ("5/5.npy", "5.npy"), (",val\n", ",test\n")] {
        let before = scene.find().unwrap().content;
        scene.edit(|table| table.replacen(old, new, 1));
        if old != "5/5.npy" {
            assert_ne!(scene.find().unwrap().content, before, "{old}");
        }
    }
}

#[test]
fn a_plan_keeps_a_source_whole() {
    let mut scene = Scene::new();
    scene.settings.found = scene.find().ok().map(std::sync::Arc::new);
    for source in [scene.settings.to_source(), DataSettings::default().to_source()] {
        let json = serde_json::to_string(&source).unwrap();
        assert_eq!(serde_json::from_str::<Source>(&json).unwrap(), source);
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once_with_line_column_and_file() {
    let scene = Scene::new();
    scene.edit(|table| {
        table.replace("3.5,", "nan,").replace("4.5,", "heavy,").replace("s6,", "s5,").replace("val", "valley")
    });
    let told = scene.told();
    for part in [
        "line 5, column `weight`: \"nan\" is not a finite number",
        "line 6, column `weight`: \"heavy\"",
        "line 8, column `subject`: \"s5\" is also in line 7",
        "line 5, column `fold`: \"valley\" is not \"train\"",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let scene = Scene::new();
    let at = |name: &str| scene.folder.path().join("pictures").join(name);
    scene.edit(|table| table.replace(",7.5,", ",seven,").replace("pictures/8.png", ""));
    fs::remove_file(at("0.png")).unwrap();
    fs::write(at("1.png"), b"no picture").unwrap();
    RgbImage::new(9, 6).save(at("2.png")).unwrap();
    arrays::write_array(&[8, 6], &[1.0; 48], &at("3.npy")).unwrap();
    fs::write(at("4.png"), &fs::read(at("5.png")).unwrap()[..60]).unwrap();
    let error = scene.find().unwrap_err();
    let told = error.to_string();
    assert!(told.starts_with(&format!("{}: ", scene.source().table.display())), "{told}");
    let lines: Vec<Place> = error.problems.iter().filter_map(|problem| problem.place).collect();
    assert_eq!(lines, [2, 3, 4, 5, 6, 9, 10].map(Place::Line), "cells and files in one message: {told}");
    let parts =
        ["0.png", "1.png", "6 x 9 pixels in 3 channels", "the mask has 8 x 6 pixels", "column `spot`", "\"seven\""];
    for part in parts {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn a_table_that_does_not_fit_is_told() {
    let mut scene = Scene::new();
    scene.settings.target = Some("wieght".into());
    assert!(scene.told().contains("did you mean `weight`?"), "{}", scene.told());
    let scene = Scene::new();
    scene.edit(|table| table.replace("test", "train"));
    assert!(scene.told().contains("none of its 20 rows is in the test set"), "{}", scene.told());
    scene.edit(|table| table.replacen("\n", "\n1,2\n", 1));
    assert!(scene.told().contains("line 2: it has 2 cells, but the header has 5"), "{}", scene.told());
    let scene = Scene::new();
    scene.edit(|table| table.replacen("fold", "weight", 1));
    assert!(scene.told().contains("two columns are called `weight`, numbers 4 and 5; data.target"), "{}", scene.told());
    let mut scene = Scene::new();
    scene.settings.table = Some("subjects.xls".into());
    assert!(scene.told().contains(".csv, .tsv or .parquet"));
    scene.settings.table = Some("nowhere.csv".into());
    assert!(scene.told().contains("nowhere.csv"));
}

/// As data sets lie that tools such as git-annex keep.
#[cfg(unix)]
#[test]
fn files_may_be_links() {
    let mut scene = Scene::new();
    let content = scene.find().unwrap().content;
    let at = |name: &str| scene.folder.path().join(name);
    fs::create_dir(at("objects")).unwrap();
    for name in ["pictures/3.png", "pictures/3.npy", "subjects.csv"] {
        let object = at("objects").join(blake3::hash(name.as_bytes()).to_hex().as_str());
        fs::rename(at(name), &object).unwrap();
        std::os::unix::fs::symlink(object, at(name)).unwrap();
    }
    let found = scene.find().unwrap();
    assert_eq!(found.content, content);
    scene.settings.found = Some(std::sync::Arc::new(found));
    assert!(read(&scene.source()).is_ok());
    fs::remove_file(at("pictures/4.png")).unwrap();
    std::os::unix::fs::symlink("nowhere", at("pictures/4.png")).unwrap();
    assert!(scene.told().contains("line 6, column `file`"), "{}", scene.told());
}

#[test]
fn a_mask_has_no_values_that_are_not_finite() {
    let scene = Scene::new();
    let mut mask = vec![0.0; 48];
    mask[5] = f32::NAN;
    arrays::write_array(&[6, 8], &mask, &scene.folder.path().join("pictures/3.npy")).unwrap();
    assert!(scene.told().contains("3.npy: holds a value that is not finite"), "{}", scene.told());
}

/// Quoted cells may hold commas, quotes and line breaks; lines are counted as an editor does.
#[test]
fn tables_are_read_as_spreadsheets_write_them() {
    let scene = Scene::new();
    let path = scene.folder.path().join("subjects.csv");
    let table = fs::read_to_string(&path).unwrap();
    let quoted = table.replace("s3,", "\"s\"\"3, the\nthird\",").replace('\n', "\r\n");
    fs::write(&path, format!("\u{feff}{quoted}\r\n")).unwrap();
    let mut scene = scene;
    scene.settings.found = Some(std::sync::Arc::new(scene.find().unwrap()));
    assert_eq!(read(&scene.source()).unwrap().0.names[3], "s\"3, the\r\nthird");
    scene.edit(|table| table.replace("6.5,", "six,"));
    assert!(scene.told().contains("line 9, column `weight`"), "{}", scene.told());
    fs::write(scene.folder.path().join("subjects.tsv"), table.replace(',', "\t")).unwrap();
    scene.settings.table = scene.folder.path().join("subjects.tsv").to_str().map(str::to_owned);
    assert_eq!(scene.find().unwrap().content, { Scene::new().find().unwrap().content });
}

#[test]
fn images_of_one_array_belong_to_the_rows_in_order() {
    let mut scene = Scene::new();
    (scene.settings.image, scene.settings.masks) = (None, None);
    scene.settings.images = Some("all.npy".into());
    let path = scene.folder.path().join("all.npy");
    let values: Vec<f32> = (0..ROWS * 3 * 4).map(|value| value as f32).collect();
    arrays::write_array(&[ROWS, 3, 2, 2], &values, &path).unwrap();
    let found = scene.find().unwrap();
    assert_eq!(found.shape, ImageShape::new(3, 2, 2));
    scene.settings.found = Some(std::sync::Arc::new(found.clone()));
    assert_eq!(read(&scene.source()).unwrap().0.images.pixels(), values);
    arrays::write_array(&[ROWS, 3, 2, 2], &values.iter().map(|value| value + 1.0).collect::<Vec<_>>(), &path).unwrap();
    assert_ne!(scene.find().unwrap().content, found.content);
    let content = |shape: &[usize]| {
        arrays::write_array(shape, &values, &path).unwrap();
        scene.find().unwrap().content
    };
    let contents =
        [&[ROWS, 3, 2, 2][..], &[ROWS, 3, 4, 1], &[ROWS, 3, 1, 4], &[ROWS, 2, 6], &[ROWS, 6, 2]].map(content);
    let different: std::collections::BTreeSet<_> = contents.iter().collect();
    assert_eq!(different.len(), contents.len(), "the same values in another shape are other images");
    arrays::write_array(&[ROWS - 1, 3, 2, 2], &values[12..], &path).unwrap();
    assert!(scene.told().contains("19 images, but the table has 20 rows"), "{}", scene.told());
}

#[test]
fn settings_of_one_source_are_refused_with_the_other() {
    let keys = |text: &str| {
        let settings: DataSettings = toml::from_str(text).unwrap();
        settings.validate().into_iter().map(|invalid| invalid.key).collect::<Vec<_>>()
    };
    assert_eq!(keys("table = 't.csv'\nmasks = {}"), ["data.masks", "data.table"]);
    let files = "source = 'files'\ntable = 't.csv'\nimage = 'file'\ntarget = 'weight'\n";
    assert_eq!(keys(files), [""; 0]);
    assert_eq!(keys(&format!("{files}growth_mode = 'eternal'\nseed = 4")), ["data.growth_mode"]);
    assert_eq!(keys("source = 'files'"), ["data.table", "data.target", "data.image"]);
    assert_eq!(keys(&format!("{files}images = 'all.npy'")), ["data.images"]);
    assert_eq!(keys(&format!("{files}channels = 2")), ["data.channels"]);
    assert_eq!(keys(&format!("{files}split = {{ train = 0.9, validation = 0.2 }}")), ["data.split"]);
    assert_eq!(keys(&format!("{files}split = {{ column = 'fold', seed = 1 }}")), ["data.split.column"]);
}

/// Folds, targets and groups are other data sets of the same files, which are read once.
#[test]
fn files_that_were_seen_are_not_read_again() {
    let mut scene = Scene::new();
    scene.edit(|table| {
        table
            .replace(",fold", ",fold,size")
            .replace("train\n", "train,1\n")
            .replace("Train\n", "Train,2\n")
            .replace("val\n", "val,3\n")
            .replace("test\n", "test,4\n")
    });
    let mut seen = Seen::default();
    let first = find(&scene.source(), &mut seen).unwrap();
    fs::remove_dir_all(scene.folder.path().join("pictures")).unwrap();
    assert_eq!(find(&scene.source(), &mut seen).unwrap(), first);
    scene.settings.target = Some("size".into());
    let other = find(&scene.source(), &mut seen).unwrap();
    assert_ne!(other.content, first.content);
    scene.settings.split = None;
    scene.settings.folds = Some(4);
    let contents: std::collections::HashSet<String> = (0..4)
        .map(|fold| {
            scene.settings.fold = Some(fold);
            find(&scene.source(), &mut seen).unwrap().content
        })
        .collect();
    assert_eq!(contents.len(), 4, "each fold is a data set of its own");
    scene.settings.channels = Some(1);
    assert!(find(&scene.source(), &mut seen).is_err(), "other pixels must be read");
}

#[test]
fn groups_and_folds_are_told_by_their_rows() {
    let mut scene = Scene::new();
    scene.settings.group = Some("subject".into());
    scene.find().unwrap();
    scene.edit(|table| table.replace("s3,", ","));
    assert!(scene.told().contains("line 5, column `subject`: is empty"), "{}", scene.told());
    scene.edit(|table| table.replace("\n,", "\ns0,"));
    scene.settings.id = None;
    let told = scene.told();
    let expected = "line 5, column `fold`: group \"s0\" is in \"validation\" here and in \"train\" in line 2";
    assert!(told.contains(expected), "{told}");
    // Names of folds: four, of which one is written in two ways.
    let mut scene = Scene::new();
    scene.settings.folds = Some(5);
    assert!(scene.told().contains("column `fold` names 4 folds, but data.folds is 5"), "{}", scene.told());
    scene.settings.folds = Some(4);
    let tested: Vec<usize> = (0..4)
        .map(|fold| {
            scene.settings.fold = Some(fold);
            scene.find().unwrap().partition.samples(Split::Test).len()
        })
        .collect();
    assert_eq!(tested, [4, 4, 8, 4], "Train, test, train, val in the order of the alphabet");
}
