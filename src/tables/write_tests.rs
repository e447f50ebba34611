use rand::RngExt;
use serde_json::{Value, json};

use super::super::file::as_promised;
use super::*;
use crate::data::{Dataset, Partition};
use crate::event::{Epoch, RunStatus, silent};
use crate::metric::{LeftOutSign, LeftOutSigns, Measurement};
use crate::seed;
use crate::sim::{self, GrowthMode, simulate_ages};
use crate::stage_name::PerStage;
use crate::store::dataset::Samples;
use crate::tables::{Cells, EnsembleImage, EnsembleRecord, Parts, Table, write_ensembles};

/// The kinds of all columns that hold whole numbers, in all tables.
const WHOLE: &[DataType] = &[
    DataType::Int8,
    DataType::Int16,
    DataType::Int32,
    DataType::Int64,
    DataType::UInt8,
    DataType::UInt16,
    DataType::UInt32,
    DataType::UInt64,
];

const TABLES: [&str; 8] =
    ["runs", "epochs", "predictions", "measurements", "signs", "samples", "ensembles", "ensemble_samples"];

fn samples() -> DatasetRecord {
    let set = simulate_ages(&[20, 80, 50], GrowthMode::NoGrowth, 3, &silent).unwrap();
    let (pumpkins, dataset) = (Some(set.pumpkins.clone()), Dataset::from(set));
    let Dataset { target, targets, partition, names, .. } = dataset;
    DatasetRecord {
        key: "data".to_owned(),
        samples: Arc::new(Samples { targets, target, partition, names, grouping: None }),
        pumpkins,
    }
}

/// So many signs of a kind, of which the first one's worth is not known.
fn signs(kind: &str, radii: &[usize], count: usize) -> LeftOutSigns {
    let sign = |index: usize| LeftOutSign {
        sample: 2,
        index,
        middle: [40 + index, 50],
        effect: (index > 0).then_some(-0.25 * index as f64),
        relevance: radii.iter().map(|&radius| Some((10 * index + radius) as f64)).collect(),
    };
    let (kind, relevance_unit, radii) = (kind.to_owned(), "years".to_owned(), radii.to_vec());
    LeftOutSigns { kind, radii, relevance_unit, signs: (0..count).map(sign).collect() }
}

fn run(id: &str, settings: &[(&str, Value)]) -> (RunRecord, RunDetails) {
    let measurement = |sample, value| Measurement {
        sample,
        metric: "test_mae".to_owned(),
        sign: None,
        value,
        unit: "years".to_owned(),
        note: None,
        headline: sample.is_none(),
    };
    let record = RunRecord {
        run_id: id.to_owned(),
        status: RunStatus::Done,
        reason: None,
        note: None,
        settings: settings.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect(),
        replicate: Some(3),
        keys: PerStage::new(|stage| format!("key of {stage}")),
        train_seconds: Some(f64::INFINITY),
        total_seconds: Some(2.5),
        peak_memory_bytes: Some(1 << 54 | 1),
        scores: vec![("test_mae".into(), Some(f64::INFINITY))],
    };
    let details = RunDetails {
        task: Some(crate::task::Task::Regression),
        epochs: vec![Epoch {
            epoch: 1,
            train_loss: f64::NAN,
            train_mae: 1.5,
            val_loss: f64::NEG_INFINITY,
            val_mae: 2.5,
            epoch_seconds: 0.5,
        }],
        samples: Some(samples().samples),
        predictions: vec![21.5, f32::NAN, f32::INFINITY],
        measurements: vec![measurement(None, Some(f64::INFINITY)), measurement(Some(2), Some(4.5))],
        signs: vec![signs("lesions", &[0], 1), signs("atrophies", &[0, 1, 2], 2)],
        regions: Vec::new(),
    };
    (record, details)
}

/// All tables of two runs.
fn written(settings: [&[(&str, Value)]; 2]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut draft = TablesDraft::begin(&Folder::at(folder.path()), true, false).unwrap();
    let (records, details): (Vec<_>, Vec<_>) = [run("one", settings[0]), run("two", settings[1])].into_iter().unzip();
    for (record, details) in records.iter().zip(details) {
        draft.add_run(&record.run_id, details).unwrap();
    }
    draft.add_dataset(samples()).unwrap();
    draft.commit(&records).unwrap();
    let ensembles = [EnsembleRecord {
        note: None,
        ensemble_id: "both".to_owned(),
        settings: Vec::new(),
        run_ids: vec!["one".to_owned(), "two".to_owned()],
        target: sim::age(),
        metrics: vec!["entropy"],
        images: vec![EnsembleImage { sample: 1, target: 80.0, prediction: f64::NAN, scores: vec![f64::INFINITY] }],
        simulate_key: "data".to_owned(),
        ensemble_key: "ensemble".to_owned(),
    }];
    write_ensembles(&Folder::at(folder.path()), &ensembles).unwrap();
    folder
}

