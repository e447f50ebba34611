//! Random and hostile texts: each resolves, or gives one message; none panics or hangs.

use std::path::Path;

use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};

use super::{resolve, said, survives};
use crate::seed::stream;
use crate::spec::{ResolvedSpec, SourceFile};

const SEEDS: [&str; 5] = [
    include_str!("../../../configs/quickstart.toml"),
    include_str!("../../../configs/sweep.toml"),
    include_str!("../../../configs/pumpkins.toml"),
    "[explain]\nanalyzer = \"lrp\"\ncomposite = [{ layer = \"any\", rule = \"gamma\", gamma = 0.1 }]\n[[sweep]]\n\
     random = { n = 3, seed = 5, ranges = { \"train.epochs\" = { low = 1, high = 9, scale = \"log\" } } }\n\
     exclude = [{ \"train.epochs\" = [3, 4] }]\n",
    "[[sweep]]\nlist = [{ \"data.distribution\" = \"biased\", \"data.target_bias\" = 55 }]\nseeds = 2\nwhen = {}\n",
];

const PIECES: [&str; 30] = [
    "[",
    "]",
    "[[",
    "{",
    "}",
    "=",
    ".",
    ",",
    "\"",
    "'",
    "\"\"\"",
    "#",
    "\n",
    "\r",
    "\t",
    "\u{7f}",
    "\u{1b}[31m",
    "\u{feff}",
    "é",
    "漢",
    "0",
    "-1",
    "1e400",
    "nan",
    "9223372036854775808",
    "sweep",
    "extends",
    "0.0.0",
    "a.b.c.d.e.f.g.h",
    "2024-06-01",
];

/// A text near to one of the seeds.
fn mutated(rng: &mut impl Rng) -> String {
    let mut characters: Vec<char> = SEEDS.choose(rng).unwrap().chars().collect();
    for _ in 0..rng.random_range(1..6) {
        let at = rng.random_range(0..=characters.len());
        let end = (at + rng.random_range(0..20)).min(characters.len());
        match rng.random_range(0..4) {
            0 => drop(characters.drain(at..end)),
            1 => drop(characters.splice(at..end, PIECES.choose(rng).unwrap().chars())),
            2 => {
                let copied = characters[at..end].to_vec();
                characters.splice(at..at, copied);
            }
            _ => drop(characters.splice(at..at, PIECES.choose(rng).unwrap().chars())),
        }
    }
    characters.into_iter().collect()
}

/// Any characters, many of them troublesome.
fn noise(rng: &mut impl Rng, length: usize) -> String {
    let one = |rng: &mut _| match Rng::next_u32(rng) % 4 {
        0 => char::from(RngExt::random_range(rng, 0..0x80_u8)),
        1 => *['\n', '\r', '"', '\'', '\\', '#', '=', '\u{1b}', '\u{7f}', '\u{85}', '\u{2028}'].choose(rng).unwrap(),
        2 => *['é', '漢', '\u{202e}', '\u{feff}', '😀', ' ', '\t'].choose(rng).unwrap(),
        _ => char::from(RngExt::random_range(rng, b'a'..=b'z')),
    };
    (0..length).map(|_| one(rng)).filter(|&character| character != '\0').collect()
}

#[test]
fn mutated_specs_and_options_resolve_or_give_one_message() {
    let options = [
        "experiment.name",
        "train.epochs",
        "explain.reference",
        "explain.composite.0",
        "sweep",
        "sweep.0.grid",
        "model.conv_filters.3",
        "a.b",
        "",
        ".",
        "extends",
        "explain.smooth",
    ];
    let mut resolved = 0;
    for index in 0..3000 {
        let mut rng = stream(11, "mutated specs", index);
        let text = mutated(&mut rng);
        let sets: Vec<String> = (0..rng.random_range(0..3))
            .map(|_| {
                let value = match rng.random_range(0..3) {
                    0 => (*PIECES.choose(&mut rng).unwrap()).to_owned(),
                    1 => noise(&mut rng, 12),
                    _ => "{ 'train.epochs' = [1, 2] }".to_owned(),
                };
                format!("{}={value}", options.choose(&mut rng).unwrap())
            })
            .collect();
        match resolve(&text, &[], &sets) {
            Ok(spec) => {
                survives(&spec);
                resolved += 1;
            }
            Err(error) => assert!(!said(Err(error)).is_empty()),
        }
    }
    assert!(resolved > 100, "{resolved} of the texts were specs");
}

