//! `xdlreg-run clean DIR`: makes room in the store. Results folders keep what they show.
//!
//! What cannot be read counts as in use, and is named: a plan that is damaged may need any result.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::CleanArgs;
use crate::disk::{Folder, Kind};
use crate::error::{EXIT_OK, Error, Result};
use crate::key::Key;
use crate::plan::FrozenPlan;
use crate::runner::{EVENTS, ResultsFolder};
use crate::stage_name::StageName;
use crate::store::{Found, Manifest, STORE, Store};
use crate::terminal::{print_line, tell_line};

pub fn run(args: &CleanArgs) -> Result<u8> {
    if !args.orphans && args.older_than.is_none() && args.max_size.is_none() {
        return Err(Error::usage(
            "clean needs to know what may be removed",
            "give --orphans (what no experiment uses any more), --older-than AGE such as 30d, or --max-size SIZE such as \
             10GB; with --dry-run nothing is removed",
        ));
    }
    for folder in &args.folders {
        clean(args, &output_of(folder)?)?;
    }
    Ok(EXIT_OK)
}

/// The folder with the store: the one given, or that of a results folder.
fn output_of(folder: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    for output in [Some(absolute.as_path()), absolute.parent()].into_iter().flatten() {
        match Store::new(output.join(STORE)).exists() {
            Ok(true) => return Ok(output.to_owned()),
            Ok(false) => {}
            Err(error) => {
                let help = "a store must be a folder itself: name the folder that the link points into";
                return Err(Error::usage(format!("cannot clean {}: {error}", output.display()), help));
            }
        }
    }
    Err(Error::usage(format!("{} has no store", folder.display()), "name the folder of results, such as results"))
}

fn clean(args: &CleanArgs, output: &Path) -> Result<()> {
    let store = Store::new(output.join(STORE));
    let unusable = |error: std::io::Error| Error::io("clean", store.root(), &error);
    // As long as this lives nobody begins to work with the store.
    let _alone = match args.dry_run {
        true => None,
        false => Some(store.alone().map_err(unusable)?.ok_or_else(|| in_use(output))?),
    };
    let used = used_keys(output, args.dry_run)?;
    let mut entries = Vec::new();
    for stage in StageName::ALL {
        for found in survey(&store, stage) {
            match found {
                Found::Entry(entry) => entries.push(entry),
                Found::Unknown { path, reason } => tell_line(&format!("kept {}: {reason}", path.display())),
            }
        }
    }
    // Oldest first: they go first where the size is limited.
    entries.sort_by(|one, other| one.created_at.cmp(&other.created_at));
    let total = entries.iter().fold(0, |sum: u64, entry| sum.saturating_add(entry.bytes()));
    let mut size = total;
    let (mut removed, mut freed) = (0, 0);
    for entry in &entries {
        let orphan = args.orphans && !used.contains(&entry.key);
        let old = args.older_than.is_some_and(|age| is_older(entry, age));
        let beyond = args.max_size.is_some_and(|most| size > most);
        if !(orphan || old || beyond) {
            continue;
        }
        if args.dry_run {
            let (stage, key, size) = (entry.stage, entry.key.short(10), bytes(entry.bytes()));
            print_line(&format!("{stage} {key}  {size}  {}", entry.created_at));
        } else {
            store.discard(entry.stage, &entry.key).map_err(unusable)?;
        }
        size = size.saturating_sub(entry.bytes());
        freed += entry.bytes().min(total - freed);
        removed += 1;
    }
    if !args.dry_run {
        store.remove_abandoned();
        // Unfinished work that no experiment would go on with.
        for key in store.scratch_keys().map_err(unusable)?.iter().filter(|key| !used.contains(key)) {
            store.remove_scratch(key).map_err(unusable)?;
        }
    }
    let verb = if args.dry_run { "would remove" } else { "removed" };
    let (root, count) = (store.root().display(), entries.len());
    print_line(&format!("{root}: {count} results of {}; {verb} {removed} of {}", bytes(total), bytes(freed)));
    Ok(())
}

