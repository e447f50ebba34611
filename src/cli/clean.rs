//! `xdlreg-run clean DIR`: makes room in the store. Results folders keep what they show.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::CleanArgs;
use crate::error::{EXIT_OK, Error, Result};
use crate::runner::{FrozenPlan, STORE, Standing};
use crate::stage::StageName;
use crate::store::{Key, Manifest, Store};

pub fn run(args: &CleanArgs) -> Result<u8> {
    for folder in &args.folders {
        clean(args, &output_of(folder)?)?;
    }
    Ok(EXIT_OK)
}

/// The folder with the store: the one given, or that of a results folder.
fn output_of(folder: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let found =
        [Some(absolute.as_path()), absolute.parent()].into_iter().flatten().find(|path| path.join(STORE).is_dir());
    found.map(Path::to_owned).ok_or_else(|| {
        Error::usage(format!("{} has no store", folder.display()), "name the folder of results, such as results")
    })
}

fn clean(args: &CleanArgs, output: &Path) -> Result<()> {
    let store = Store::new(output.join(STORE));
    let (used, running) = experiments(output);
    if let Some(name) = running
        && !args.dry_run
    {
        return Err(Error::usage(format!("{name} is running"), "wait for it, or stop it with `xdlreg-run cancel`"));
    }
    let mut entries: Vec<Manifest> = StageName::ALL.iter().flat_map(|&stage| store.manifests(stage)).collect();
    // Oldest first: they go first where the size is limited.
    entries.sort_by(|one, other| one.created_at.cmp(&other.created_at));
    let total: u64 = entries.iter().map(Manifest::bytes).sum();
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
            println!("{} {}  {}  {}", entry.stage, entry.key.short(10), bytes(entry.bytes()), entry.created_at);
        } else {
            store.discard(entry.stage, &entry.key).map_err(|error| Error::io("remove from", store.root(), &error))?;
        }
        size -= entry.bytes();
        freed += entry.bytes();
        removed += 1;
    }
    if !args.dry_run {
        store.remove_abandoned_drafts();
        remove_scratch(&store, &used);
    }
    let verb = if args.dry_run { "would remove" } else { "removed" };
    println!(
        "{}: {} results of {}; {verb} {removed} of {}",
        store.root().display(),
        entries.len(),
        bytes(total),
        bytes(freed)
    );
    Ok(())
}

/// The keys that the experiments of a folder use, and one that is running, if there is one.
fn experiments(output: &Path) -> (HashSet<Key>, Option<String>) {
    let (mut used, mut running) = (HashSet::new(), None);
    for folder in fs::read_dir(output).into_iter().flatten().flatten() {
        let Ok(FrozenPlan { plan, name, .. }) = FrozenPlan::read(&folder.path()) else { continue };
        used.extend(plan.tasks.into_iter().map(|task| task.key));
        if Standing::read(&folder.path()).is_ok_and(|standing| standing.running) {
            running = Some(name);
        }
    }
    (used, running)
}

/// Unfinished work that no experiment would go on with.
fn remove_scratch(store: &Store, used: &HashSet<Key>) {
    for folder in fs::read_dir(store.root().join("scratch")).into_iter().flatten().flatten() {
        let key = Key::parse(&folder.file_name().to_string_lossy());
        if key.is_none_or(|key| !used.contains(&key)) {
            // What cannot be removed is only untidy.
            let _ = fs::remove_dir_all(folder.path());
        }
    }
}

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
        _ => return Err(format!("`{unit}` is no unit: use kB, MB, GB or TB")),
    };
    let number = digits.parse::<f64>().ok().filter(|number| *number >= 0.0);
    number.map(|number| (number * factor) as u64).ok_or_else(|| format!("`{text}` is no size, such as 10GB"))
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
