//! The data inside of `report.html` against the tables, arrays and pictures that it is made from.

use std::collections::BTreeMap;
use std::io::Read;

use base64::prelude::{BASE64_STANDARD, Engine};
use flate2::read::ZlibDecoder;
use polars::prelude::*;
use serde_json::Value;

use crate::harness::{Results, Scene, TINY, numbers, read_npy, texts};
use crate::simulate_render::array;

const AREA: usize = 98 * 98;

/// The data of a page.
pub fn data(results: &Results) -> Value {
    let page = String::from_utf8(results.bytes("report.html")).expect("text");
    let (_, rest) = page.split_once("<script type=\"application/json\" id=\"data\">").expect("the data's element");
    serde_json::from_str(rest.split_once("</script>").expect("its end").0).expect("JSON")
}

fn unpack(text: &Value) -> Vec<u8> {
    let packed = BASE64_STANDARD.decode(text.as_str().expect("a text")).expect("base64");
    let mut bytes = Vec::new();
    ZlibDecoder::new(&packed[..]).read_to_end(&mut bytes).expect("zlib's format");
    bytes
}

fn items(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn wholes(value: &Value) -> Vec<i64> {
    items(value).iter().map(|number| number.as_i64().expect("a whole number")).collect()
}

/// The lists of whole numbers of a column.
fn lists(table: &DataFrame, column: &str) -> Vec<Vec<i64>> {
    let lists = table.column(column).expect("a column").list().expect("lists");
    let list = |row| lists.get_as_series(row).expect("no gap").cast(&DataType::Int64).expect("whole numbers");
    (0..lists.len()).map(|row| list(row).i64().expect("whole numbers").iter().flatten().collect()).collect()
}

/// A finished run whose maps add up to something, as the flat rule's do.
fn finished(settings: &str) -> (Scene, Results, Value) {
    let scene = Scene::with_spec(TINY);
    scene.run(&format!("spec.toml --set evaluate.scores=[] --set explain.analyzer=lrp.flat {settings}")).succeeds();
    let results = scene.results("spec");
    assert_eq!(texts(&results.table("runs"), "status"), ["done"]);
    let data = data(&results);
    (scene, results, data)
}

#[test]
fn the_gallery_shows_signs_images_and_maps_where_they_are() {
    let (scene, results, data) = finished("--set explain.subset=validation");
    let samples = results.table("samples");
    let names = texts(&samples, "name");
    let [lesion_rows, lesion_cols, atrophy_rows, atrophy_cols] =
        ["lesion_rows", "lesion_cols", "atrophy_rows", "atrophy_cols"].map(|column| lists(&samples, column));
    let key = texts(&results.table("runs"), "simulate_key").remove(0);
    let (_, pixels) = array(&scene.path("results/.store/simulate").join(key).join("set.npz"), "images");
    let gallery = &data["gallery"];
    let (shown, images) = (items(&gallery["samples"]), unpack(&gallery["images"]));
    assert_eq!((shown.len(), images.len()), (10, 10 * AREA));
    let mut place = BTreeMap::new();
    for (index, pumpkin) in shown.iter().enumerate() {
        let sample = names.iter().position(|name| pumpkin["name"] == name.as_str()).expect("a pumpkin of the data set");
        assert!((80..90).contains(&sample), "what is explained is the validation set");
        place.insert(index, sample);
        assert_eq!(pumpkin["target"].as_f64(), Some(numbers(&samples, "target")[sample]));
        assert_eq!((pumpkin["height"].as_u64(), pumpkin["start"].as_u64()), (Some(98), Some((index * AREA) as u64)));
        let lesions: Vec<i64> =
            lesion_rows[sample].iter().zip(&lesion_cols[sample]).flat_map(|(&row, &col)| [row, col]).collect();
        assert_eq!(wholes(&pumpkin["arrows"]), lesions, "row and column of each lesion in turn");
        let atrophies: Vec<i64> =
            atrophy_rows[sample].iter().zip(&atrophy_cols[sample]).map(|(row, col)| row * 98 + col).collect();
        assert_eq!(wholes(&pumpkin["squares"]), atrophies);
        let own = pixels[sample * AREA..][..AREA].iter().map(|pixel| (pixel.clamp(0.0, 1.0) * 255.0).round() as u8);
        assert!(own.eq(images[index * AREA..][..AREA].iter().copied()), "the image of sample {sample}");
    }
    assert!(lesion_rows.iter().flatten().ne(lesion_cols.iter().flatten()), "rows and columns are told apart");

    let run = &gallery["runs"][0];
    let (_, relevance) = read_npy(&results.path(&format!("relevance/{}.npy", results.run_id())));
    let (packed, entries) = (unpack(&run["maps"]), items(&run["entries"]));
    let predictions = numbers(&results.table("predictions"), "prediction");
    let ages: Vec<f64> = entries
        .iter()
        .map(|entry| numbers(&samples, "target")[place[&(entry["image"].as_u64().expect("an index") as usize)]])
        .collect();
    assert!(ages.is_sorted(), "from young to old: {ages:?}");
    let half = packed.len() / 2;
    for (at, entry) in entries.iter().enumerate() {
        let sample = place[&(entry["image"].as_u64().expect("an index") as usize)];
        assert_eq!(entry["sample"].as_u64(), Some(sample as u64), "as tables and files of heatmaps number it");
        let index = sample - 80;
        assert_eq!(entry["prediction"].as_f64(), Some(predictions[sample]));
        let map = &relevance[index * AREA..][..AREA];
        let sum: f64 = map.iter().copied().map(f64::from).sum();
        assert!((entry["sum"].as_f64().expect("years") - sum).abs() < 1e-9 * (1.0 + sum.abs()));
        let scale = entry["scale"].as_f64().expect("years");
        assert!((scale - map.iter().fold(0.0, |most: f64, &r| most.max(f64::from(r.abs())))).abs() < 1e-6 * scale);
        for (pixel, &value) in map.iter().enumerate() {
            let (high, low) = (packed[at * AREA + pixel], packed[half + at * AREA + pixel]);
            let found = (f64::from(high) * 256.0 + f64::from(low) - 32768.0) / 32767.0 * scale;
            assert!((found - f64::from(value)).abs() <= 0.51 / 32767.0 * scale, "pixel {pixel} of sample {sample}");
        }
    }
}

#[test]
fn a_tumour_is_outlined_where_it_is() {
    let (_scene, results, data) = finished("--set data.growth_mode=no_growth");
    let samples = results.table("samples");
    let names = texts(&samples, "name");
    for pumpkin in items(&data["gallery"]["samples"]) {
        let sample = names.iter().position(|name| pumpkin["name"] == name.as_str()).expect("a pumpkin of the data set");
        let corners = ["tumour_row0", "tumour_row1", "tumour_col0", "tumour_col1"]
            .map(|column| numbers(&samples, column)[sample] as i64);
        assert_eq!(wholes(&pumpkin["outlines"][0]), corners);
        assert!(corners[1] - corners[0] != corners[3] - corners[2], "rows and columns are told apart");
    }
}

#[test]
fn the_table_of_the_page_is_that_of_the_runs() {
    let (_scene, results, data) = finished("");
    let runs = results.table("runs");
    let columns = items(&data["columns"]);
    for (name, role) in [("run_id", "fact"), ("status", "fact"), ("test_mae", "score"), ("train_seconds", "fact")] {
        let column = columns.iter().find(|column| column["name"] == name).unwrap_or_else(|| panic!("no column {name}"));
        assert_eq!(column["role"], role, "{name}");
        let cell = column["cells"][0].as_f64().expect("a number, or the index of a text");
        match column["distinct"].as_array() {
            Some(distinct) => assert_eq!(distinct[cell as usize], texts(&runs, name)[0].as_str()),
            None => {
                let stored = numbers(&runs, name)[0];
                // A number that is read from JSON may differ in its last bit.
                assert!((cell - stored).abs() <= 1e-12 * stored.abs(), "{name}: {cell}, not {stored}");
            }
        }
    }
    assert_eq!(data["rows"].as_u64(), Some(1));
    assert_eq!(data["gallery"]["runs"][0]["unit"], "years");
    assert_eq!(data["spec"].as_str().map(str::as_bytes), Some(&results.bytes("spec.toml")[..]));
}