/// What there is of a stage. A folder that cannot be listed is something unknown.
fn survey(store: &Store, stage: StageName) -> Vec<Found> {
    let unlisted = |error: std::io::Error| {
        vec![Found::Unknown { path: store.root().join(stage.name()), reason: error.to_string() }]
    };
    store.survey(stage).map_or_else(unlisted, Iterator::collect)
}

/// Someone works with the store; who it is, where that can be told.
fn in_use(output: &Path) -> Error {
    let experiments = Folder::at(output).list().unwrap_or_default().into_iter();
    let running = experiments.filter(|item| ResultsFolder::new(output, &item.name).is_running().unwrap_or(false));
    let names: Vec<String> = running.map(|item| item.name).collect();
    let message = match &names[..] {
        [] => format!("another xdlreg-run is working with {}", output.join(STORE).display()),
        [name] => format!("{name} is running"),
        names => format!("{} are running", names.join(", ")),
    };
    Error::usage(message, "wait for it, or stop it with `xdlreg-run cancel`")
}

/// The keys that the experiments of a folder use.
///
/// # Errors
/// Fails where one of them runs or might run, and where it is not known what it uses.
fn used_keys(output: &Path, dry_run: bool) -> Result<HashSet<Key>> {
    let unreadable = |error: std::io::Error| Error::io("read", output, &error);
    let mut used = HashSet::new();
    for item in Folder::at(output).list().map_err(unreadable)? {
        let folder = ResultsFolder::new(output, &item.name);
        let is_folder = match item.kind {
            Kind::Folder => true,
            // A user's own link to results elsewhere. Where it leads nowhere, they may only be out of reach.
            Kind::Link => !folder.path().is_file(),
            Kind::File | Kind::Other => false,
        };
        if !is_folder || item.name == STORE {
            continue;
        }
        let unknown = |what: &str, error: std::io::Error| {
            let message = format!("nothing was removed, because {} {what}: {error}", folder.path().display());
            Error::failed(message, "run this experiment again, which repairs it, or move its folder elsewhere")
        };
        folder.folder().list_existing().map_err(|error| unknown("cannot be read", error))?;
        if folder.is_running().map_err(|error| unknown("may be running", error))? && !dry_run {
            return Err(in_use(output));
        }
        match FrozenPlan::read(folder.folder()) {
            Ok(frozen) => used.extend(frozen.plan.tasks.into_iter().map(|task| task.key)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !folder.is_of_experiment() => {}
            Err(error) => return Err(unknown("may use any result", error)),
        }
        match folder.folder().open(EVENTS) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(unknown("may be running", error)),
            _ => {}
        }
    }
    Ok(used)
}

/// Whether an entry was made longer ago than `age`. One whose time is not known, or lies ahead, is not.
fn is_older(entry: &Manifest, age: Duration) -> bool {
    let made = humantime::parse_rfc3339(&entry.created_at).ok();
    made.and_then(|made| SystemTime::now().duration_since(made).ok()).is_some_and(|since| since > age)
}

/// "1.5 GB".
fn bytes(count: u64) -> String {
    match count as f64 {
        n if n < 1e6 => format!("{:.1} kB", n / 1e3),
        n if n < 1e9 => format!("{:.1} MB", n / 1e6),
        n => format!("{:.1} GB", n / 1e9),
    }
}

/// A size as "500MB", "10 GB" or a number of bytes.
pub fn parse_size(text: &str) -> std::result::Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic()).trim();
    let unit = text[text.find(digits).map_or(0, |at| at + digits.len())..].trim();
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        _ => return Err(format!("unknown unit `{unit}`: use kB, MB, GB or TB")),
    };
    let number = digits.parse::<f64>().ok().filter(|number| *number >= 0.0);
    number.map(|number| (number * factor) as u64).ok_or_else(|| format!("`{text}` is not a size; write it like 10GB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_units() {
        assert_eq!(["500MB", "1.5 GB", "7", "2kB"].map(parse_size), [500_000_000, 1_500_000_000, 7, 2000].map(Ok));
        assert!(parse_size("10 parsecs").is_err() && parse_size("GB").is_err() && parse_size("-1GB").is_err());
        assert_eq!([950, 1_500_000, 2_000_000_000].map(bytes), ["0.9 kB", "1.5 MB", "2.0 GB"]);
    }
}
