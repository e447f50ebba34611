//! A spec file and all that it extends, read as layers.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::layers::{Layer, Origin};
use super::source::{MAX_BYTES, SourceFile};
use crate::error::Result;
use crate::escape;
use crate::home;

/// Files may extend each other so deep, and be so many. A file that is extended twice counts twice.
const DEEPEST: usize = 16;
const MOST: usize = 256;

/// The layers of a file: those of the files that it extends, weakest first, and its own.
pub fn layers(source: SourceFile) -> Result<Vec<Layer>> {
    let mut reader = Reader { files: HashMap::new(), open: Vec::new(), bytes: 0, layers: Vec::new() };
    let file = reader.parse(source)?;
    reader.add(&file)?;
    Ok(reader.layers)
}

/// A file, with the names that stand in its `extends`.
#[derive(Clone)]
struct Parsed {
    source: SourceFile,
    values: toml::Table,
    extends: Vec<String>,
    /// One name, not in a list.
    single: bool,
}

struct Reader {
    /// What was read already, so that each file is read once however often it is extended.
    files: HashMap<PathBuf, Parsed>,
    /// The files between the first and the present one, to find circles.
    open: Vec<PathBuf>,
    /// Over all layers.
    bytes: usize,
    layers: Vec<Layer>,
}

impl Reader {
    fn parse(&self, source: SourceFile) -> Result<Parsed> {
        let mut values = source.parse()?;
        let extends = values.remove("extends");
        let single = extends.as_ref().is_some_and(toml::Value::is_str);
        let extends = names(&source, extends)?;
        Ok(Parsed { source, values, extends, single })
    }

    fn add(&mut self, file: &Parsed) -> Result<()> {
        let Parsed { source, values, extends, single } = file;
        self.open.push(canonical(&source.path));
        for (index, name) in extends.iter().enumerate() {
            let element = index.to_string();
            let place: &[&str] = if *single { &["extends"] } else { &["extends", &element] };
            let (_, span) = source.locate(place).unwrap_or_default();
            let refuse = |message: String, label: &str, help: &str| {
                Err(source.error(span.clone(), message, label.to_owned(), Some(help.to_owned())))
            };
            let base = match home::expand(Path::new(name)) {
                Ok(base) => source.path.parent().unwrap_or(Path::new("")).join(base),
                Err(message) => return refuse(message, "this path", "name a file by its path"),
            };
            let shown = escape::line(&base.display().to_string()).into_owned();
            let own = escape::line(&source.path.display().to_string()).into_owned();
            if self.open.contains(&canonical(&base)) {
                return refuse(format!("{own} extends itself through {shown}"), "leads back here", "break the circle");
            }
            if self.open.len() >= DEEPEST || self.layers.len() >= MOST || self.bytes > MAX_BYTES {
                let message = format!(
                    "the files that extend each other are too many: at most {DEEPEST} levels, {MOST} files and {} MiB \
                     are read",
                    MAX_BYTES >> 20
                );
                return refuse(message, "leads too far", "extend fewer files, each of them once");
            }
            let key = canonical(&base);
            let parsed = match self.files.get(&key) {
                Some(known) => known.clone(),
                None => {
                    let read = match SourceFile::read(&base) {
                        Ok(read) => read,
                        Err(_) if !base.exists() => {
                            let help = format!("paths in `extends` start at the folder of {own}");
                            return refuse(format!("cannot find the spec {shown}"), "no such file", &help);
                        }
                        Err(error) => return refuse(error.to_string(), "cannot be read", "name a TOML file"),
                    };
                    self.parse(read)?
                }
            };
            self.add(&parsed)?;
            self.files.insert(key, parsed);
        }
        self.open.pop();
        self.bytes += source.text().len();
        let (origin, source) = (Origin::File(source.path.clone()), Some(source.clone()));
        self.layers.push(Layer { origin, source, values: values.clone() });
        Ok(())
    }
}

fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn names(source: &SourceFile, extends: Option<toml::Value>) -> Result<Vec<String>> {
    let files = match extends {
        None => return Ok(Vec::new()),
        Some(toml::Value::String(file)) => Some(vec![file]),
        Some(toml::Value::Array(files)) => {
            files.into_iter().map(|file| file.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        }
        Some(_) => None,
    };
    files.ok_or_else(|| {
        let (_, span) = source.locate(&["extends"]).unwrap_or_default();
        let help = "write extends = \"base.toml\" or a list of files".to_owned();
        source.error(span, "`extends` does not name files".into(), "not a file name".into(), Some(help))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The layers of `0.toml` among files with these texts, as the numbers of their files; or what is wrong.
    fn read(texts: &[String]) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        for (index, text) in texts.iter().enumerate() {
            std::fs::write(folder.path().join(format!("{index}.toml")), text).unwrap();
        }
        let layers =
            SourceFile::read(&folder.path().join("0.toml")).and_then(layers).map_err(|error| error.to_string())?;
        let stem =
            |layer: &Layer| layer.source.as_ref().unwrap().path.file_stem().unwrap().to_string_lossy().into_owned();
        Ok(layers.iter().map(stem).collect())
    }

    fn extending(names: &[usize]) -> String {
        let names: Vec<String> = names.iter().map(|name| format!("'{name}.toml'")).collect();
        format!("extends = [{}]\n", names.join(", "))
    }

    #[test]
    fn files_come_after_those_they_extend() {
        let diamond = [extending(&[1, 2]), extending(&[3]), extending(&[3]), String::new()];
        assert_eq!(read(&diamond).unwrap(), ["3", "1", "3", "2", "0"]);
        assert_eq!(read(&[String::new()]).unwrap(), ["0"]);
    }

    #[test]
    fn chains_that_double_or_never_end_give_one_message() {
        for levels in [9, 15, 24, 200] {
            let doubling: Vec<String> = (0..levels).map(|level| extending(&[level + 1, level + 1])).collect();
            let texts = [doubling, vec![String::new()]].concat();
            assert!(read(&texts).unwrap_err().contains("too many"), "{levels} levels");
        }
        let chain: Vec<String> = (0..15).map(|level| extending(&[level + 1])).chain([String::new()]).collect();
        assert_eq!(read(&chain).unwrap().len(), 16);
        assert!(read(&[extending(&[1]), extending(&[0])]).unwrap_err().contains("extends itself"));
        assert!(read(&[extending(&[0])]).unwrap_err().contains("extends itself"));
    }

    #[test]
    fn the_size_of_all_layers_counts() {
        let large = format!("#{}\n", "x".repeat(MAX_BYTES / 3));
        let texts = [extending(&[1, 1, 1, 1, 1]), large];
        assert!(read(&texts).unwrap_err().contains("too many"));
    }

    #[test]
    fn bases_that_are_no_files_are_refused_where_they_are_named() {
        let refused = |name: &str| read(&[format!("extends = '{name}'")]).unwrap_err();
        assert!(refused("nowhere.toml").contains("cannot find the spec"));
        assert!(refused("/dev/zero").contains("not a file"));
        assert!(refused(".").contains("is a folder"));
        assert!(refused("~nobody/base.toml").contains("~nobody is not expanded"));
        assert!(read(&["extends = 5".into()]).unwrap_err().contains("does not name files"));
    }
}