fn frame(folder: &tempfile::TempDir, name: &str) -> DataFrame {
    let file = std::fs::File::open(folder.path().join(format!("{name}.parquet"))).unwrap();
    ParquetReader::new(file).finish().unwrap()
}

#[test]
fn whole_numbers_are_signed_and_floats_are_finite_in_every_table() {
    let folder = written([&[("data.seed", json!(5))], &[("data.seed", json!(6))]]);
    for name in TABLES {
        let mut whole = 0;
        for column in frame(&folder, name).columns() {
            let kind = match column.dtype() {
                DataType::List(inner) => inner.as_ref().clone(),
                kind => kind.clone(),
            };
            whole += usize::from(WHOLE.contains(&kind));
            assert!(!WHOLE.contains(&kind) || kind == DataType::Int64, "{name}: {column:?}");
            if column.dtype().is_float() {
                let numbers = column.cast(&DataType::Float64).unwrap();
                assert!(numbers.f64().unwrap().iter().flatten().all(f64::is_finite), "{name}: {column:?}");
            }
        }
        assert!(whole > 0, "{name}");
    }
    let empty = |name: &str, column: &str| frame(&folder, name).column(column).unwrap().null_count();
    assert_eq!((empty("epochs", "train_loss"), empty("epochs", "val_loss"), empty("epochs", "val_mae")), (2, 2, 0));
    assert_eq!((empty("predictions", "prediction"), empty("runs", "train_seconds")), (4, 2));
    assert_eq!((empty("runs", "test_mae"), empty("measurements", "value")), (2, 2));
    assert_eq!((empty("ensembles", "entropy"), empty("ensemble_samples", "mean_prediction")), (1, 1));
}

#[test]
fn a_sign_is_a_row_with_its_relevance_by_radius() {
    let folder = written([&[], &[]]);
    let table = Table::read(&folder.path().join("signs.parquet"), None).unwrap();
    let kinds = table.texts("kind").unwrap();
    let shown = |row| {
        let numbers = ["sample", "index", "row", "col", "years", "relevance", "relevance_r1", "relevance_r2"];
        let numbers = numbers.map(|name| table.number(name, row).unwrap());
        (table.texts("run_id").unwrap().get(row).unwrap(), kinds.get(row).unwrap(), format!("{numbers:?}"))
    };
    let rows: Vec<_> = (0..table.rows).map(shown).collect();
    let of = |run| {
        [
            (run, "lesions", "[2.0, 0.0, 40.0, 50.0, NaN, 0.0, NaN, NaN]".to_owned()),
            (run, "atrophies", "[2.0, 0.0, 40.0, 50.0, NaN, 0.0, 1.0, 2.0]".to_owned()),
            (run, "atrophies", "[2.0, 1.0, 41.0, 50.0, -0.25, 10.0, 11.0, 12.0]".to_owned()),
        ]
    };
    assert_eq!(rows, [of("one"), of("two")].concat());
}

/// A run with so many rows of scores.
fn long_run(number: usize, rows: usize) -> (String, RunDetails) {
    let measurement = |row: usize| Measurement {
        sample: (row > 0).then_some(row),
        metric: format!("score_{}", row % 7),
        sign: row.is_multiple_of(3).then(|| "lesions".to_owned()),
        value: (!row.is_multiple_of(11)).then_some((row * number) as f64 / 3.0),
        unit: "years".to_owned(),
        note: row.is_multiple_of(11).then(|| "blind".to_owned()),
        headline: row == 0,
    };
    let (targets, predictions) = (0..40 * number).map(|sample| (sample as f32, (sample * 2) as f32)).unzip();
    let partition = Partition::in_order(40 * number);
    let samples =
        Samples { targets, target: sim::age(), partition, names: vec![String::new(); 40 * number], grouping: None };
    let epoch =
        |epoch| Epoch { epoch, train_loss: 1.0, train_mae: 1.0, val_loss: 1.0, val_mae: 1.0, epoch_seconds: 1.0 };
    let details = RunDetails {
        task: Some(crate::task::Task::Regression),
        epochs: (1..=number).map(epoch).collect(),
        samples: Some(Arc::new(samples)),
        predictions,
        measurements: (0..rows).map(measurement).collect(),
        signs: vec![signs("lesions", &[0], 5 * number)],
        regions: Vec::new(),
    };
    (format!("run {number}"), details)
}

