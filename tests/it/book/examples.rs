//! Every spec and every command of README and the book is executed, page by page, in one folder.
//!
//! A block of TOML is planned; where its first line is a comment with a file name, it is also kept as that file for the
//! commands that follow. Lines of a console block that begin with `$` are commands. RUN, RUN_A and RUN_B stand for the
//! identifiers of runs in the results folder that the command names.

use std::collections::BTreeSet;
use std::fs;

use image::{GrayImage, Luma};
use polars::prelude::*;

use super::{Page, pages};
use crate::harness::{Ended, Scene, listing, repository, texts};

/// Folders of the repository that commands name.
const FOLDERS: &[&str] = &["configs", "experiments", "notebook", "tests"];
/// Trainings of the book are longer than the tests have time for.
const SHORT: (&str, &str) = ("XDLREG_TRAIN__EPOCHS", "1");
const FEW: &str = "n_samples = 120";

/// A folder with what the pages take for granted: the repository's specs, and a study of a reader's own.
fn readers_folder() -> Scene {
    let scene = Scene::new();
    for folder in FOLDERS {
        std::os::unix::fs::symlink(repository(folder), scene.path(folder)).expect("a link in the scene");
    }
    let mut table = String::from("file,subject,age,weight,bmi,family,block,part,fold,lesion_mask,mask,sex,diagnosis\n");
    for row in 0..60_u32 {
        let mut picture = GrayImage::from_fn(96, 96, |x, y| Luma([(x * 7 + y * 13 + row * 5) as u8 / 2]));
        let mut mask = GrayImage::new(96, 96);
        for pixel in (20..20 + row % 30).flat_map(|x| (20..40).map(move |y| (x, y))) {
            picture.put_pixel(pixel.0, pixel.1, Luma([255]));
            mask.put_pixel(pixel.0, pixel.1, Luma([255]));
        }
        picture.save(scene.path(&format!("{row}.png"))).expect("a picture");
        mask.save(scene.path(&format!("{row}-mask.png"))).expect("a mask");
        let part = ["train", "train", "train", "validation", "test"][row as usize % 5];
        let (sex, diagnosis) = (["f", "m"][row as usize % 2], ["healthy", "ill"][row as usize / 2 % 2]);
        let mask = if row % 30 == 0 { String::new() } else { format!("{row}-mask.png") };
        table += &format!(
            "{row}.png,s{row},{},{},{},f{},b{},{part},{},{mask},{mask},{sex},{diagnosis}\n",
            20 + row % 30,
            50 + row % 31,
            18 + row % 12,
            row / 2,
            row / 4,
            row % 5,
        );
    }
    scene.write("subjects.csv", table);
    scene.write("atlas.csv", "label,name\n1,left\n2,right\n");
    let labels = GrayImage::from_fn(96, 96, |x, _| Luma([if x < 48 { 1 } else { 2 }]));
    labels.save(scene.path("atlas.png")).expect("an atlas");
    scene
}

fn shortened(spec: &str) -> String {
    let lines = spec.lines().map(|line| if line.starts_with("n_samples = ") { FEW } else { line });
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// The words of a command, with identifiers of runs in place of RUN.
fn words(scene: &Scene, command: &str) -> Vec<String> {
    let folder = command.split_whitespace().find_map(|word| word.strip_prefix("results/"));
    let folder = folder.map(|rest| rest.split('/').next().expect("a name"));
    let command = command.split('#').next().expect("a command");
    if !command.contains("RUN") {
        return command.split_whitespace().map(str::to_owned).collect();
    }
    let runs = texts(&scene.results(folder.expect("a results folder with the run")).table("runs"), "run_id");
    let named = command.replace("RUN_A", &runs[0]).replace("RUN_B", &runs[1 % runs.len()]).replace("RUN", &runs[0]);
    named.split_whitespace().map(str::to_owned).collect()
}

/// Plans a spec; what is wrong with it, if anything.
fn plan(scene: &Scene, page: &Page, line: usize, spec: &str) -> Option<String> {
    let first = spec.lines().next().unwrap_or_default();
    let kept = first.strip_prefix("# ").filter(|name| name.ends_with(".toml") && !name.contains(' '));
    let name = kept.unwrap_or("block.toml");
    scene.write(name, shortened(spec));
    let mut command = scene.command("xdlreg-run");
    // What a spec says of a cluster or a GPU is read on a machine that has neither.
    command.args(["plan", name, "--executor", "local", "--set", "run.device=cpu"]);
    let ended = Ended::of(&mut command);
    (ended.code != Some(0)).then(|| format!("{}:{line} cannot be planned: {}", page.path, ended.stderr))
}

/// Runs a command; what is wrong with it, if anything.
fn run(scene: &Scene, page: &Page, line: usize, command: &str) -> Option<String> {
    let words = words(scene, command);
    let mut program = scene.command(&words[0]);
    program.args(&words[1..]).env(SHORT.0, SHORT.1).env("XDLREG_RUN__DEVICE", "cpu");
    let ended = Ended::of(&mut program);
    (ended.code != Some(0)).then(|| format!("{}:{line} `{command}` fails: {}{}", page.path, ended.stdout, ended.stderr))
}

#[test]
fn every_spec_and_command_works_and_every_column_is_explained() {
    let scene = readers_folder();
    let (mut specs, mut commands) = (0, 0);
    let mut wrong = Vec::new();
    for page in &pages() {
        for (line, language, contents) in page.blocks() {
            match language {
                "toml" => {
                    wrong.extend(plan(&scene, page, line, &contents));
                    specs += 1;
                }
                "console" => {
                    for command in contents.lines().filter_map(|line| line.strip_prefix("$ ")) {
                        wrong.extend(run(&scene, page, line, command));
                        commands += 1;
                    }
                }
                // Fragments, outputs and other languages; a spec or a command that nobody tries is a mistake.
                "text" | "python" | "sh" | "yaml" | "rust" => {}
                other => panic!("{}:{line}: a block of `{other}`", page.path),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(specs > 15 && commands > 25, "{specs} specs, {commands} commands");
    every_column_is_explained(&scene);
}

/// docs/tables.md has every column of every table that the commands above have left.
fn every_column_is_explained(scene: &Scene) {
    let page = Page::read("docs/tables.md").text;
    let mut missing = BTreeSet::new();
    let mut tables = 0;
    for path in listing(&scene.path("results")).into_iter().filter(|path| path.ends_with(".parquet")) {
        if path.starts_with('.') {
            continue;
        }
        let file = fs::File::open(scene.path(&format!("results/{path}"))).expect("a table");
        let name = path.rsplit('/').next().expect("a name");
        tables += 1;
        assert!(page.contains(name), "{name} has no section");
        for column in ParquetReader::new(file).finish().expect("a table").get_column_names_owned() {
            // Scores of a split are explained without it. Settings have a dot, and are explained in docs/settings.md.
            let score = ["train_", "val_", "test_"].iter().find_map(|split| column.strip_prefix(split));
            let named = |column: &str| page.contains(&format!("`{column}`"));
            if !column.contains('.') && !named(&column) && !score.is_some_and(named) {
                missing.insert(format!("{name}: {column}"));
            }
        }
    }
    assert!(tables > 15, "{tables}");
    assert!(missing.is_empty(), "docs/tables.md does not explain {missing:?}");
}
