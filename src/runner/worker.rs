//! A worker process, seen from the runner.

use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use super::awake::AwakeClock;
use crate::device::Device;
use crate::disk;
use crate::error::{Error, Result};
use crate::protocol::{Line, next_line};
use crate::protocol::{Reply, Request};

const PROGRAM: &str = "xdlreg-worker";

/// The log of a worker whose words nobody wants.
pub const NO_LOG: &str = "/dev/null";

/// How many lines of its log tell why a worker is gone.
const LAST_WORDS: usize = 5;

/// How much of a line is quoted that is not a reply.
const QUOTED: usize = 100;

/// What the runner hears of a worker.
#[derive(Debug)]
pub enum Heard {
    Reply(Reply),
    /// How a line begins that is not a reply; workers do not write such, but libraries may.
    Garbled(String),
    /// Its output has ended: it exited or was killed.
    Closed,
}

/// Where a worker computes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerPlace {
    pub device: Device,
    /// Threads of stages whose results do not depend on it.
    pub threads: usize,
    /// The cores that it stays on; all if there are none.
    pub cores: Vec<usize>,
}

/// A running worker.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    requests: Option<ChildStdin>,
    log: PathBuf,
    /// Where the log of its present work begins.
    log_offset: u64,
    clock: AwakeClock,
    /// When it was last heard, in milliseconds of the clock.
    last_heard: Arc<AtomicU64>,
}

impl Worker {
    /// Starts a worker whose replies arrive in `heard` under `id`. What it prints to standard error goes to `log`. A worker
    /// that says more than is listened to has to wait.
    pub fn start(
        id: usize,
        place: &WorkerPlace,
        log: &Path,
        heard: SyncSender<(usize, Heard)>,
        clock: &AwakeClock,
    ) -> Result<Self> {
        let program = find_worker()?;
        let errors: Stdio = match log == Path::new(NO_LOG) {
            true => Stdio::null(),
            false => disk::append(log).map_err(|error| Error::io("write", log, &error))?.into_file().into(),
        };
        let mut command = Command::new(&program);
        command
            .args(["--device", &place.device.to_string(), "--threads", &place.threads.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors);
        if !place.cores.is_empty() {
            let cores = place.cores.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
            command.args(["--cores", &cores]);
        }
        // A group of its own, so that Ctrl-C reaches the runner alone, which then ends its workers.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(|error| Error::io("start", &program, &error))?;
        let requests = child.stdin.take();
        let replies = child.stdout.take().expect("standard output is piped");
        let last_heard = Arc::new(AtomicU64::new(milliseconds(clock.now())));
        let (clock_there, last_heard_there) = (clock.clone(), Arc::clone(&last_heard));
        std::thread::spawn(move || {
            let mut replies = BufReader::new(replies);
            while let Ok(Some(line)) = next_line(&mut replies) {
                let message = understand(&line);
                // Noted here, not when the message is taken from the queue: others may stand before it.
                if let Heard::Reply(_) = message {
                    last_heard_there.store(milliseconds(clock_there.now()), Ordering::Relaxed);
                }
                if heard.send((id, message)).is_err() {
                    return;
                }
            }
            let _ = heard.send((id, Heard::Closed));
        });
        Ok(Self { child, requests, log: log.to_owned(), log_offset: 0, clock: clock.clone(), last_heard })
    }

    /// Its process, and its process group.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How long it has said nothing since it was last sent something, by the clock that it was started with.
    pub fn silence(&self) -> Duration {
        self.clock.now().saturating_sub(Duration::from_millis(self.last_heard.load(Ordering::Relaxed)))
    }

    pub fn send(&mut self, request: &Request) -> io::Result<()> {
        self.log_offset = disk::open(&self.log).and_then(|log| log.metadata()).map_or(0, |about| about.len());
        self.last_heard.store(milliseconds(self.clock.now()), Ordering::Relaxed);
        let pipe = self.requests.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        pipe.write_all(&line)?;
        pipe.flush()
    }

    /// Where the log of what it was last sent begins, in bytes.
    pub fn log_offset(&self) -> u64 {
        self.log_offset
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
        match self.last_words() {
            words if words.is_empty() => format!("the worker {status}"),
            words => format!("the worker {status}; its last words: {}", words.join(" | ")),
        }
    }

    /// The last lines that it logged about its present work.
    pub fn last_words(&self) -> Vec<String> {
        let log = disk::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(log.get(self.log_offset as usize..).unwrap_or_default()).into_owned();
        let lines: Vec<&str> = log.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        lines[lines.len().saturating_sub(LAST_WORDS)..].iter().map(|line| (*line).to_owned()).collect()
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

fn understand(line: &Line) -> Heard {
    let (bytes, reply) = match line {
        Line::Whole(bytes) => (bytes, serde_json::from_slice(bytes).ok()),
        Line::TooLong(bytes) => (bytes, None),
    };
    match reply {
        Some(reply) => Heard::Reply(reply),
        None => Heard::Garbled(String::from_utf8_lossy(&bytes[..bytes.len().min(QUOTED)]).into_owned()),
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(unix)]
fn describe(status: std::process::ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (_, Some(9)) => "was killed (signal 9; out of memory?)".into(),
        (_, Some(signal)) => format!("died of signal {signal}"),
        // The dynamic loader's.
        (Some(127), _) => {
            "cannot load its libraries (code 127): run `make setup`, or put the lib folder of a PyTorch 2.11 into \
                           LD_LIBRARY_PATH"
                .into()
        }
        (Some(code), _) => format!("exited with code {code}"),
        (None, None) => "ended".into(),
    }
}

#[cfg(not(unix))]
fn describe(status: std::process::ExitStatus) -> String {
    format!("ended ({status})")
}

/// The worker's program: $XDLREG_WORKER, else beside this program, else on the PATH.
pub(super) fn find_worker() -> Result<PathBuf> {
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