/// Tables that are written run by run are those that are made of all runs at once, and the draft never holds more than the
/// rows of a row group.
#[test]
fn tables_in_parts_are_the_tables_at_once() {
    let runs: Vec<OfRun> =
        (0..9).map(|number| long_run(number, if number == 4 { ROWS + 5 } else { ROWS / 3 })).collect();
    let mut datasets: Vec<DatasetRecord> = (0..3).map(|_| samples()).collect();
    datasets[1].pumpkins = None;
    let folder = tempfile::tempdir().unwrap();
    let mut draft = TablesDraft::begin(&Folder::at(folder.path()), true, false).unwrap();
    let mut groups = 0;
    for (run_id, details) in &runs {
        draft.add_run(run_id, details.clone()).unwrap();
        assert!(draft.rows < ROWS && draft.runs.iter().map(|(_, run)| run.rows()).sum::<usize>() == draft.rows);
        groups += usize::from(draft.runs.is_empty());
    }
    groups += usize::from(!draft.runs.is_empty());
    datasets.iter().for_each(|dataset| draft.add_dataset(dataset.clone()).unwrap());
    let none: [RunRecord; 0] = [];
    draft.commit(&none).unwrap();
    let expected = [
        ("epochs", frames::epochs(&runs)),
        ("predictions", frames::predictions(&runs)),
        ("measurements", frames::measurements(&runs)),
        ("signs", frames::signs(&runs)),
        ("samples", frames::samples(&datasets, true)),
    ];
    for (name, expected) in expected {
        let expected = as_promised(expected.unwrap()).unwrap();
        assert!(frame(&folder, name).equals_missing(&expected), "{name}");
    }
    // No run is spread over row groups, and rows that are read in parts are all rows.
    let path = folder.path().join("measurements.parquet");
    let parts: Vec<Table> = Parts::open(&path, None).unwrap().map(Result::unwrap).collect();
    let ids = |part: &Table| part.texts("run_id").unwrap().distinct.clone();
    assert_eq!((parts.len(), groups), (4, 4));
    assert_eq!(
        parts.iter().flat_map(ids).collect::<Vec<_>>(),
        runs.iter().map(|run| run.0.clone()).collect::<Vec<_>>()
    );
    let table = Table::read(&path, None).unwrap();
    let values =
        |table: &Table| table.numbers("value").unwrap().iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(parts.iter().flat_map(values).collect::<Vec<_>>(), values(&table));
    assert_eq!(table.rows, runs.iter().map(|run| run.1.measurements.len()).sum::<usize>());
}

