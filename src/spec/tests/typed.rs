//! Values as people type them.

use super::{resolve, said, set, survives};
use crate::explain::Reference;
use crate::net::OutputBias;
use crate::spec::{ResolvedSpec, Workers};

#[track_caller]
fn taken(text: &str, option: &str) -> ResolvedSpec {
    set(text, option).unwrap_or_else(|error| panic!("{option}: {}", error.render(false)))
}

#[test]
fn a_key_that_holds_text_takes_it_as_typed() {
    for text in [
        "2024-06-01",
        "20240601",
        "1_1_1",
        "07",
        "nan",
        "true",
        "12:30:00",
        "1e3",
        "[x]",
        "{a",
        "a=b",
        "#1",
        "it's",
        "\"x",
    ] {
        let by_option = taken("", &format!("experiment.name={text}"));
        assert_eq!(by_option.spec.experiment.name, text);
        let by_environment = resolve("", &[("XDLREG_EXPERIMENT__NAME", text)], &[]).unwrap();
        assert_eq!(by_environment.spec.experiment.name, text);
        survives(&by_option);
    }
    assert_eq!(taken("", "experiment.name=\"quoted \"").spec.experiment.name, "quoted ");
    assert_eq!(taken("", "experiment.name = spaces ").spec.experiment.name, "spaces");
    assert_eq!(taken("", "explain.analyzer=lrp.z").spec.explain.analyzer.name(), "lrp.z");
}

#[test]
fn numbers_and_truth_values_of_other_languages_are_taken() {
    for (text, rate) in [
        (".001", 1e-3),
        ("1.", 1.0),
        ("1E-3", 1e-3),
        ("+1e-3", 1e-3),
        ("+.5", 0.5),
        (" 0.1 ", 0.1),
        ("1_0.5", 10.5),
        ("2", 2.0),
    ] {
        assert_eq!(taken("", &format!("train.learning_rate={text}")).spec.train.learning_rate, rate, "{text}");
    }
    for (text, truth) in
        [("True", true), ("yes", true), ("ON", true), ("false", false), ("FALSE", false), ("No", false), ("off", false)]
    {
        assert_eq!(taken("", &format!("heatmaps.pointers={text}")).spec.heatmaps.pointers, truth, "{text}");
    }
    for (text, size) in [("1e1", 10), ("8.0", 8), ("+8", 8), ("1_000", 1000), ("0x10", 16)] {
        assert_eq!(taken("", &format!("train.batch_size={text}")).spec.train.batch_size, size, "{text}");
    }
    assert_eq!(taken("", "explain.reference=+50").spec.explain.reference(), Reference::Years(50.0));
    assert_eq!(taken("", "explain.reference={ flooding = 70 }").spec.explain.reference(), Reference::Flooding(70.0));
    assert_eq!(taken("", "model.output_bias=.5").spec.model.output_bias, OutputBias::Value(0.5));
    assert_eq!(taken("", "model.output_bias=zero").spec.model.output_bias, OutputBias::Zero);
    assert_eq!(taken("", "run.workers=2").spec.run.workers, Workers::Count(2));
    assert_eq!(taken("", "run.workers=auto").spec.run.workers, Workers::Auto);
}

#[test]
fn other_spellings_are_refused_with_the_right_one() {
    for (option, help) in [
        ("train.learning_rate=1_e-3", "write 0.001"),
        ("train.learning_rate=0,5", "write 0.5"),
        ("train.learning_rate=fast", "write a number"),
        ("train.learning_rate=", "found nothing"),
        ("train.batch_size=1.5", "a whole number"),
        ("train.batch_size=07", "write 7"),
        ("train.epochs=9223372036854775808", "use at most 9223372036854775807"),
        ("heatmaps.count=1 # one", "write 1 without a comment"),
        ("heatmaps.pointers=1", "true or false"),
        ("heatmaps.pointers=ja", "true or false"),
        ("evaluate.scores=[causal]", "with texts in quotes"),
        ("evaluate.scores=causal", "a list"),
        ("model.conv_filters=[1, 2, 3, 4]", "expected a list of 5 numbers, found 4"),
        ("model.conv_filters=[1, 2, 3, 4, 5, 6]", "expected a list of 5 numbers, found 6"),
        ("data.target_bias=inf", "target_bias"),
    ] {
        let said = said(set("", option));
        assert!(said.contains(help), "{option}: {said}");
        let (key, value) = option.split_once('=').unwrap();
        let variable = format!("XDLREG_{}", key.to_uppercase().replace('.', "__"));
        assert!(super::said(resolve("", &[(&variable, value)], &[])).contains(help), "{variable}={value}");
    }
}

