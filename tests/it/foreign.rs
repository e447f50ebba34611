//! Files as other programs write them: arrays and archives of numpy, state dicts of PyTorch.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use serde_json::{Map, json};
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

use crate::harness::{Ended, Scene, read_npy, read_safetensors, repository};

const PIXELS: usize = 98 * 98;
const EXPLAIN: &str = "explain --analyzer input_t_gradient --set run.device=cpu";

/// The reference network in `net.safetensors`, and two images whose rows differ from their columns.
fn reference() -> (Scene, Vec<f32>) {
    let scene = Scene::new();
    let net = repository("tensor/tests/data/keras_pumpkin_net.safetensors");
    fs::copy(net, scene.path("net.safetensors")).expect("the reference network");
    let images = fs::read(repository("tensor/tests/data/keras_images.f32")).expect("the reference images");
    let images = images.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().expect("four bytes"))).collect();
    (scene, images)
}

/// An array in numpy's format.
fn array(dtype: &str, fortran: bool, shape: &str, values: Vec<u8>) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let header = format!("{{'descr': '{dtype}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
    [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), &values].concat()
}

fn bytes<const N: usize>(values: &[f32], bytes: impl Fn(f32) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|&value| bytes(value)).collect()
}

/// The values of two images with the first axis varying fastest, as Fortran has it.
fn column_major(images: &[f32]) -> Vec<f32> {
    let at = |column: usize, row: usize, image: usize| images[image * PIXELS + row * 98 + column];
    (0..98).flat_map(|column| (0..98).flat_map(move |row| (0..2).map(move |image| at(column, row, image)))).collect()
}

fn npz(path: &Path, method: CompressionMethod, arrays: &[(&str, Vec<u8>)]) {
    let mut archive = zip::ZipWriter::new(fs::File::create(path).expect("a new file"));
    for (name, contents) in arrays {
        let options = SimpleFileOptions::default().compression_method(method);
        archive.start_file(format!("{name}.npy"), options).expect("a member");
        archive.write_all(contents).expect("a member's contents");
    }
    archive.finish().expect("an archive");
}

fn explained(scene: &Scene, weights: &str, images: &str) -> (Ended, (Vec<u64>, Vec<f32>)) {
    let ended = scene.run(&format!("{EXPLAIN} --weights {weights} --images {images} --out maps.npy")).succeeds();
    (ended, read_npy(&scene.path("maps.npy")))
}

#[test]
fn images_are_the_same_in_every_layout() {
    let (scene, images) = reference();
    let plain = || bytes(&images, f32::to_le_bytes);
    scene.write("plain.npy", array("<f4", false, "(2, 98, 98)", plain()));
    let (ended, expected) = explained(&scene, "net.safetensors", "plain.npy");
    assert_eq!((ended.stderr, &expected.0[..]), (String::new(), &[2, 98, 98][..]));
    assert!(expected.1.iter().any(|value| *value != 0.0));

    scene.write(
        "doubles.npy",
        array(">f8", false, "(2, 98, 98)", bytes(&images, |value| f64::from(value).to_be_bytes())),
    );
    let columns = column_major(&images);
    scene.write("fortran.npy", array("<f4", true, "(2L, 98L, 98L)", bytes(&columns, f32::to_le_bytes)));
    scene.write("fortran_big", array(">f4", true, "(2, 1, 98, 98)", bytes(&columns, f32::to_be_bytes)));
    scene.write("channel.npy", array("<f4", false, "(2, 98, 98, 1)", plain()));
    let fortran = array("<f4", true, "(2, 98, 98)", bytes(&columns, f32::to_le_bytes));
    let ages = array("<i8", false, "(2,)", [45_i64, 60].map(i64::to_le_bytes).concat());
    npz(&scene.path("one.npz"), CompressionMethod::Stored, &[("arr_0", fortran.clone())]);
    npz(&scene.path("two.npy"), CompressionMethod::Deflated, &[("ages", ages), ("pictures", fortran.clone())]);
    for name in ["doubles.npy", "fortran.npy", "fortran_big", "channel.npy", "one.npz", "two.npy"] {
        let (ended, maps) = explained(&scene, "net.safetensors", name);
        assert!(maps == expected, "{name}");
        assert_eq!(ended.stderr, "", "{name}");
    }
    scene.write("single.npy", array("<f4", false, "(98, 98)", bytes(&images[PIXELS..], f32::to_le_bytes)));
    let (_, (shape, maps)) = explained(&scene, "net.safetensors", "single.npy");
    assert_eq!((&shape[..], &maps[..]), (&[1, 98, 98][..], &expected.1[PIXELS..]));

    npz(&scene.path("several.npz"), CompressionMethod::Stored, &[("first", fortran.clone()), ("second", fortran)]);
    let several = scene.run(&format!("{EXPLAIN} --weights net.safetensors --images several.npz --out none.npy"));
    several.exits(2).complains(&["several.npz", "\"first\" (float32 [2, 98, 98])", "\"second\"", "numpy.save"]);
}