#[test]
fn tables_of_nothing_have_their_columns() {
    let folder = tempfile::tempdir().unwrap();
    let none: [RunRecord; 0] = [];
    TablesDraft::begin(&Folder::at(folder.path()), false, false).unwrap().commit(&none).unwrap();
    let expected =
        [("runs", 12), ("epochs", 7), ("predictions", 10), ("measurements", 7), ("signs", 11), ("samples", 6)];
    for (name, columns) in expected {
        let path = folder.path().join(format!("{name}.parquet"));
        let table = Table::read(&path, None).unwrap();
        assert_eq!((table.rows, table.columns.len()), (0, columns), "{name}");
        assert_eq!(Parts::open(&path, None).unwrap().count(), 0, "{name}");
        assert_eq!(frame(&folder, name).width(), columns, "{name}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 6, "nothing else is left");
}

#[test]
fn a_draft_that_is_dropped_leaves_the_tables_as_they_were() {
    let folder = written([&[], &[]]);
    let names = || std::fs::read_dir(folder.path()).unwrap().map(|item| item.unwrap().file_name()).collect::<Vec<_>>();
    let (before, read) = (names().len(), |name: &str| std::fs::read(folder.path().join(name)).unwrap());
    let runs = read("measurements.parquet");
    let mut draft = TablesDraft::begin(&Folder::at(folder.path()), true, false).unwrap();
    draft.add_run("another", run("another", &[]).1).unwrap();
    drop(draft);
    assert!(names().len() == before && read("measurements.parquet") == runs);
}

#[test]
fn settings_are_exact_whatever_their_size() {
    let largest = json!(i64::MAX);
    let one = [
        ("data.seed", largest.clone()),
        ("model.seed", json!(-3)),
        ("train.step", json!(9_007_199_254_740_993_i64)),
        ("train.rate", json!(3)),
        ("data.other", json!(u64::MAX)),
        ("model.flag", json!(true)),
    ];
    let two = [
        ("data.seed", json!(9_007_199_254_740_993_i64)),
        ("model.seed", Value::Null),
        ("train.step", json!(0.5)),
        ("train.rate", json!(0.5)),
        ("data.other", json!(1)),
        ("model.flag", json!(false)),
    ];
    let folder = written([&one, &two]);
    let table = Table::read(&folder.path().join("runs.parquet"), None).unwrap();
    let cells = |name: &str| table.columns.iter().find(|(known, _)| known == name).unwrap().1.clone();
    assert_eq!(cells("data.seed"), Cells::Integers(vec![Some(i64::MAX), Some(9_007_199_254_740_993)]));
    assert_eq!(cells("model.seed"), Cells::Integers(vec![Some(-3), None]));
    assert_eq!(cells("train.rate"), Cells::Numbers(vec![3.0, 0.5]));
    assert_eq!(cells("peak_memory_bytes"), Cells::Integers(vec![Some(1 << 54 | 1); 2]));
    let texts = |name: &str| [0, 1].map(|row| table.texts(name).unwrap().get(row).unwrap().to_owned());
    assert_eq!(texts("train.step"), ["9007199254740993", "0.5"]);
    assert_eq!(texts("data.other"), ["18446744073709551615", "1"]);
    assert_eq!(texts("model.flag"), ["true", "false"]);
}

#[test]
fn a_damaged_table_is_refused_and_never_read_as_another() {
    let folder = written([&[("data.seed", json!(5))], &[("data.seed", json!(6))]]);
    let path = folder.path().join("damaged.parquet");
    let mut rng = seed::stream(0, "damage", 0);
    for name in TABLES {
        let bytes = std::fs::read(folder.path().join(format!("{name}.parquet"))).unwrap();
        let intact = Table::read(&folder.path().join(format!("{name}.parquet")), None).unwrap();
        for round in 0..300 {
            let mut damaged = bytes.clone();
            match round % 3 {
                0 => damaged[rng.random_range(0..bytes.len())] ^= 1 << rng.random_range(0..8),
                1 => damaged.truncate(rng.random_range(0..bytes.len())),
                _ => {
                    let at = rng.random_range(0..bytes.len());
                    damaged[at..].iter_mut().take(16).for_each(|byte| *byte = rng.random());
                }
            }
            std::fs::write(&path, &damaged).unwrap();
            match Table::read(&path, None) {
                // Nothing but the mark of the checksum can be damaged then. Gaps are NaN, which equals nothing.
                Ok(table) => assert_eq!(format!("{table:?}"), format!("{intact:?}"), "{name}"),
                Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
            }
        }
    }
}

/// A table without a checksum: as versions before wrote them.
fn unsealed(table: &mut DataFrame) -> Vec<u8> {
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).with_compression(ParquetCompression::Zstd(None)).finish(table).unwrap();
    bytes
}

const CHILD: &str = "DAMAGED_TABLES_FROM";
const ROUNDS: usize = 700;

/// polars panics on some of these, which nobody may see; for a few it asks for memory that no machine has, which ends the
/// process. So they are read in processes of their own. Tables with a checksum never get so far.
#[test]
fn a_damaged_table_without_a_checksum_never_panics() {
    if let Ok(first) = std::env::var(CHILD) {
        return read_damaged_tables(first.parse().unwrap());
    }
    let (mut first, mut ends) = (0, 0);
    while first < ROUNDS {
        let this_test = std::thread::current();
        let name = this_test.name().expect("tests run in threads of their names");
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let output = child.args(["--exact", name, "--nocapture"]).env(CHILD, first.to_string()).output().unwrap();
        let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!errors.contains("panicked at"), "{errors}");
        let rounds = said.lines().filter_map(|line| line.split("round ").nth(1)?.parse::<usize>().ok());
        first = rounds.max().expect("it reads some tables") + 1;
        if !output.status.success() {
            assert!(errors.contains("memory allocation"), "{errors}");
            ends += 1;
        }
    }
    assert!(ends < ROUNDS / 20, "{ends} of {ROUNDS} tables ended the process");
}

fn read_damaged_tables(first: usize) {
    let folder = written([&[("data.seed", json!(5))], &[("data.seed", json!(6))]]);
    let path = folder.path().join("damaged.parquet");
    let originals = TABLES.map(|name| unsealed(&mut frame(&folder, name)));
    for round in first..ROUNDS {
        println!("round {round}");
        let mut rng = seed::stream(1, "damage", round as u64);
        let mut damaged = originals[round % TABLES.len()].clone();
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..damaged.len());
            damaged[at] = rng.random();
        }
        std::fs::write(&path, &damaged).unwrap();
        if let Err(error) = Table::read(&path, None) {
            assert!(error.to_string().contains("damaged.parquet"));
        }
    }
}