#[test]
fn unquoted_texts_in_a_file_are_all_named_with_their_quotes() {
    let said = said(resolve("[experiment]\nname = 2024-06-01\ndescription = 1e3\noutput = true\n", &[], &[]));
    for quoted in ["name = \"2024-06-01\"", "description = \"1e3\"", "output = \"true\""] {
        assert!(said.contains(&format!("quote it: {quoted}")), "{said}");
    }
    let said = super::said(resolve("[train]\nepochs = 2024-06-01\n", &[], &[]));
    assert!(said.contains("train.epochs: expected a whole number, 0 or more, found the date 2024-06-01"), "{said}");
    let said = super::said(resolve("[[sweep]]\ngrid = { 'explain.analyzer' = [2024-06-01] }\n", &[], &[]));
    assert!(said.contains("2024-06-01"), "{said}");
}

#[test]
fn broken_values_in_a_file_are_refused_with_the_right_spelling() {
    for (line, help) in [
        ("learning_rate = .001", "write learning_rate = 0.001"),
        ("learning_rate = 1.", "write learning_rate = 1.0"),
        ("keep = best", "write keep = \"best\""),
        ("shuffled = True", "write shuffled = true"),
        ("epochs = 9223372036854775808", "use at most 9223372036854775807"),
    ] {
        let said = said(resolve(&format!("[train]\n{line}\n"), &[], &[]));
        assert!(said.contains(help), "{line}: {said}");
    }
    let said = said(resolve("[train]\nepochs = 10.0\n", &[], &[]));
    assert!(said.contains("write 10"), "{said}");
}

#[test]
fn elements_of_lists_are_set_by_their_index() {
    let base = "[explain]\nanalyzer = 'lrp'\n[[explain.composite]]\nlayer = 'conv'\nrule = 'gamma'\ngamma = 0.25\n\
                [[explain.composite]]\nlayer = 'any'\nrule = 'epsilon'\n";
    let gamma = |resolved: &ResolvedSpec| resolved.spec.explain.analyzer.options().composite.unwrap()[0].gamma;
    let by_option = taken(base, "explain.composite.0.gamma=.5");
    assert_eq!(gamma(&by_option), Some(0.5));
    survives(&by_option);
    assert_eq!(gamma(&resolve(base, &[("XDLREG_EXPLAIN__COMPOSITE__0__GAMMA", "0.5")], &[]).unwrap()), Some(0.5));
    assert_eq!(taken("", "model.conv_filters.0=8").spec.model.conv_filters, [8, 16, 32, 64, 32]);
    assert_eq!(taken("", "evaluate.scores.1=sensitivity").spec.evaluate.scores, ["faithfulness", "sensitivity"]);

    let swept = resolve(&format!("{base}[[sweep]]\ngrid = {{ 'explain.composite.0.gamma' = [0.1, 1.0] }}\n"), &[], &[]);
    let swept = swept.unwrap();
    let gammas: Vec<_> =
        swept.cells.iter().map(|cell| cell.spec.explain.analyzer.options().composite.unwrap()[0].gamma).collect();
    assert_eq!(gammas, [Some(0.1), Some(1.0)]);
    survives(&swept);
    let replicated = taken("[[sweep]]\nseeds = 2\n", "sweep.0.seeds=3");
    assert_eq!(replicated.cells.len(), 3);
    survives(&replicated);

    for (option, message) in [
        ("explain.composite.2.gamma=1", "explain.composite has 2 elements, but no element 2"),
        ("model.conv_filters.5=8", "model.conv_filters has 5 elements, but no element 5"),
        ("evaluate.scores.x=1", "evaluate.scores"),
        ("sweep.0.seeds=3", "sweep is not set to a list, so it has no element 0"),
    ] {
        let said = said(set(base, option));
        assert!(said.contains(message), "{option}: {said}");
    }
    assert!(said(set("", "explain.composite.0.gamma=1")).contains("has no element 0"));
    let outside = format!("{base}[[sweep]]\ngrid = {{ 'explain.composite.7.gamma' = [0.1, 1.0] }}\n");
    assert!(said(resolve(&outside, &[], &[])).contains("but no element 7"));
    let both = "[[sweep]]\ngrid = { 'model.conv_filters' = [[1, 1, 1, 1, 1]], 'model.conv_filters.0' = [2] }\n";
    assert!(said(resolve(both, &[], &[])).contains("is a part of model.conv_filters"));
}

#[test]
fn a_tilde_is_never_a_folder() {
    let Some(home) = std::env::var("HOME").ok().filter(|home| !home.is_empty()) else { panic!("a test needs a HOME") };
    let expected = format!("{}/xdl", home.trim_end_matches('/'));
    for resolved in [
        resolve("[experiment]\noutput = '~/xdl'\n", &[], &[]),
        resolve("", &[("XDLREG_EXPERIMENT__OUTPUT", "~/xdl")], &[]),
        set("", "experiment.output=~/xdl"),
    ] {
        let resolved = resolved.unwrap();
        assert_eq!(resolved.spec.experiment.output, expected);
        assert_eq!(resolved.cells[0].spec.experiment.output, expected);
        survives(&resolved);
    }
    assert!(said(set("", "experiment.output=~nobody/x")).contains("~nobody is not expanded"));
    assert!(said(set("", "experiment.name=~")).contains("experiment.name"));
}
