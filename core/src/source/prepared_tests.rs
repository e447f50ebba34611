//! What becomes of users' images on the way: sizes, intensities, rows that are left out, atlases, groups, other tables.

use std::fs;
use std::sync::Arc;

use image::{DynamicImage, GrayImage, ImageBuffer, Luma};

use super::bad_data::{BadData, Place};
use super::file_source::{FileSource, Found};
use super::files::{Seen, find, read};
use super::settings::DataSettings;
use crate::data::{Atlas, AtlasRegion, Dataset, Grouping, Split};
use crate::raster::ImageShape;
use crate::store::arrays;

const ROWS: usize = 20;

/// A folder with a table and grey pictures of 4 x 6 pixels.
struct Study {
    folder: tempfile::TempDir,
    settings: DataSettings,
}

impl Study {
    fn new(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut table = String::from("name,file,weight,sex,part\n");
        for row in 0..ROWS {
            let picture = GrayImage::from_fn(6, 4, |x, y| Luma([(10 * row) as u8 + x as u8 + y as u8]));
            picture.save(folder.path().join(format!("{row}.png"))).unwrap();
            let part = ["train", "train", "train", "validation", "test"][row % 5];
            table += &format!("n{row},{row}.png,{row}.5,{},{part}\n", ["f", "m"][row % 2]);
        }
        fs::write(folder.path().join("t.csv"), table).unwrap();
        let settings: DataSettings = toml::from_str(&format!(
            "source = 'files'\nimage = 'file'\nid = 'name'\ntarget = 'weight'\nsplit = {{ column = 'part' }}\n{more}"
        ))
        .unwrap();
        let table = folder.path().join("t.csv").to_str().map(str::to_owned);
        Self { settings: DataSettings { table, ..settings }, folder }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn source(&self) -> FileSource {
        assert_eq!(self.settings.validate(), []);
        self.settings.files().unwrap()
    }

    fn find(&self) -> Result<Found, BadData> {
        find(&self.source(), &mut Seen::default())
    }

    fn read(&mut self) -> Dataset {
        self.settings.found = Some(Arc::new(self.find().unwrap_or_else(|error| panic!("{error}"))));
        read(&self.source()).unwrap_or_else(|error| panic!("{error}")).0
    }
}

#[test]
fn images_of_several_sizes_come_to_one() {
    let mut study = Study::new("");
    GrayImage::from_pixel(12, 8, Luma([7])).save(study.path("4.png")).unwrap();
    assert!(study.find().unwrap_err().to_string().contains("8 x 12 pixels, but the first image has 4 x 6 pixels"));
    study.settings.size = Some([2, 3]);
    let data = study.read();
    assert_eq!(data.images.shape(), ImageShape::plane(2, 3));
    // The mean of 2 x 2 pixels: x and y are 1 on average in the first.
    assert_eq!(data.images.get(1).pixels[..2], [11.0, 13.0]);
    assert_eq!(data.images.get(4).pixels, [7.0; 6]);
    let whole = study.settings.found.clone().unwrap().content.clone();
    study.settings.fit = Some(super::Fit::Crop);
    let cropped = study.read();
    assert_eq!(cropped.images.get(0).pixels, [2.0, 3.0, 4.0, 3.0, 4.0, 5.0]);
    assert_eq!(study.settings.found.as_ref().unwrap().content, whole, "the files are the same");
    let keys = [super::Fit::Crop, super::Fit::Resize].map(|fit| {
        study.settings.fit = Some(fit);
        study.source().inputs()
    });
    assert_ne!(keys[0], keys[1], "what is made of them is not");
}

#[test]
fn images_are_standardised_each_by_itself_or_by_those_that_train() {
    let mut study = Study::new("intensity = 'zscore'");
    let data = study.read();
    for image in data.images.iter() {
        let (sum, squares) =
            image.pixels.iter().fold((0.0, 0.0), |(s, q), &v| (s + f64::from(v), q + f64::from(v).powi(2)));
        assert!(sum.abs() < 1e-5 && (squares / 24.0 - 1.0).abs() < 1e-5, "{sum} and {squares}");
    }
    study.settings.intensity = Some(super::Intensity::ZscoreTrain);
    let data = study.read();
    let training: Vec<f64> =
        data.samples(Split::Train).iter().flat_map(|&s| data.images.get(s).pixels).map(|&v| f64::from(v)).collect();
    let mean = training.iter().sum::<f64>() / training.len() as f64;
    let variance = training.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / training.len() as f64;
    assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-6, "{mean} and {variance}");
    study.settings.intensity = Some(super::Intensity::Zscore);
    GrayImage::from_pixel(6, 4, Luma([9])).save(study.path("3.png")).unwrap();
    let told = study.find().unwrap_err().to_string();
    assert!(told.contains("line 5, column `file`") && told.contains("has the same value everywhere"), "{told}");
}

