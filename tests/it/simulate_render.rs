//! `xdlreg-run simulate` and `xdlreg-run render`: pumpkins and pictures without an experiment.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::harness::{Scene, npy, write_npy};

fn member(npz: &Path, name: &str) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(File::open(npz).expect("the set")).expect("an archive");
    let mut member = archive.by_name(&format!("{name}.npy")).expect("the array");
    let mut bytes = Vec::new();
    member.read_to_end(&mut bytes).expect("the array's bytes");
    bytes
}

/// A float32 array of an .npz file.
pub fn array(npz: &Path, name: &str) -> (Vec<u64>, Vec<f32>) {
    npy(&member(npz, name), "<f4", f32::from_le_bytes)
}

pub fn integers(npz: &Path, name: &str) -> Vec<i32> {
    npy(&member(npz, name), "<i4", i32::from_le_bytes).1
}

#[test]
fn pumpkins_of_given_ages_are_drawn() {
    let scene = Scene::new();
    scene.run("simulate --n 3 --age 20 --age 80 --out set.npz").succeeds();
    let set = scene.path("set.npz");
    assert_eq!(array(&set, "age"), (vec![6], vec![20.0, 20.0, 20.0, 80.0, 80.0, 80.0]));
    let (shape, images) = array(&set, "images");
    assert_eq!(shape, [6, 98, 98]);
    assert!(images.iter().all(|pixel| (0.0..=1.2).contains(pixel)));

    let (lesions, atrophies) = (integers(&set, "n_lesions"), integers(&set, "n_atrophies"));
    assert!(lesions[..3].iter().all(|&count| count == 0) && lesions[3..].iter().all(|count| (30..=40).contains(count)));
    let (samples, rows, cols) =
        (integers(&set, "atrophy_sample"), integers(&set, "atrophy_row"), integers(&set, "atrophy_col"));
    for (sample, &count) in atrophies.iter().enumerate() {
        assert_eq!(samples.iter().filter(|&&owner| owner == sample as i32).count(), count as usize);
    }
    // An atrophy leaves nothing.
    for ((sample, row), col) in samples.into_iter().zip(rows).zip(cols) {
        assert_eq!(images[(sample * 98 * 98 + row * 98 + col) as usize], 0.0);
    }
    assert!(integers(&set, "tumour").iter().all(|&corner| corner == -1));
}

#[test]
fn the_seed_decides_whether_ages_are_given_or_drawn() {
    let scene = Scene::new();
    for ages in ["", "--age 50 --age 70"] {
        let images = |seed: u32| {
            scene.run(&format!("simulate --n 3 {ages} --seed {seed} --out set.npz")).succeeds();
            array(&scene.path("set.npz"), "images")
        };
        let one = images(1);
        assert!(one == images(1) && one != images(2), "pumpkins of `{ages}`");
    }
}

#[test]
fn growth_modes_have_their_own_signs() {
    let scene = Scene::new();
    scene.run("simulate --n 2 --age 60 --growth-mode no_growth --out set.npz").succeeds();
    let set = scene.path("set.npz");
    assert_eq!((integers(&set, "n_lesions"), integers(&set, "n_atrophies")), (vec![0, 0], vec![0, 0]));
    let (tumours, (_, images)) = (integers(&set, "tumour"), array(&set, "images"));
    for (sample, corners) in tumours.chunks_exact(4).enumerate() {
        let [row0, row1, col0, col1] = [0, 1, 2, 3].map(|corner| corners[corner] as usize);
        let block: Vec<f32> = (row0..row1)
            .flat_map(|row| (col0..col1).map(move |col| sample * 98 * 98 + row * 98 + col))
            .map(|index| images[index])
            .collect();
        // One value for the whole block: age / 80 with a deviation of 0.035.
        assert!(block.len() > 9 && block.iter().all(|&pixel| pixel == block[0]));
        assert!((block[0] - 0.75).abs() < 0.2, "{}", block[0]);
    }
}