#[test]
fn whole_numbers_are_read_with_a_hint_about_their_scale() {
    let (scene, images) = reference();
    let levels: Vec<u8> = images.iter().map(|value| (value * 200.0) as u8).collect();
    let floats: Vec<f32> = levels.iter().map(|&level| f32::from(level)).collect();
    scene.write("levels.npy", array("|u1", false, "(2, 98, 98)", levels));
    scene.write("floats.npy", array("<f4", false, "(2, 98, 98)", bytes(&floats, f32::to_le_bytes)));
    let (of_levels, maps) = explained(&scene, "net.safetensors", "levels.npy");
    of_levels.complains(&["note:", "levels.npy holds uint8 values from 0 to", "images.astype(\"float32\") / 255"]);
    let (of_floats, same) = explained(&scene, "net.safetensors", "floats.npy");
    of_floats.complains(&["note:", "floats.npy holds float32 values"]);
    assert!(maps == same);
    let render = scene.run("render --images levels.npy --maps maps.npy --out pictures").succeeds();
    render.complains(&["note:", "levels.npy holds uint8 values"]);
}

#[test]
fn what_simulate_writes_is_read_under_any_name() {
    let (scene, _) = reference();
    scene.run("simulate --n 2 --age 70 --out pumpkins").succeeds();
    scene.run("simulate --n 2 --age 70 --out set.npz").succeeds();
    let (_, maps) = explained(&scene, "net.safetensors", "set.npz");
    assert!(explained(&scene, "net.safetensors", "pumpkins").1 == maps);
    scene.run("render --images pumpkins --maps maps.npy --ages pumpkins --out pictures").succeeds();
    assert_eq!(
        scene.listing("pictures"),
        ["LRP_S0_age-70.png", "LRP_S0_age-70_pointer.png", "LRP_S1_age-70.png", "LRP_S1_age-70_pointer.png"]
    );
}

#[test]
fn a_damaged_archive_is_refused_by_its_checksum() {
    let (scene, _) = reference();
    scene.run("simulate --n 2 --age 70 --out set.npz").succeeds();
    explained(&scene, "net.safetensors", "set.npz");
    // Bytes in the middle of the stored pixels: other numbers, but numbers.
    let mut set = fs::OpenOptions::new().write(true).open(scene.path("set.npz")).expect("the set");
    set.seek(SeekFrom::Start(4 * PIXELS as u64)).expect("a place in the file");
    set.write_all(&[1, 2, 3, 4]).expect("damage");
    for arguments in [
        format!("{EXPLAIN} --weights net.safetensors --images set.npz --out none.npy"),
        "render --images set.npz --maps maps.npy --out none".to_owned(),
    ] {
        let ended = scene.run(&arguments).exits(2);
        ended.complains(&["set.npz", "array \"images\" is damaged", "checksum"]);
        assert!(!scene.path("none.npy").exists() && !scene.path("none").exists());
    }
}