#[test]
fn an_array_of_all_is_prepared_as_files_are() {
    let mut files = Study::new("size = [2, 3]\nintensity = 'zscore'");
    let expected = files.read().images;
    let mut array = Study::new("size = [2, 3]\nintensity = 'zscore'");
    let values: Vec<f32> = (0..ROWS * 24).map(|at| (10 * (at / 24) + at % 24 % 6 + at % 24 / 6) as f32).collect();
    arrays::write_array(&[ROWS, 4, 6], &values, &array.path("all.npy")).unwrap();
    (array.settings.image, array.settings.images) = (None, Some("all.npy".into()));
    assert_eq!(array.read().images, expected);
    // One row has no target and one image is constant: both are left out, and the others keep their images.
    let table = fs::read_to_string(array.path("t.csv")).unwrap();
    fs::write(array.path("t.csv"), table.replace(",5.5,", ",,")).unwrap();
    let mut values = values;
    values[24 * 11..24 * 12].fill(3.0);
    arrays::write_array(&[ROWS, 4, 6], &values, &array.path("all.npy")).unwrap();
    array.settings.bad_rows = Some(super::BadRows::Exclude);
    let data = array.read();
    assert_eq!(data.len(), ROWS - 2);
    let kept: Vec<usize> = (0..ROWS).filter(|row| ![5, 11].contains(row)).collect();
    assert_eq!(data.images, expected.select(&kept));
    assert_eq!(data.names[5], "n6");
}

#[test]
fn rows_that_cannot_be_used_are_left_out_where_that_is_asked_for() {
    let mut study = Study::new("bad_rows = 'exclude'");
    let all = study.read();
    let path = study.path("t.csv");
    let table = fs::read_to_string(&path).unwrap();
    fs::write(&path, table.replace("n2,2.png,2.5", "n2,2.png,NaN").replace(",7.png", ",nowhere.png")).unwrap();
    fs::write(study.path("12.png"), b"no picture").unwrap();
    let data = study.read();
    let kept: Vec<usize> = (0..ROWS).filter(|row| ![2, 7, 12].contains(row)).collect();
    assert_eq!(data.images, all.images.select(&kept));
    assert_eq!(data.names, kept.iter().map(|row| format!("n{row}")).collect::<Vec<_>>());
    let found = study.settings.found.clone().unwrap();
    let places: Vec<_> = found.excluded.iter().filter_map(|problem| problem.place).collect();
    assert_eq!(places, [4, 9, 14].map(Place::Line));
    // A row that is gone is no other data set than one that is left out.
    let without: Vec<&str> =
        table.lines().filter(|line| !["n2,", "n7,", "n12,"].iter().any(|name| line.starts_with(name))).collect();
    fs::write(&path, without.join("\n")).unwrap();
    assert_eq!(study.find().unwrap().content, found.content);
    fs::write(&path, table.replace(".png", ".gif")).unwrap();
    assert!(study.find().unwrap_err().to_string().starts_with(&format!("{}: 20 rows", path.display())));
}

