//! A results folder that somebody prepared: links, pipes, devices and foreign names in place of every file. No command may
//! touch what lies outside, hang, or panic.

mod names;
mod places;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use crate::harness::{Scene, texts};
use crate::soak::{Budget, QUICK, Random};
use crate::tree::{self, Seen};

/// No command takes longer, whatever it meets.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks at the folder only.
const LOOKING: &[&str] = &[
    "status results/spec",
    "logs results/spec RUN",
    "why results/spec RUN",
    "compare results/spec RUN OTHER",
    "plan spec.toml",
    "clean results --orphans --dry-run",
];

/// Writes into the folder or the store.
const WRITING: &[&str] =
    &["report results/spec", "cancel results/spec", "spec.toml", "spec.toml --verify", "spec.toml --join"];

/// Removes from the store. Each follows the others on the same folder, and `spec.toml` comes last.
const CLEANING: &[&str] =
    &["clean results --orphans", "clean results --older-than 0s", "clean results --max-size 0B", "spec.toml"];

/// A finished experiment of two runs, which every case gets a copy of.
struct Finished {
    scene: Scene,
    runs: Vec<String>,
}

fn finished() -> &'static Finished {
    static FINISHED: OnceLock<Finished> = OnceLock::new();
    FINISHED.get_or_init(|| {
        let scene = Scene::with_spec(&format!("{QUICK}\n[[sweep]]\nseeds = 2\n"));
        scene.run("spec.toml").succeeds();
        scene.run("report results/spec").succeeds();
        let runs = texts(&scene.results("spec").table("runs"), "run_id");
        Finished { scene, runs }
    })
}

/// A copy of the finished experiment beside things that must survive.
struct Case {
    scene: Scene,
    before: BTreeMap<PathBuf, Seen>,
    what: String,
}

impl Case {
    fn new(what: String) -> Self {
        let scene = Scene::new();
        let origin = &finished().scene;
        tree::copy(&origin.path("spec.toml"), &scene.path("spec.toml"));
        scene.write("decoys/file.txt", "a file that must survive");
        scene.write("decoys/folder/keep.txt", "a folder that must survive");
        scene.write("decoys/folder/manifest.json", "{}");
        let mut case = Self { scene, before: BTreeMap::new(), what };
        case.restore();
        case.before = case.outside();
        case
    }

    /// Puts the experiment back as it was.
    fn restore(&self) {
        tree::copy(&finished().scene.path("results"), &self.scene.path("results"));
    }

    /// All that lies outside of the results.
    fn outside(&self) -> BTreeMap<PathBuf, Seen> {
        let results = self.scene.path("results");
        let mut seen = tree::photograph(&self.scene.path("decoys"));
        for item in std::fs::read_dir(self.scene.path(".")).expect("the scene") {
            let path = item.expect("an item").path();
            if !path.ends_with("results") && path != results {
                seen.extend(tree::photograph(&path));
            }
        }
        seen
    }

    /// Runs commands one after the other.
    fn hold(&self, commands: &[&str]) {
        for command in commands {
            let runs = &finished().runs;
            let command = command.replace("RUN", &runs[0]).replace("OTHER", &runs[1]);
            let (code, said) = self.run(&command);
            let what = format!("{}\nxdlreg-run {command}\n{said}", self.what);
            assert!(code.is_some_and(|code| [0, 1, 2, 130].contains(&code)), "exit code {code:?}\n{what}");
            assert!(!said.contains("panicked at"), "{what}");
            tree::assert_unchanged(&self.before, &self.outside(), &what);
        }
    }

    /// The exit code, and all that was said.
    fn run(&self, command: &str) -> (Option<i32>, String) {
        let mut prepared: Command = self.scene.command("xdlreg-run");
        prepared.args(command.split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = prepared.spawn().expect("xdlreg-run starts");
        let process = child.id();
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || sender.send(child.wait_with_output()));
        match receiver.recv_timeout(PATIENCE) {
            Ok(output) => {
                let output = output.expect("its output can be read");
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                (output.status.code(), text(&output.stdout) + &text(&output.stderr))
            }
            Err(_) => {
                crate::harness::signal(process, "KILL");
                panic!("{}\nxdlreg-run {command} hangs", self.what);
            }
        }
    }

    /// All commands, each group on a folder that `plant` prepares.
    fn hold_all(&self, plant: impl Fn(&Self)) {
        for commands in [LOOKING, WRITING, CLEANING] {
            self.restore();
            plant(self);
            self.hold(commands);
        }
        self.restore();
    }
}

/// Spreads the rounds over all cases.
fn case_of(number: u64, cases: usize) -> usize {
    // A large prime, so that neighbours are far apart and every case comes once.
    ((u128::from(number) * 2_147_483_647) % cases as u128) as usize
}

fn places_round(number: u64, _: &mut Random) {
    let cases = places::all();
    let (place, kind) = &cases[case_of(number, cases.len())];
    let case = Case::new(format!("{place} is {kind:?}"));
    case.hold_all(|case| places::plant(&case.scene, place, *kind));
}

fn names_round(_: u64, random: &mut Random) {
    let names = names::choose(random);
    let case = Case::new(format!("{names:?}"));
    case.hold_all(|case| names::plant(&case.scene, &names));
}

#[test]
fn planted_files_lead_nowhere() {
    Budget::small("planted files", 8).each(places_round);
}

#[test]
fn planted_names_lead_nowhere() {
    Budget::small("planted names", 8).each(names_round);
}

#[test]
#[ignore = "part of make soak"]
fn soak_planted_files() {
    let budget = Budget::soak("planted files", places::all().len() as u64);
    let rounds = budget.each(places_round);
    let commands = (LOOKING.len() + WRITING.len() + CLEANING.len()) as u64;
    budget.tell(&format!("{rounds} of {} files replaced, {} commands", places::all().len(), rounds * commands));
}

#[test]
#[ignore = "part of make soak"]
fn soak_planted_names() {
    let budget = Budget::soak("planted names", 400);
    let rounds = budget.each(names_round);
    let commands = (LOOKING.len() + WRITING.len() + CLEANING.len()) as u64;
    budget.tell(&format!("{rounds} names replaced, {} commands", rounds * commands));
}
