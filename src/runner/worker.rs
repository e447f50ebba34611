//! A worker process, seen from the runner.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::Sender;

use super::protocol::{Reply, Request};
use crate::error::{Error, Result};
use crate::spec::Device;

const PROGRAM: &str = "xdlreg-worker";

/// What the runner hears of a worker.
#[derive(Debug)]
pub enum Heard {
    Reply(Reply),
    /// A line that is no reply; workers do not write such.
    Garbled(String),
    /// Its output has ended: it exited or was killed.
    Closed,
}

/// A running worker.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    requests: Option<ChildStdin>,
    log: PathBuf,
}

impl Worker {
    /// Starts a worker whose replies arrive in `heard` under `id`. What it prints to standard error goes to `log`.
    pub fn start(id: usize, device: Device, threads: usize, log: &Path, heard: Sender<(usize, Heard)>) -> Result<Self> {
        let program = find_worker()?;
        let errors = File::options().create(true).append(true).open(log).map_err(|e| Error::io("write", log, &e))?;
        let mut command = Command::new(&program);
        command
            .args(["--device", &device.to_string(), "--threads", &threads.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors);
        // A group of its own, so that Ctrl-C reaches the runner alone, which then ends its workers.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(|error| Error::io("start", &program, &error))?;
        let requests = child.stdin.take();
        let replies = child.stdout.take().expect("standard output is piped");
        std::thread::spawn(move || {
            for line in BufReader::new(replies).lines() {
                let Ok(line) = line else { break };
                let message = match serde_json::from_str(&line) {
                    Ok(reply) => Heard::Reply(reply),
                    Err(_) => Heard::Garbled(line),
                };
                if heard.send((id, message)).is_err() {
                    return;
                }
            }
            let _ = heard.send((id, Heard::Closed));
        });
        Ok(Self { child, requests, log: log.to_owned() })
    }

    pub fn send(&mut self, request: &Request) -> io::Result<()> {
        let pipe = self.requests.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        pipe.write_all(&line)?;
        pipe.flush()
    }

    /// Ends the worker, whatever it is doing.
    pub fn kill(&mut self) {
        // An error means that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Why a worker is gone: how it exited and its last words.
    pub fn epitaph(&mut self) -> String {
        let status = match self.child.wait() {
            Ok(status) => describe(status),
            Err(error) => format!("was lost ({error})"),
        };
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        match log.lines().rev().find(|line| !line.trim().is_empty()) {
            Some(words) => format!("the worker {status}; its last words: {}", words.trim()),
            None => format!("the worker {status}"),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Closing its input lets an idle worker end by itself.
        drop(self.requests.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
fn describe(status: std::process::ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (_, Some(9)) => "was killed (signal 9; out of memory?)".into(),
        (_, Some(signal)) => format!("died of signal {signal}"),
        (Some(code), _) => format!("exited with code {code}"),
        (None, None) => "ended".into(),
    }
}

#[cfg(not(unix))]
fn describe(status: std::process::ExitStatus) -> String {
    format!("ended ({status})")
}

/// The worker's program: $XDLREG_WORKER, else beside this program, else on the PATH.
fn find_worker() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("XDLREG_WORKER") {
        return Ok(path.into());
    }
    let name = format!("{PROGRAM}{}", std::env::consts::EXE_SUFFIX);
    let own = std::env::current_exe().unwrap_or_default();
    // Tests and examples lie one folder below the programs that they use.
    let beside = own.ancestors().skip(1).take(2).map(|folder| folder.join(&name));
    let path = std::env::var_os("PATH").unwrap_or_default();
    beside.chain(std::env::split_paths(&path).map(|folder| folder.join(&name))).find(|path| path.is_file()).ok_or_else(
        || {
            Error::failed(
                format!("cannot find the program {PROGRAM}"),
                "run `make build` or `make install`, or name it in the environment variable XDLREG_WORKER",
            )
        },
    )
}