#[test]
fn an_atlas_labels_all_images_or_each() {
    let mut study = Study::new("atlas = { labels = 'atlas.png', names = 'names.tsv' }\ngroup_by = 'sex'");
    let labels = |x: u32, y: u32| Luma([if x < 3 { 300 } else { 2 * u16::from(y > 1) }]);
    DynamicImage::ImageLuma16(ImageBuffer::from_fn(6, 4, labels)).save(study.path("atlas.png")).unwrap();
    fs::write(study.path("names.tsv"), "name\tlabel\nleft\t300\nbelow\t2.0\n").unwrap();
    let data = study.read();
    let row = |below: i32| [300, 300, 300, below, below, below];
    let region = |label, name: &str| AtlasRegion { label, name: name.into() };
    let atlas = data.atlas.as_deref().unwrap();
    assert_eq!(atlas.of(7), [row(0), row(0), row(2), row(2)].concat());
    assert_eq!(atlas.regions(), [region(2, "below"), region(300, "left")]);
    let of: Vec<String> = (0..ROWS).map(|row| ["f", "m"][row % 2].to_owned()).collect();
    assert_eq!(data.grouping, Some(Grouping { name: "sex".into(), of }));
    // Every file that the data set is made of counts.
    let content = |study: &Study| study.find().unwrap().content;
    let before = content(&study);
    fs::write(study.path("names.tsv"), "name\tlabel\nright\t300\nbelow\t2.0\n").unwrap();
    assert_ne!(content(&study), before);
    let before = content(&study);
    let table = fs::read_to_string(study.path("t.csv")).unwrap();
    fs::write(study.path("t.csv"), table.replacen(",m,", ",f,", 1)).unwrap();
    assert_ne!(content(&study), before);
    // The names of labels are said once each.
    for (names, part) in [
        ("name,label\na,1\nb,1\n", "label 1"),
        ("name,label\na,x\n", "\"x\" is not a whole number"),
        ("name,value\n", "no column `label`"),
    ] {
        fs::write(study.path("names.csv"), names).unwrap();
        study.settings.atlas =
            toml::from_str::<DataSettings>("atlas = { labels = 'atlas.png', names = 'names.csv' }").unwrap().atlas;
        let told = study.find().unwrap_err().to_string();
        assert!(told.contains(part) && told.contains("names.csv"), "{told}");
    }
    // A column names an atlas for each image.
    for row in 0..ROWS {
        arrays::write_array(&[4, 6], &[row as f32; 24], &study.path(&format!("{row}.npy"))).unwrap();
    }
    fs::write(study.path("t.csv"), table.replace("weight,", "weight,labels,").replace(".5,", ".5,#.npy,")).unwrap();
    let table = fs::read_to_string(study.path("t.csv")).unwrap();
    let named: Vec<String> =
        table.lines().enumerate().map(|(line, text)| text.replace('#', &line.saturating_sub(1).to_string())).collect();
    fs::write(study.path("t.csv"), named.join("\n")).unwrap();
    study.settings.atlas = toml::from_str::<DataSettings>("atlas = 'labels'").unwrap().atlas;
    let atlas: Arc<Atlas> = study.read().atlas.unwrap();
    assert_eq!((atlas.of(0), atlas.of(19), atlas.regions().len()), (&[0; 24][..], &[19; 24][..], 19));
    arrays::write_array(&[4, 5], &[1.0; 20], &study.path("3.npy")).unwrap();
    arrays::write_array(&[4, 6], &[0.5; 24], &study.path("4.npy")).unwrap();
    let told = study.find().unwrap_err().to_string();
    assert!(told.contains("the atlas has 4 x 5 pixels, but the image has 4 x 6 pixels"), "{told}");
    assert!(told.contains("line 6, column `labels`") && told.contains("not a whole number"), "{told}");
}

/// `tests/fixtures/tables.py` writes the same table with pandas (pyarrow) and polars.
#[test]
fn parquet_tables_are_read_as_pandas_and_polars_write_them() {
    let mut study = Study::new("bad_rows = 'exclude'");
    let expected = study.read();
    for name in ["pandas.parquet", "polars.parquet"] {
        let table = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/tables/");
        fs::copy(format!("{table}{name}"), study.path(name)).unwrap();
        study.settings.table = study.path(name).to_str().map(str::to_owned);
        let data = study.read();
        // The tables hold a missing weight in their eighth row.
        let kept: Vec<usize> = (0..ROWS).filter(|&row| row != 7).collect();
        assert_eq!(data.images, expected.images.select(&kept), "{name}");
        assert_eq!(data.targets, kept.iter().map(|&row| expected.targets[row]).collect::<Vec<_>>());
        assert_eq!(data.names[7], "n8");
        let excluded = &study.settings.found.as_ref().unwrap().excluded;
        assert_eq!(excluded[0].to_string(), "row 8, column `weight`: \"\" is not a finite number");
        let bytes = fs::read(study.path(name)).unwrap();
        for length in [0, 4, 20, bytes.len() / 2, bytes.len() - 1] {
            fs::write(study.path("cut.parquet"), &bytes[..length]).unwrap();
            study.settings.table = study.path("cut.parquet").to_str().map(str::to_owned);
            assert!(study.find().unwrap_err().to_string().contains("cut.parquet: is "), "{length}");
        }
    }
}

/// `tests/fixtures/tables.py` writes these pictures with tifffile.
#[test]
fn tiff_pictures_are_read_in_the_depths_that_people_have() {
    let mut study = Study::new("channels = 1");
    for (name, scale) in [("u8.tif", 1.0), ("u16.tif", 257.0)] {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/tables/");
        for row in 0..ROWS {
            fs::copy(format!("{path}{name}"), study.path(&format!("{row}.tif"))).unwrap();
        }
        let table = fs::read_to_string(study.path("t.csv")).unwrap();
        fs::write(study.path("t.csv"), table.replace(".png", ".tif")).unwrap();
        let data = study.read();
        let expected: Vec<f32> = (0..24).map(|place| scale * (10 * (place / 6) + place % 6) as f32).collect();
        assert_eq!(data.images.get(3).pixels, expected, "{name}");
    }
}
