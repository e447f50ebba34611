//! On a terminal: nothing wraps, whatever its width, and it may go away.

use std::process::Command;

use crate::harness::{Ended, Scene, TINY, programs};

/// Runs a program on a terminal of its own of some columns, and writes what it shows. With a third argument the terminal goes
/// away as soon as that was shown. Ends with the program's exit code.
const PTY: &str = r#"
import fcntl, os, pty, struct, sys, termios
columns, until, program = int(sys.argv[1]), sys.argv[2].encode(), sys.argv[3:]
child, terminal = pty.fork()
if child == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    os.execvp(program[0], program)
shown = b""
while True:
    try:
        part = os.read(terminal, 65536)
    except OSError:
        break
    if not part:
        break
    shown += part
    if until and until in shown:
        os.close(terminal)
        break
sys.stdout.buffer.write(shown)
sys.stdout.flush()
_, status = os.waitpid(child, 0)
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
"#;

fn on_terminal(scene: &Scene, columns: usize, until: &str, arguments: &str) -> Ended {
    let scene_python = scene.prepare(Command::new("python3"));
    let mut python = scene_python;
    python.env("TERM", "xterm-256color").args(["-c", PTY, &columns.to_string(), until]);
    Ended::of(python.arg(programs().join("xdlreg-run")).args(arguments.split_whitespace()))
}

/// What a terminal shows, line by line: without the sequences that move the cursor or colour.
fn lines(shown: &str) -> Vec<String> {
    let mut text = String::new();
    let mut characters = shown.chars();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => {
                assert_eq!(characters.next(), Some('['), "a sequence that is not ours");
                let end = characters.by_ref().find(|c| c.is_ascii_alphabetic()).expect("it ends");
                assert!("mABCDKJhl".contains(end), "{end}");
            }
            '\r' => text.push('\n'),
            character => text.push(character),
        }
    }
    text.lines().map(str::to_owned).collect()
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let sweep = "[[sweep]]\ngrid = { 'explain.analyzer' = ['lrp.sequential_preset_a_flat', 'lrp.epsilon'] }\nseeds = 2\n\
                 [[sweep]]\nlist = [{ 'train.learning_rate' = 1e6, 'train.epochs' = 3 }]\n";
    for columns in [40, 80, 120, 200] {
        let scene =
            Scene::with_spec(&format!("[experiment]\nname = 'a-rather-long-name-of-an-experiment'\n{TINY}\n{sweep}"));
        let ended = on_terminal(&scene, columns, "", "spec.toml");
        let shown = lines(&ended.stdout);
        // Paths stay in one piece.
        let is_path = |line: &str| ["tables:", "heatmaps:", "report:"].iter().any(|name| line.starts_with(name));
        for line in shown.iter().filter(|line| !is_path(line)) {
            assert!(line.chars().count() < columns, "{columns} columns: {line:?}");
        }
        let text = shown.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
        // Of a narrow terminal's bars only the beginning is there.
        let narrow = columns == 40;
        assert!(text.contains("stages") && text.contains("simulate"), "there are bars: {text}");
        assert!(narrow || text.contains("[==") && text.contains("validation mae"), "they tell how far it is: {text}");
        let settings = shown.iter().filter(|line| line.starts_with("lrp.")).count();
        assert_eq!(settings, 3, "a line a setting: {text}");
        assert!(text.contains("invalid: train: training diverged"), "{text}");
        for verb in ["status results/a-rather-long-name-of-an-experiment", "plan spec.toml"] {
            let ended = on_terminal(&scene, columns, "", verb).succeeds();
            assert!(lines(&ended.stdout).len() > 1);
        }
    }
}

#[test]
fn a_terminal_that_goes_away_does_not_stop_an_experiment() {
    let scene = Scene::with_spec(&TINY.replace("epochs = 1", "epochs = 10"));
    on_terminal(&scene, 80, "train", "spec.toml").exits(0);
    let status = scene.run("status results/spec").succeeds().stdout;
    assert!(status.contains("finished") && status.contains("1 done"), "{status}");
    assert!(scene.results("spec").path("report.html").exists());
}

#[test]
fn colours_are_for_terminals() {
    let scene = Scene::new();
    let colored = on_terminal(&scene, 80, "", "nowhere.toml").exits(2).stdout;
    assert!(colored.contains("\u{1b}["), "{colored:?}");
    assert!(!scene.run("nowhere.toml").exits(2).stderr.contains('\u{1b}'));
    assert!(!lines(&on_terminal(&scene, 80, "", "--no-such-flag").exits(2).stdout).is_empty());
}