#[test]
fn a_set_is_drawn_with_pointers_and_images_without() {
    let scene = Scene::new();
    scene.run("simulate --n 2 --age 70 --out set.npz").succeeds();
    let (shape, images) = array(&scene.path("set.npz"), "images");
    write_npy(&scene.path("images.npy"), &shape, &images);
    let maps: Vec<f32> = images.iter().enumerate().map(|(i, pixel)| pixel * (i % 98) as f32 - 40.0 * pixel).collect();
    write_npy(&scene.path("maps.npy"), &shape, &maps);
    write_npy(&scene.path("predictions.npy"), &[2], &[66.04, 71.26]);

    scene.run("render --images set.npz --maps maps.npy --predictions predictions.npy --out marked").succeeds();
    let marked = scene.listing("marked");
    assert_eq!(
        marked,
        [
            "LRP_S0_age-70_pred-66.0.png",
            "LRP_S0_age-70_pred-66.0_pointer.png",
            "LRP_S1_age-70_pred-71.3.png",
            "LRP_S1_age-70_pred-71.3_pointer.png"
        ]
    );
    scene.run("render --images images.npy --maps maps.npy --out plain").succeeds();
    assert_eq!(scene.listing("plain"), ["LRP_S0.png", "LRP_S1.png"]);

    for (format, begins) in [("svg", &b"<svg "[..]), ("pdf", b"%PDF-")] {
        scene.run(&format!("render --images images.npy --maps maps.npy --format {format} --out {format}")).succeeds();
        assert_eq!(scene.listing(format), [format!("LRP_S0.{format}"), format!("LRP_S1.{format}")]);
        let file = std::fs::read(scene.path(&format!("{format}/LRP_S0.{format}"))).expect("a picture");
        assert!(file.starts_with(begins), "{format}");
    }

    // Ages that are given count more than those of the set.
    write_npy(&scene.path("ages.npy"), &[2], &[31.0, 32.5]);
    scene.run("render --images set.npz --maps maps.npy --ages ages.npy --out aged").succeeds();
    let aged = scene.listing("aged");
    assert!(
        aged.contains(&"LRP_S0_age-31.png".to_owned()) && aged.contains(&"LRP_S1_age-32.5.png".to_owned()),
        "{aged:?}"
    );

    let picture = |path: String| image::open(scene.path(&path)).expect("a PNG").to_rgb8();
    // In years the colour bar has other labels, and nothing else changes.
    scene.run("render --images images.npy --maps maps.npy --true-scale --out years").succeeds();
    let (shares, years) = (picture("plain/LRP_S0.png".into()), picture("years/LRP_S0.png".into()));
    assert_ne!(shares, years);
    let image = |picture: &image::RgbImage| image::imageops::crop_imm(picture, 0, 0, 98, picture.height()).to_image();
    assert_eq!(image(&shares), image(&years));
    let (plain, pointed) = (picture(format!("marked/{}", marked[0])), picture(format!("marked/{}", marked[1])));
    assert_eq!(plain.dimensions(), pointed.dimensions());
    assert!(plain.width() > 98 && plain.height() > 98);
    assert_ne!(plain, pointed);
    assert_eq!(picture("plain/LRP_S0.png".into()).dimensions(), plain.dimensions());
    // Squares on atrophies have a colour of their own, a tenth of which is what lies below.
    let near = |pixel: &image::Rgb<u8>| pixel.0.iter().zip([0xD3u8, 0xF5, 0xD4]).all(|(a, b)| a.abs_diff(b) <= 26);
    let green = |pixel: &image::Rgb<u8>| pixel[1] > pixel[0] + 15 && pixel[1] > pixel[2] + 15;
    let count = |picture: &image::RgbImage| picture.pixels().filter(|pixel| near(pixel) && green(pixel)).count();
    assert!(count(&pointed) > count(&plain) + 100);
}
