//! Files that users bring: arrays, data sets, weights, tables.

use std::io::{Cursor, Write};
use std::ops::ControlFlow;

use xdlreg::raster::Planes;
use xdlreg::store::inputs::BadInput;
use xdlreg::store::{arrays, dataset, inputs, planes, pumpkins};
use xdlreg::tables::{Cells, Table};
use xdlreg_tensor::net::{TrainState, Weights};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::Scratch;

/// An `.npy` file.
pub fn npy(data: &[u8], scratch: &Scratch) {
    let path = scratch.file("array.npy", data);
    let whole = arrays::read_stack(&path);
    if let Ok(stack) = &whole {
        let again = scratch.path("again.npy");
        arrays::write_stack(stack, &again).expect("a file in memory");
        let bits = |pixels: &[f32]| pixels.iter().map(|pixel| pixel.to_bits()).collect::<Vec<_>>();
        let read = arrays::read_stack(&again).expect("it was just written");
        assert!(bits(read.pixels()) == bits(stack.pixels()));
        let some = planes::read_planes(&path, 1..3).expect("all of them can be read");
        assert_eq!(some.len(), stack.len().saturating_sub(1).min(2));
    }
    if let Ok(values) = arrays::read_vector(&path) {
        assert!(whole.is_err() && values.len() <= data.len());
    }
    let _ = arrays::read_triples(&path);
    let _ = planes::read_shape(&path);
    visit(&path);
    let _ = inputs::read_maps(&path).map_err(told);
    let _ = inputs::read_images(&path).map_err(told);
}

/// A file that should be a data set, of pumpkins or of others.
pub fn npz(data: &[u8], scratch: &Scratch) {
    let (path, again) = (scratch.file("set.npz", data), scratch.path("again.npz"));
    if let Ok(set) = pumpkins::load(&path) {
        assert_eq!(set.images.len(), set.pumpkins.len());
        assert_eq!(pumpkins::load_pumpkins(&path).expect("all of it can be read"), set.pumpkins);
        pumpkins::save(&set, &again).expect("a file in memory");
        assert_eq!(pumpkins::load(&again).expect("it was just written").pumpkins, set.pumpkins);
    }
    if let Ok(set) = dataset::load(&path) {
        assert_eq!((set.images.len(), set.partition.len(), set.names.len()), (set.len(), set.len(), set.len()));
        dataset::save(&set, None, &again).expect("a file in memory");
        let read = dataset::load(&again).expect("it was just written");
        assert_eq!((&read.targets, &read.target, &read.names), (&set.targets, &set.target, &set.names));
        let mut pixels = read.images.pixels().iter().zip(set.images.pixels());
        assert!(pixels.all(|(read, written)| read.to_bits() == written.to_bits()));
    }
    let _ = dataset::load_samples(&path);
    let _ = dataset::load_targets(&path);
    visit(&path);
    let _ = inputs::read_images(&path).map_err(told);
}

/// The arrays of such a set in an archive that is in order: a name, a zero byte, the length of the array in two bytes, the
/// array; and so on. So the contents are reached though nobody guesses checksums.
pub fn npz_arrays(mut data: &[u8], scratch: &Scratch) {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    while let Some(end) = data.iter().position(|&byte| byte == 0) {
        let name = String::from_utf8_lossy(&data[..end]).into_owned();
        let Some((length, rest)) = data[end + 1..].split_first_chunk::<2>() else { break };
        let (array, rest) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
        data = rest;
        if zip.start_file(name, options).is_err() {
            return;
        }
        zip.write_all(array).expect("an archive in memory");
        if end == 0 {
            break;
        }
    }
    if let Ok(archive) = zip.finish() {
        npz(archive.get_ref(), scratch);
    }
}

/// Weights of a network, or the state of a training.
pub fn safetensors(data: &[u8], _: &Scratch) {
    if let Ok(weights) = Weights::from_bytes(data) {
        assert_eq!(Weights::from_bytes(&weights.to_bytes()).expect("it was just written"), weights);
    }
    if let Ok(state) = TrainState::from_bytes(data) {
        // Compared as bytes, since losses may be no numbers, which equal nothing.
        let bytes = state.to_bytes();
        let again = TrainState::from_bytes(&bytes).expect("it was just written");
        assert_eq!(again.to_bytes(), bytes);
    }
}

/// A published table.
pub fn parquet(data: &[u8], scratch: &Scratch) {
    let path = scratch.file("runs.parquet", data);
    for wanted in [None, Some(&["run_id", "status", "sample"][..])] {
        if let Ok(table) = Table::read(&path, wanted) {
            for (name, cells) in &table.columns {
                let rows = match cells {
                    Cells::Integers(integers) => integers.len(),
                    Cells::Numbers(numbers) => numbers.len(),
                    Cells::Texts(texts) => texts.rows.len(),
                };
                assert_eq!(rows, table.rows, "column {name}");
            }
        }
    }
}

fn visit(path: &std::path::Path) {
    let Ok(images) = planes::ImageFile::open(path) else { return };
    let mut seen = 0;
    let visited = images.visit(2, &mut |pixels| {
        seen += pixels.len() / images.shape().values();
        ControlFlow::Continue(())
    });
    assert!(visited.is_err() || seen == images.count());
}

fn told(error: BadInput) {
    assert!(!error.to_string().trim().is_empty() && !error.help.is_empty());
}