#[test]
fn ages_of_every_type_have_the_digits_that_were_meant() {
    let (scene, images) = reference();
    scene.write("images.npy", array("<f4", false, "(2, 98, 98)", bytes(&images, f32::to_le_bytes)));
    for (dtype, values, names) in [
        ("<f4", [45.3_f32, -0.0].map(f32::to_le_bytes).concat(), ["45.3", "0"]),
        (">f8", [45.3_f64, 60.0].map(f64::to_be_bytes).concat(), ["45.3", "60"]),
        ("<i8", [45_i64, 60].map(i64::to_le_bytes).concat(), ["45", "60"]),
        (">u4", [45_u32, 60].map(u32::to_be_bytes).concat(), ["45", "60"]),
        ("|u1", vec![45, 60], ["45", "60"]),
    ] {
        scene.write("ages.npy", array(dtype, false, "(2, 1)", values));
        scene.run("render --images images.npy --maps images.npy --ages ages.npy --out pictures").succeeds();
        let expected = [0, 1].map(|index| format!("LRP_S{index}_age-{}.png", names[index]));
        assert_eq!(scene.listing("pictures"), expected, "{dtype}");
        fs::remove_dir_all(scene.path("pictures")).expect("the pictures");
    }
    scene.write("ages.npy", array("<f4", false, "(2,)", bytes(&[45.0, f32::NAN], f32::to_le_bytes)));
    let ended = scene.run("render --images images.npy --maps images.npy --ages ages.npy --out pictures").exits(2);
    ended.complains(&["ages.npy", "item 1 is NaN, not a finite number"]);
    assert!(!scene.path("pictures").exists());
}

/// A safetensors file of tensors with their names, types, shapes and bytes.
fn safetensors(tensors: &[(String, &str, Vec<u64>, Vec<u8>)]) -> Vec<u8> {
    let (mut header, mut data) = (Map::new(), Vec::new());
    for (name, dtype, shape, contents) in tensors {
        let place = [data.len(), data.len() + contents.len()];
        header.insert(name.clone(), json!({ "dtype": dtype, "shape": shape, "data_offsets": place }));
        data.extend(contents);
    }
    let header = serde_json::to_vec(&header).expect("a header");
    [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat()
}

#[test]
fn state_dicts_of_pytorch_are_read() {
    let (scene, images) = reference();
    scene.write("images.npy", array("<f4", false, "(2, 98, 98)", bytes(&images, f32::to_le_bytes)));
    let (_, expected) = explained(&scene, "net.safetensors", "images.npy");
    let own = read_safetensors(&scene.path("net.safetensors"));
    let named = |prefix: &str| {
        let tensors = own.iter().map(|(name, (shape, values))| {
            let contents = bytes(values, |value| f64::from(value).to_le_bytes());
            (format!("{prefix}{name}"), "F64", shape.clone(), contents)
        });
        tensors.collect::<Vec<_>>()
    };
    let mut wrapped = named("module.");
    wrapped.push(("module.bn1.num_batches_tracked".to_owned(), "I64", vec![], 9_i64.to_le_bytes().to_vec()));
    scene.write("wrapped.safetensors", safetensors(&wrapped));
    let (ended, maps) = explained(&scene, "wrapped.safetensors", "images.npy");
    assert!(maps == expected);
    ended.complains(&["note:", "wrapped.safetensors", "num_batches_tracked", "\"module.\"", "float64"]);

    let mut strange = named("");
    strange.push(("optimizer.step".to_owned(), "I64", vec![], 9_i64.to_le_bytes().to_vec()));
    scene.write("strange.safetensors", safetensors(&strange));
    scene.write("net.pt", b"PK\x03\x04 a checkpoint");
    for (weights, part) in [("strange.safetensors", "\"optimizer.step\""), ("net.pt", "weights_only=True")] {
        let ended = scene.run(&format!("{EXPLAIN} --weights {weights} --images images.npy --out none.npy"));
        ended.exits(2).complains(&[weights, part]);
        assert!(!scene.path("none.npy").exists());
    }
}
