//! Users' own images: tables, pictures, masks and atlases.

use std::fmt::Write;
use std::sync::Arc;

use xdlreg::data::Split;
use xdlreg::source::{self, AtlasFiles, AtlasSettings, BadRows, DataSettings, Seen, SourceName, SplitSettings};

use crate::Scratch;

const ROWS: usize = 10;
/// Rows and columns that all images are brought to.
const SIZE: [usize; 2] = [4, 6];
/// A PNG of 6 x 4 grey pixels.
const PICTURE: &[u8] = include_bytes!("../corpus/pictures/png");

/// The first byte says what the others are: a table as csv, tsv or Parquet, or the names of an atlas.
pub fn table(input: &[u8], scratch: &Scratch) {
    let Some((kind, bytes)) = input.split_first() else { return };
    let mut table = String::from("name,file,weight,part\n");
    for row in 0..ROWS {
        let _ = writeln!(table, "n{row},p.png,{row},{}", ["train", "validation", "test"][row % 3]);
    }
    scratch.file("p.png", PICTURE);
    scratch.file("labels.png", PICTURE);
    let (name, names) = match kind % 4 {
        0 => ("t.csv", false),
        1 => ("t.tsv", false),
        2 => ("t.parquet", false),
        _ => ("t.csv", true),
    };
    scratch.file(name, if names { table.as_bytes() } else { bytes });
    scratch.file("names.csv", if names { bytes } else { b"label,name\n1,one\n" });
    hold(DataSettings { split: by_column(), id: Some("name".into()), ..settings(scratch, name) });
}

/// The first byte says what the others are: the picture, the mask or the labels of a row, as a picture or as an array.
pub fn pictures(input: &[u8], scratch: &Scratch) {
    let Some((kind, bytes)) = input.split_first() else { return };
    let mut table = String::from("file,weight,mask,labels\n");
    for row in 0..ROWS {
        let name = |place: u8| match (row == 1, kind % 6 == place, kind % 6 == place + 3) {
            (true, true, _) => "x.png",
            (true, _, true) => "x.npy",
            _ => "p.png",
        };
        let _ = writeln!(table, "{},{row},{},{}", name(0), name(1), name(2));
    }
    scratch.file("p.png", PICTURE);
    scratch.file("x.png", bytes);
    scratch.file("x.npy", bytes);
    scratch.file("t.csv", table.as_bytes());
    scratch.file("names.csv", b"label,name\n1,one\n");
    let masks = Some([("spot".to_owned(), "mask".to_owned())].into());
    let atlas = AtlasFiles { labels: "labels".into(), names: Some("names.csv".into()) };
    hold(DataSettings { masks, atlas: Some(AtlasSettings::Named(atlas)), ..settings(scratch, "t.csv") });
}

fn settings(scratch: &Scratch, table: &str) -> DataSettings {
    DataSettings {
        source: SourceName::Files,
        table: scratch.path(table).to_str().map(str::to_owned),
        image: Some("file".into()),
        target: Some("weight".into()),
        size: Some(SIZE),
        atlas: Some(AtlasSettings::Named(AtlasFiles { labels: "labels.png".into(), names: Some("names.csv".into()) })),
        bad_rows: Some(BadRows::Exclude),
        ..DataSettings::default()
    }
}

fn by_column() -> Option<SplitSettings> {
    Some(SplitSettings { column: Some("part".into()), ..SplitSettings::default() })
}

/// What was found is read: as many images as there are rows that are not left out, of the size that was asked for.
fn hold(mut settings: DataSettings) {
    let looked = settings.files().expect("the source are files");
    let Ok(found) = source::find(&looked, &mut Seen::default()) else { return };
    settings.found = Some(Arc::new(found.clone()));
    let read = source::read(&settings.files().expect("the source are files"));
    let (data, masks) = read.expect("what was found is read");
    assert_eq!((data.len(), data.images.len()), (found.partition.len(), found.partition.len()));
    assert_eq!([data.images.height(), data.images.width()], SIZE);
    assert!(data.images.pixels().iter().chain(&data.targets).all(|value| value.is_finite()));
    assert!(Split::PARTS.iter().all(|part| !data.samples(*part).is_empty()));
    let area = data.images.shape().area();
    assert!(
        masks.iter().flat_map(|masks| masks.pixels()).all(|[sample, _, pixel]| sample < data.len() && pixel < area)
    );
    let atlas = data.atlas.as_deref().expect("an atlas was asked for");
    assert!((0..data.len()).all(|sample| atlas.of(sample).len() == area));
}
