//! `xdlreg-worker`, as the runner talks to it: JSON lines in, JSON lines out.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

struct Worker {
    process: Child,
    requests: ChildStdin,
    replies: BufReader<ChildStdout>,
}

impl Worker {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xdlreg-worker"));
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("the worker starts");
        let requests = process.stdin.take().expect("its input is piped");
        let replies = BufReader::new(process.stdout.take().expect("its output is piped"));
        Self { process, requests, replies }
    }

    fn ask(&mut self, request: &Value) {
        writeln!(self.requests, "{request}").expect("the worker listens");
    }

    /// The next reply that is not about progress, or that the work goes on.
    fn reply(&mut self) -> Value {
        loop {
            let mut line = String::new();
            self.replies.read_line(&mut line).expect("the worker talks");
            let reply: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
            if reply["reply"] != "progress" && reply["reply"] != "alive" {
                return reply;
            }
        }
    }

    /// Ends its input. Returns its exit code and what it still says.
    fn end(mut self) -> (Option<i32>, Vec<String>) {
        drop(self.requests);
        let rest = self.replies.lines().map(|line| line.expect("a line")).collect();
        (self.process.wait().expect("it ends").code(), rest)
    }
}

fn explain(weights: &str, out: &str) -> Value {
    json!({ "request": "explain_files", "network": { "weights": weights }, "images": "nowhere.npy", "compute": "cpu", "out": out,
            "explain": { "analyzer": "lrp.epsilon" } })
}

#[test]
fn a_worker_says_where_it_computes_and_ends_with_its_input() {
    let mut worker = Worker::start(&["--device", "cpu"]);
    let ready = worker.reply();
    assert_eq!((&ready["reply"], &ready["compute"]), (&json!("ready"), &json!("cpu")));
    assert_eq!(ready["libtorch"], "2.11.0");
    assert_eq!(worker.end(), (Some(0), vec![]));
}

#[test]
fn a_worker_survives_requests_that_it_cannot_fulfil() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("maps.npy").display().to_string();
    let mut worker = Worker::start(&["--device", "cpu"]);
    worker.reply();
    for _ in 0..2 {
        worker.ask(&explain("nowhere.safetensors", &out));
        let failed = worker.reply();
        assert_eq!(failed["reply"], "failed");
        assert!(failed["reason"].as_str().is_some_and(|reason| reason.contains("nowhere.safetensors")), "{failed}");
    }
    assert_eq!(worker.end().0, Some(0));
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0);
}

#[test]
fn whatever_a_worker_is_asked_it_answers_once_and_goes_on() {
    let mut worker = Worker::start(&["--device", "cpu"]);
    worker.reply();
    let odd: [&[u8]; 8] =
        [b"", b"no json", b"\xff\xfe", b"null", b"{}", b"{\"request\":\"unheard_of\"}", b"[[[[", &[b'x'; 3 << 20]];
    for line in odd {
        worker.requests.write_all(&[line, b"\n"].concat()).expect("the worker listens");
        let failed = worker.reply();
        assert_eq!(failed["reply"], "failed");
        assert!(failed["reason"].as_str().is_some_and(|reason| reason.contains("cannot be understood")), "{failed}");
    }
    worker.ask(&explain("nowhere.safetensors", "maps.npy"));
    let failed = worker.reply();
    assert!(failed["reason"].as_str().is_some_and(|reason| reason.contains("nowhere.safetensors")), "{failed}");
    assert_eq!(worker.end(), (Some(0), vec![]));
}

#[test]
fn a_worker_carries_a_stage_out_and_finds_it_done_the_second_time() {
    let store = tempfile::tempdir().expect("a folder");
    let data = json!({ "n_samples": 100, "distribution": "uniform", "skew_factor": 0.8, "growth_mode": "human",
                       "min_age": 20, "max_age": 80, "seed": 0 });
    let request = json!({ "request": "stage", "job": { "stage": "simulate", "data": data }, "store": store.path() });
    let mut worker = Worker::start(&["--device", "cpu", "--threads", "2"]);
    worker.reply();
    worker.ask(&request);
    assert_eq!((worker.reply()["reply"].clone(), worker.reply()["reply"].clone()), (json!("started"), json!("done")));
    worker.ask(&request);
    assert_eq!(worker.reply()["reply"], "found");
    assert_eq!(worker.end().0, Some(0));
    let entries = std::fs::read_dir(store.path().join("simulate")).expect("entries").count();
    assert_eq!(entries, 1);
}

#[test]
fn a_device_that_is_not_there_is_refused() {
    // No machine has so many of them.
    let mut worker = Worker::start(&["--device", "cuda:4096"]);
    assert_eq!(worker.reply()["reply"], "no_device");
    assert_eq!(worker.end(), (Some(0), vec![]));
}
