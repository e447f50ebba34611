//! Disks that are full, folders that cannot be written, permissions that are lost midway: one message, and the same results
//! once that is mended.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use rand::RngExt;

use crate::harness::{Ended, Results, Scene, assert_no_leftovers, assert_same_tables, programs};
use crate::soak::{Budget, QUICK, Random};
use crate::tree;

/// An undisturbed run of [`QUICK`], and how many bytes it takes.
fn undisturbed() -> &'static (Scene, u64) {
    static UNDISTURBED: OnceLock<(Scene, u64)> = OnceLock::new();
    UNDISTURBED.get_or_init(|| {
        let scene = Scene::with_spec(QUICK);
        scene.run("spec.toml").succeeds();
        let folder = scene.path("results");
        let bytes =
            tree::files(&folder).iter().map(|name| fs::metadata(folder.join(name)).expect("a file").len()).sum();
        (scene, bytes)
    })
}

/// How a disk is made too small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    /// A file system of so many bytes, in a mount namespace of its own. Takes root, or user namespaces.
    FileSystem,
    /// No file may be larger.
    FileSize,
}

/// The script that both runs are part of: limited, then not.
fn script(limit: Limit, bytes: u64) -> String {
    let program = programs().join("xdlreg-run");
    let run = format!("'{}' spec.toml", program.display());
    match limit {
        Limit::FileSystem => format!(
            "mkdir results && mount -t tmpfs -o size={bytes} tmpfs results || exit 77
            {run} >first.txt 2>&1; echo $? >first.code
            cp -a results/spec limited 2>/dev/null
            mount -o remount,size=1g results || exit 77
            {run} >second.txt 2>&1; echo $? >second.code
            cp -a results kept"
        ),
        // A program that ignores the signal gets an error instead, as on a full disk.
        Limit::FileSize => format!(
            "(trap '' XFSZ; ulimit -f {}; {run} >first.txt 2>&1; echo $? >first.code)
            cp -a results/spec limited 2>/dev/null
            {run} >second.txt 2>&1; echo $? >second.code
            cp -a results kept",
            bytes.div_ceil(512)
        ),
    }
}

/// A command in a mount namespace of its own, where this system lets one have that.
fn unshared() -> Option<Command> {
    let ways: [&[&str]; 2] = [&["-m"], &["-rm"]];
    ways.into_iter().find_map(|way| {
        let mut probe = Command::new("unshare");
        let mounts = "mount -t tmpfs -o size=64k tmpfs /mnt";
        let works =
            probe.args(way).args(["sh", "-c", mounts]).stderr(Stdio::null()).status().is_ok_and(|it| it.success());
        works.then(|| {
            let mut command = Command::new("unshare");
            command.args(way);
            command
        })
    })
}

/// A run on a disk of so many bytes, and the same command again on one that is large enough. Whether the first failed.
fn fill_up(limit: Limit, bytes: u64) -> bool {
    let scene = Scene::with_spec(QUICK);
    let shell = match limit {
        Limit::FileSystem => unshared().expect("looked for before"),
        Limit::FileSize => Command::new("env"),
    };
    let mut shell = scene.prepare(shell);
    Ended::of(shell.args(["sh", "-c", &script(limit, bytes)])).succeeds();
    let read = |name: &str| fs::read_to_string(scene.path(name)).expect("what was said");
    let (first, second) = (read("first.txt"), read("second.txt"));
    let what = format!("{limit:?} of {bytes} bytes\n{first}\n{second}");
    let code = read("first.code");
    assert!(["0\n", "1\n"].contains(&code.as_str()), "exit code {code}\n{what}");
    assert!(!first.contains("panicked") && !second.contains("panicked"), "{what}");
    let failed = code == "1\n";
    assert!(!failed || ["No space left", "File too large"].iter().any(|reason| first.contains(reason)), "{what}");
    // Whatever table is there can be read.
    let limited = Results { folder: scene.path("limited") };
    for table in tree::files(&limited.folder).iter().filter_map(|name| name.strip_suffix(".parquet")) {
        limited.table(table);
    }
    assert_eq!(read("second.code"), "0\n", "{what}");
    assert_as_undisturbed(&scene.path("kept"));
    failed
}

#[track_caller]
fn assert_as_undisturbed(output: &Path) {
    let (scene, _) = undisturbed();
    let (one, other) = (scene.results("spec"), Results { folder: output.join("spec") });
    assert_same_tables(&one, &other);
    assert_no_leftovers(output);
    let heatmaps = |results: &Results| tree::photograph(&results.path("heatmaps")).into_values().collect::<Vec<_>>();
    assert_eq!(heatmaps(&one), heatmaps(&other));
}

/// A size between nothing and somewhat more than enough, all orders of magnitude alike.
fn size(random: &mut Random) -> u64 {
    let (_, enough) = undisturbed();
    let (least, most) = (4096.0_f64.ln(), (*enough as f64 * 1.5).ln());
    (least + random.random::<f64>() * (most - least)).exp() as u64
}

/// Whether a run was stopped by the disk.
fn round(random: &mut Random) -> bool {
    let limit = if unshared().is_some() { Limit::FileSystem } else { Limit::FileSize };
    fill_up(limit, size(random))
}

#[test]
fn a_full_disk_is_told_and_the_next_run_mends_all() {
    let limit = if unshared().is_some() { Limit::FileSystem } else { Limit::FileSize };
    assert!(fill_up(limit, 200_000), "so little is not enough");
    assert!(fill_up(Limit::FileSize, 100_000), "images take more");
}