#[test]
fn any_text_survives_in_the_resolved_spec_with_any_file_name() {
    for index in 0..400 {
        let mut rng = stream(12, "texts", index);
        let text = noise(&mut rng, 40);
        let name = format!("{}.toml", noise(&mut rng, 10));
        let spec = format!("[experiment]\nname = 'x'\ndescription = {}\n", toml::Value::String(text.clone()));
        let resolved = ResolvedSpec::from_file(SourceFile::new(Path::new(&name), spec), &[], &[], None).unwrap();
        assert_eq!(resolved.spec.experiment.description, text);
        survives(&resolved);
        let option = format!("experiment.description=\u{1}{text}\u{1}");
        let resolved = resolve("", &[], &[option]).unwrap();
        assert_eq!(resolved.spec.experiment.description, format!("\u{1}{text}\u{1}"));
        survives(&resolved);
    }
    let option = "experiment.description=x\nsecond = \"line\"".to_owned();
    let resolved = resolve("", &[], &[option]).unwrap();
    assert_eq!(resolved.spec.experiment.description, "x\nsecond = \"line\"");
    survives(&resolved);
}

#[test]
fn what_is_nested_or_long_beyond_measure_gives_one_message() {
    let deep = 10_000;
    let key = vec!["a"; deep].join(".");
    let texts = [
        format!("{key} = 1"),
        format!("[{key}]\nb = 1"),
        format!("[[{key}]]\nb = 1"),
        format!("x = {}{}", "[".repeat(deep), "]".repeat(deep)),
        format!("x = {}1{}", "{ a = ".repeat(deep), "}".repeat(deep)),
        format!("x = {}", "{ a = [".repeat(deep)),
        format!("{} = 1", "a".repeat(1_000_000)),
        format!("[train]\n{}epochs = -1", " ".repeat(70_000)),
        format!("[train]\nepochs = {}", "9".repeat(1_000_000)),
        format!("[train]\nkeep = \"{}\"", "漢".repeat(100_000)),
        format!("[experiment]\nname = \"{}\"", "\\n".repeat(100_000)),
        format!("x = [{}]", "1,".repeat(200_000)),
        "\u{feff}[train]\r\nepochs = 0\r\n".into(),
        format!("[[sweep]]\ngrid = {{ '{key}' = [1] }}"),
        format!("[[sweep]]\ngrid = {{ {key} = [1] }}"),
        "[[sweep]]\nseeds = 9223372036854775807".into(),
        "[data]\nseed = 9223372036854775806\n[[sweep]]\nseeds = 3".into(),
        "[[sweep]]\nrandom = { n = 9223372036854775807, ranges = { 'train.epochs' = { low = 1, high = 2 } } }".into(),
        format!(
            "[[sweep]]\ngrid = {{ {} }}",
            (0..60).map(|k| format!("'a{k}' = [1, 2]")).collect::<Vec<_>>().join(", ")
        ),
    ];
    for text in texts {
        let said = said(resolve(&text, &[], &[]));
        assert!(!said.is_empty(), "{}", &text[..60.min(text.len())]);
    }
    for option in [
        format!("{key}=1"),
        format!("{}=1", "a.".repeat(deep)),
        format!("explain.composite={}", "[".repeat(deep)),
        format!("explain.reference={}", "{ a = ".repeat(deep)),
        format!("train.epochs={}", "9".repeat(100_000)),
        format!("{}=1", "x".repeat(100_000)),
        "x".repeat(100_000),
        format!("experiment.name={}", "\u{1b}".repeat(100_000)),
    ] {
        assert!(!said(resolve("", &[], std::slice::from_ref(&option))).is_empty());
        let (name, value) = option.split_once('=').unwrap_or((&option, ""));
        let variable = format!("XDLREG_{}__B", name.to_uppercase().replace('.', "__"));
        let _ = said(resolve("", &[(&variable, value)], &[]));
    }
}

#[test]
fn places_are_told_in_lines_and_characters() {
    for (text, place) in [
        ("[train]\r\nepochs = -1\r\n", "spec.toml:2:10"),
        ("\u{feff}[train]\nepochs = -1\n", "spec.toml:2:10"),
        ("[train]\n\tepochs =\t-1\n", "spec.toml:2:11"),
        ("# 漢字\n[train]\nkeep = \"漢\"\nepochs = -1", "spec.toml:4:10"),
    ] {
        let said = said(resolve(text, &[], &[]));
        assert!(said.contains(place), "{text:?}: {said}");
    }
    let far = format!("train = {{ {}epochs = -1 }}", " ".repeat(65_536));
    assert!(said(resolve(&far, &[], &[])).contains("spec.toml:1:65556"));
}
