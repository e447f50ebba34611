//! Something that one process at a time has: a key of a store, or a results folder.
//!
//! Where the file system has locks, it is the lock of a file, which the system takes back when the process ends. Cluster file
//! systems may have none. There it is a file that was created exclusively, beside the one that would be locked. It says whose it is,
//! and its time of change is renewed as long as the owner lives. An owner of this system is asked for by its process; of another one
//! it counts whether the file changes, by the clock of the one that looks, and what Slurm says of its job.
//!
//! Whoever takes over from a dead owner may be wrong. Then work is done twice, and results are published whole by either.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::disk::{Folder, temporary};
use crate::machine;

/// What follows the name of the file that would be locked.
pub(super) const OWNER: &str = ".owner";

/// How often an owner shows that it lives.
const BEAT: Duration = Duration::from_secs(10);
/// After so long without a sign, Slurm is asked after the owner's job; a job that has ended is not waited for any more.
const SILENT: Duration = Duration::from_secs(60);
/// Where Slurm knows nothing of it, this is long enough.
const DEAD: Duration = Duration::from_secs(300);

/// Held until it is dropped.
#[derive(Debug)]
pub struct Hold {
    /// Locked, where the file system can.
    _file: File,
    _owned: Option<Owned>,
}

/// The file that stands for a lock.
#[derive(Debug)]
struct Owned {
    folder: Folder,
    name: String,
    file: Arc<File>,
}

/// Whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Owner {
    host: String,
    system: Option<String>,
    process: u32,
    began: Option<u64>,
    job: Option<String>,
}

impl Owner {
    fn this() -> Self {
        let process = std::process::id();
        let job = std::env::var("SLURM_JOB_ID").ok();
        Self { host: machine::host(), system: machine::system(), process, began: machine::began(process), job }
    }
}