#[test]
#[ignore = "part of make soak"]
fn soak_full_disks() {
    let budget = Budget::soak("full disks", 50);
    let mut failed = 0;
    let rounds = budget.each(|_, random| failed += u32::from(round(random)));
    let way = if unshared().is_some() { "a file system of its own each" } else { "the largest size of a file" };
    budget.tell(&format!("{rounds} sizes ({way}), {failed} of them too small"));
}

#[test]
fn a_folder_that_cannot_be_written_is_told_and_can_be_looked_at() {
    let Some(shell) = unshared() else {
        panic!("this test needs root or user namespaces, to mount a folder so that it cannot be written");
    };
    let scene = Scene::with_spec(QUICK);
    scene.run("spec.toml").succeeds();
    let before = tree::photograph(&scene.path("results"));
    let run = scene.results("spec").run_id();
    let program = programs().join("xdlreg-run");
    let commands = [
        ("status results/spec", "0"),
        (&format!("logs results/spec {run}"), "0"),
        (&format!("why results/spec {run}"), "0"),
        (&format!("compare results/spec {run} {run}"), "0"),
        ("plan spec.toml", "0"),
        ("clean results --orphans --dry-run", "0"),
        ("report results/spec", "1"),
        ("spec.toml --set model.seed=1", "2"),
        ("simulate --n 1 --out results/set.npz", "2"),
    ];
    let mut script = "mount --bind results results && mount -o remount,ro,bind results || exit 77\n".to_owned();
    for (number, (command, _)) in commands.iter().enumerate() {
        script += &format!("'{}' {command} >said{number} 2>&1; echo $? >code{number}\n", program.display());
    }
    let mut shell = scene.prepare(shell);
    Ended::of(shell.args(["sh", "-c", &script])).succeeds();
    for (number, (command, code)) in commands.iter().enumerate() {
        let read = |name: &str| fs::read_to_string(scene.path(&format!("{name}{number}"))).expect("it was run");
        assert_eq!(read("code").trim(), *code, "{command}\n{}", read("said"));
        let told = read("said").contains("Read-only file system");
        assert!(*code == "0" || told, "{command}\n{}", read("said"));
    }
    tree::assert_unchanged(&before, &tree::photograph(&scene.path("results")), "nothing could be written");
}

/// Runs a program so that permissions bind it, also where it is root.
fn bound(scene: &Scene) -> Command {
    let mut command = scene.prepare(Command::new("setpriv"));
    let id = Command::new("id").arg("-u").output().expect("id is there");
    if id.stdout == b"0\n" {
        command.args(["--bounding-set", "-dac_override,-dac_read_search"]);
    }
    command.arg(programs().join("xdlreg-run"));
    command
}

fn permit(path: &Path, mode: &str) {
    assert!(Command::new("chmod").arg(mode).arg(path).status().expect("chmod is there").success());
}

/// Takes the permission to write a folder, or to read it, while an experiment runs; whether that stopped it.
fn lose(folder: &str, mode: &str) -> bool {
    let long = QUICK.replace("epochs = 1", "epochs = 8");
    let scene = Scene::with_spec(&format!("{long}\n[[sweep]]\nseeds = 2\n"));
    let results = scene.results("spec");
    let mut command = bound(&scene);
    command.args(["spec.toml", "--jobs", "1"]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut running = command.spawn().expect("it starts");
    results.wait_for(|event| event["event"] == "epoch_finished");
    let folder = scene.path(folder);
    // The folder of a stage comes with its first result.
    while !folder.is_dir() {
        assert!(running.try_wait().expect("a child").is_none(), "there never was a {}", folder.display());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    permit(&folder, mode);
    let ended = running.wait_with_output().expect("it ends");
    permit(&folder, "755");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    let what = format!("{} {mode}\n{said}", folder.display());
    assert!(matches!(ended.status.code(), Some(0 | 1)), "{:?}\n{what}", ended.status);
    assert!(!said.contains("panicked"), "{what}");
    let failed = ended.status.code() == Some(1);
    assert!(!failed || said.contains("Permission denied"), "{what}");
    Ended::of(bound(&scene).arg("spec.toml")).succeeds();
    scene.run("spec.toml --output undisturbed").succeeds();
    assert_same_tables(&Results { folder: scene.path("undisturbed/spec") }, &results);
    assert_no_leftovers(&scene.path("results"));
    failed
}

const LOST: [(&str, &str); 8] = [
    ("results/.store", "555"),
    ("results/.store/tmp", "555"),
    ("results/.store/train", "000"),
    ("results/.store/scratch", "555"),
    ("results/.store/claims", "000"),
    ("results/spec", "555"),
    ("results/spec/logs", "000"),
    ("results", "555"),
];

#[test]
fn permissions_that_are_lost_midway_are_told_and_the_next_run_mends_all() {
    assert!(lose("results/.store/tmp", "555"), "without drafts there is no result");
}

#[test]
#[ignore = "part of make soak"]
fn soak_lost_permissions() {
    let budget = Budget::soak("lost permissions", LOST.len() as u64);
    let mut failed = 0;
    let rounds = budget.each(|number, _| {
        let (folder, mode) = LOST[number as usize % LOST.len()];
        failed += u32::from(lose(folder, mode));
    });
    budget.tell(&format!("{rounds} folders, {failed} of which stopped the experiment"));
}
