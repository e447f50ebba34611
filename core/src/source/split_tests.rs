use std::collections::HashSet;

use super::*;

fn settings(text: &str) -> SplitSettings {
    toml::from_str(text).unwrap()
}

/// Rows in groups of very different sizes, whose targets grow with the group.
fn families() -> (Vec<f32>, Vec<String>) {
    let sizes = [1, 1, 2, 3, 1, 9, 4, 1, 1, 2, 6, 2, 1, 3, 2, 5, 1, 1, 12, 2];
    let members = sizes.iter().enumerate().flat_map(|(family, &size)| (0..size).map(move |member| (family, member)));
    members.map(|(family, member)| (family as f32 + 0.1 * member as f32, format!("f{family}"))).unzip()
}

fn texts(groups: &[String]) -> Vec<&str> {
    groups.iter().map(String::as_str).collect()
}

fn parts(partition: &Partition) -> Vec<Split> {
    (0..partition.len()).map(|row| partition.of(row)).collect()
}

fn assert_together(groups: &[&str], parts: &[Split]) {
    for (row, group) in groups.iter().enumerate() {
        let first = groups.iter().position(|other| other == group).unwrap();
        assert_eq!(parts[row], parts[first], "rows {first} and {row} of {group}");
    }
}

#[test]
fn groups_stay_together_and_shares_are_met() {
    let (targets, groups) = families();
    for seed in 0..30 {
        for stratify in [false, true] {
            let settings =
                settings(&format!("train = 0.6\nvalidation = 0.2\ntest = 0.2\nseed = {seed}\nstratify = {stratify}"));
            let rows = Rows { targets: &targets, groups: Some(&texts(&groups)), folds: None };
            let partition = draw(&rows, &settings, None);
            assert_together(&texts(&groups), &parts(&partition));
            for (part, share) in [(Split::Train, 0.6), (Split::Validation, 0.2), (Split::Test, 0.2)] {
                let found = partition.samples(part).len() as f64 / targets.len() as f64;
                // The largest group has 12 of 60 rows.
                assert!((found - share).abs() <= 0.2, "{part:?} has {found} with seed {seed}");
            }
            assert_eq!(partition, draw(&rows, &settings, None), "the same seed gives the same parts");
        }
    }
    let of = |seed: u64| {
        let rows = Rows { targets: &targets, groups: Some(&texts(&groups)), folds: None };
        draw(&rows, &settings(&format!("seed = {seed}\nstratify = true")), None)
    };
    assert!((1..9).any(|seed| of(seed) != of(0)), "another seed gives other parts");
}

#[test]
fn every_row_is_tested_once() {
    let (targets, groups) = families();
    let names = texts(&groups);
    for (groups, stratify) in [(None, false), (None, true), (Some(&names[..]), false), (Some(&names[..]), true)] {
        let rows = Rows { targets: &targets, groups, folds: None };
        let settings = settings(&format!("validation = 0.15\nstratify = {stratify}"));
        let mut tested = vec![0; targets.len()];
        let mut sizes = Vec::new();
        for fold in 0..4 {
            let partition = draw(&rows, &settings, Some(Fold { count: 4, tested: fold }));
            let test = partition.samples(Split::Test);
            sizes.push(test.len());
            test.iter().for_each(|&row| tested[row] += 1);
            groups.iter().for_each(|groups| assert_together(groups, &parts(&partition)));
            let validation = partition.samples(Split::Validation).len();
            assert!(validation > 0 && validation < 22, "{validation} rows validate");
        }
        assert!(tested.iter().all(|&times| times == 1), "{tested:?}");
        // The largest group has 12 rows.
        let most = if groups.is_some() { 12 } else { 1 };
        let spread = sizes.iter().max().unwrap() - sizes.iter().min().unwrap();
        assert!(spread <= most, "folds of {sizes:?} rows");
    }
}

/// What a stratified draw is for: means of parts differ less than by chance, and hardly for many rows.
#[test]
fn stratified_parts_have_the_same_distribution() {
    let targets: Vec<f32> = (0..400).map(|row| ((row * 37 % 400) as f32 / 40.0).exp()).collect();
    let mean = |rows: &[usize]| rows.iter().map(|&row| f64::from(targets[row])).sum::<f64>() / rows.len() as f64;
    let all = mean(&(0..400).collect::<Vec<_>>());
    let off = |stratify: bool, fold: Option<Fold>, part: Split| {
        let apart = (0..20).map(|seed| {
            let rows = Rows { targets: &targets, groups: None, folds: None };
            let partition = draw(&rows, &settings(&format!("seed = {seed}\nstratify = {stratify}")), fold);
            (mean(&partition.samples(part)) / all - 1.0).abs()
        });
        apart.sum::<f64>() / 20.0
    };
    for part in [Split::Validation, Split::Test] {
        let (with, without) = (off(true, None, part), off(false, None, part));
        assert!(with < 0.5 * without && with < 0.1, "{part:?}: {with} and {without}");
    }
    let fold = Some(Fold { count: 5, tested: 3 });
    assert!(off(true, fold, Split::Test) < 0.03, "{}", off(true, fold, Split::Test));
}

#[test]
fn folds_that_a_column_names_are_taken() {
    let targets = [1.0; 12];
    let named: Vec<usize> = (0..12).map(|row| row % 3).collect();
    let rows = Rows { targets: &targets, groups: None, folds: Some(&named) };
    for tested in 0..3 {
        let partition = draw(&rows, &settings("validation = 0.25"), Some(Fold { count: 3, tested }));
        let expected: HashSet<usize> = (0..12).filter(|row| row % 3 == tested).collect();
        assert_eq!(partition.samples(Split::Test).into_iter().collect::<HashSet<_>>(), expected);
        assert_eq!(partition.samples(Split::Validation).len(), 3);
    }
}

/// Parts of earlier versions stay, to the row: their keys are in stores.
#[test]
fn a_plain_draw_is_that_of_earlier_versions() {
    let targets = [0.0; 10];
    let rows = Rows { targets: &targets, groups: None, folds: None };
    let partition = draw(&rows, &settings("train = 0.5\nvalidation = 0.2\ntest = 0.3\nseed = 7"), None);
    let names: Vec<&str> = parts(&partition).into_iter().map(Split::name).collect();
    assert_eq!(names.iter().filter(|name| **name == "train").count(), 5);
    assert_eq!(names.join(" "), PLAIN);
}

const PLAIN: &str = "test test train train train validation validation train train test";

#[test]
fn folds_out_of_range_are_refused() {
    let told = |folds, fold| validate_folds(folds, fold).into_iter().map(|invalid| invalid.message).collect::<Vec<_>>();
    assert!(told(Some(5), Some(4)).is_empty() && told(None, None).is_empty());
    assert_eq!(told(Some(1), None), ["data.folds must be from 2 to 1000, got 1"]);
    assert_eq!(told(Some(5), Some(5)), ["data.fold must be from 0 to 4, got 5"]);
    assert_eq!(told(None, Some(0)).len(), 1);
    let split = settings("train = 0.5\ncolumn = 'a'\nstratify = true");
    let keys: Vec<String> = split.validate(true).into_iter().map(|invalid| invalid.key).collect();
    assert_eq!(keys, ["data.split.train", "data.split.stratify"]);
}