impl Hold {
    /// Takes a lock of an open file, or what stands for it; `None` while another process has it.
    pub fn take(folder: &Folder, name: &str, file: File) -> io::Result<Option<Self>> {
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file, _owned: None })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) if is_unsupported(&error) => {
                let owned = Owned::take(folder, &format!("{name}{OWNER}"))?;
                Ok(owned.map(|owned| Self { _file: file, _owned: Some(owned) }))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Whether another process has it.
    pub fn is_held(folder: &Folder, name: &str, file: &File) -> io::Result<bool> {
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) if is_unsupported(&error) => {
                Ok(matches!(judge(folder, &format!("{name}{OWNER}"))?, Judged::Held))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    pub fn file(&self) -> &File {
        &self._file
    }
}

/// Whether an error says that the file system has no locks.
pub(super) fn is_unsupported(error: &io::Error) -> bool {
    const CODES: [i32; 4] = [nix::libc::ENOLCK, nix::libc::ENOSYS, nix::libc::EOPNOTSUPP, nix::libc::EINVAL];
    error.raw_os_error().is_some_and(|code| CODES.contains(&code))
}

enum Judged {
    Free,
    Held,
    /// Its owner, whose words these are, is gone.
    Abandoned(Vec<u8>),
}

impl Owned {
    fn take(folder: &Folder, name: &str) -> io::Result<Option<Self>> {
        match judge(folder, name)? {
            Judged::Held => return Ok(None),
            Judged::Free => {}
            Judged::Abandoned(words) => {
                let aside = temporary(name);
                match folder.rename(name, &aside) {
                    Ok(()) if folder.read(&aside).is_ok_and(|found| found == words) => folder.remove_file(&aside)?,
                    // Another one was faster, and this is its own.
                    Ok(()) => folder.rename(&aside, name)?,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        match folder.create_new(name, &serde_json::to_vec(&Owner::this())?) {
            Ok(file) => {
                let file = Arc::new(file);
                keep_alive(&file);
                Ok(Some(Self { folder: folder.clone(), name: name.to_owned(), file }))
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // Unless another one has taken over.
        if self.folder.is_at(&self.name, &self.file) {
            let _ = self.folder.remove_file(&self.name);
        }
    }
}

fn judge(folder: &Folder, name: &str) -> io::Result<Judged> {
    let mut file = match folder.open(name) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Judged::Free),
        Err(error) => return Err(error),
    };
    let mut words = Vec::new();
    Read::by_ref(&mut file).take(1 << 16).read_to_end(&mut words)?;
    let owner: Option<Owner> = serde_json::from_slice(&words).ok();
    if let Some(owner) = &owner
        && owner.system.is_some()
        && owner.system == machine::system()
    {
        let lives = owner.began.is_some() && machine::began(owner.process) == owner.began;
        return Ok(if lives { Judged::Held } else { Judged::Abandoned(words) });
    }
    let silence = silence(folder.path_of(name), file.metadata()?.modified()?);
    let job = owner.and_then(|owner| owner.job);
    let is_gone = match silence {
        silence if silence < SILENT => false,
        silence if silence < DEAD => job.as_deref().and_then(runs).is_some_and(|runs| !runs),
        _ => !job.as_deref().and_then(runs).unwrap_or(false),
    };
    Ok(if is_gone { Judged::Abandoned(words) } else { Judged::Held })
}

/// For how long this process has seen a file without a change. Clocks of machines differ, so that no two are compared.
fn silence(path: PathBuf, changed: SystemTime) -> Duration {
    static SEEN: OnceLock<Mutex<HashMap<PathBuf, (SystemTime, Instant)>>> = OnceLock::new();
    let mut seen = SEEN.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    let now = Instant::now();
    let known = seen.entry(path).or_insert((changed, now));
    if known.0 != changed {
        *known = (changed, now);
    }
    known.1.elapsed()
}

/// Whether a job of Slurm may still run; nothing where Slurm does not say.
fn runs(job: &str) -> Option<bool> {
    let output = Command::new("squeue").args(["--noheader", "--jobs", job, "--format=%T"]).output().ok()?;
    output.status.success().then(|| !output.stdout.trim_ascii().is_empty())
}

/// Renews the time of change of a file as long as it is held.
fn keep_alive(file: &Arc<File>) {
    static HELD: OnceLock<Mutex<Vec<Weak<File>>>> = OnceLock::new();
    let held = HELD.get_or_init(|| {
        std::thread::spawn(|| {
            loop {
                std::thread::sleep(BEAT);
                let held = HELD.get().map(|held| held.lock().unwrap_or_else(PoisonError::into_inner).clone());
                for file in held.unwrap_or_default().iter().filter_map(Weak::upgrade) {
                    // One that fails counts as silence.
                    let _ = file.set_modified(SystemTime::now());
                }
            }
        });
        Mutex::default()
    });
    let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
    held.retain(|file| file.strong_count() > 0);
    held.push(Arc::downgrade(file));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let scene = tempfile::tempdir().unwrap();
        let folder = Folder::at(scene.path());
        (scene, folder)
    }

    #[test]
    fn what_stands_for_a_lock_excludes_all_others_until_it_is_dropped() {
        let (_scene, folder) = folder();
        let one = Owned::take(&folder, "a.owner").unwrap();
        assert!(one.is_some() && Owned::take(&folder, "a.owner").unwrap().is_none());
        assert!(matches!(judge(&folder, "a.owner").unwrap(), Judged::Held));
        assert!(Owned::take(&folder, "b.owner").unwrap().is_some());
        drop(one);
        assert!(Owned::take(&folder, "a.owner").unwrap().is_some());
        assert!(folder.list().unwrap().is_empty());
    }

    #[test]
    fn an_owner_of_this_system_that_ended_is_known_at_once_and_one_elsewhere_is_not() {
        let (_scene, folder) = folder();
        let mut child = Command::new("true").spawn().unwrap();
        let (process, began) = (child.id(), Some(1));
        child.wait().unwrap();
        let dead = Owner { process, began, job: None, ..Owner::this() };
        folder.create_new("a.owner", &serde_json::to_vec(&dead).unwrap()).unwrap();
        let taken = Owned::take(&folder, "a.owner").unwrap().expect("its owner is dead");
        drop(taken);
        let elsewhere = Owner { system: Some("another".into()), ..dead };
        folder.create_new("a.owner", &serde_json::to_vec(&elsewhere).unwrap()).unwrap();
        assert!(Owned::take(&folder, "a.owner").unwrap().is_none(), "nobody has looked for long enough");
        // A number that another process has by now.
        let reused = Owner { process: std::process::id(), began, ..Owner::this() };
        folder.create_new("b.owner", &serde_json::to_vec(&reused).unwrap()).unwrap();
        assert!(Owned::take(&folder, "b.owner").unwrap().is_some());
    }

    #[test]
    fn of_many_that_want_it_at_once_one_gets_it() {
        let (_scene, folder) = folder();
        let dead = Owner { began: Some(1), ..Owner::this() };
        for round in 0..50 {
            let name = format!("{round}.owner");
            if round % 2 == 1 {
                folder.create_new(&name, &serde_json::to_vec(&dead).unwrap()).unwrap();
            }
            let take = || Owned::take(&folder, &name).unwrap();
            let got = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
                threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
            });
            assert!(got.len() <= 1 || round % 2 == 1, "{} in round {round}", got.len());
        }
    }
}
