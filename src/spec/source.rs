//! The text of a spec file, and where in it a key stands.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::spelling;
use crate::error::{Error, Result, SpecMistake};
use crate::escape;
use crate::excerpt::Excerpt;
use crate::shown::tidy;

/// A spec larger than this was probably meant to be another file.
pub const MAX_BYTES: usize = 4 << 20;

/// A spec file as read. Copies share the text.
#[derive(Debug, Clone)]
pub struct SourceFile {
    pub path: PathBuf,
    content: Arc<Content>,
}

#[derive(Debug)]
struct Content {
    text: String,
    /// Where everything stands; found when it is first asked for, because only mistakes and sweeps ask.
    places: OnceLock<Place>,
}

/// Where a value stands, and what it holds.
#[derive(Debug, Default)]
struct Place {
    span: Range<usize>,
    /// Of a table: the place of each key, and of its value.
    keys: BTreeMap<String, (Range<usize>, Place)>,
    /// Of a list.
    items: Vec<Place>,
}

impl SourceFile {
    /// Reads a text file of at most [`MAX_BYTES`].
    ///
    /// # Errors
    /// [`Error::Usage`] for what cannot be read, and for all that is not a regular file of text: folders, devices, pipes.
    pub fn read(path: &Path) -> Result<Self> {
        let shown = escape::line(&path.display().to_string()).into_owned();
        let unreadable = |error: std::io::Error| {
            let help = match error.kind() {
                std::io::ErrorKind::NotFound => "check the path; `configs/` holds specs to start from",
                _ => "name a TOML file that you may read",
            };
            Error::usage(format!("cannot read the spec {shown}: {error}"), help)
        };
        let file = open(path).map_err(unreadable)?;
        // The type is that of the opened file: what the path names may be replaced at any time.
        let kind = file.metadata().map_err(unreadable)?.file_type();
        if kind.is_dir() {
            return Err(Error::usage(format!("{shown} is a folder"), "name the TOML file in it"));
        }
        if !kind.is_file() {
            let help = "name a regular file; what a pipe or a device holds has to be saved to a file first";
            return Err(Error::usage(format!("{shown} is a device, a pipe or a socket, not a file"), help));
        }
        let mut bytes = Vec::new();
        // What is read counts: files of /proc have no size, and a file may grow while it is read.
        file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() > MAX_BYTES {
            let message = format!("{shown} is larger than {} MiB, which is too large for a spec", MAX_BYTES >> 20);
            return Err(Error::usage(message, "name a TOML file"));
        }
        match String::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => Ok(Self::new(path, text)),
            _ => Err(Error::usage(format!("{shown} is not a text file"), "name a TOML file in UTF-8")),
        }
    }

    /// A file with this text.
    pub fn new(path: &Path, text: String) -> Self {
        Self { path: path.to_owned(), content: Arc::new(Content { text, places: OnceLock::new() }) }
    }

    pub fn text(&self) -> &str {
        &self.content.text
    }

    /// The file's values, or where its TOML breaks.
    pub fn parse(&self) -> Result<toml::Table> {
        toml::from_str(self.text()).map_err(|error: toml::de::Error| {
            let end = self.text().len();
            let span = error.span().unwrap_or(end..end);
            let shown = escape::line(&self.path.display().to_string()).into_owned();
            let (label, help) = spelling::broken_toml(self.text(), &span, error.message());
            self.error(span, format!("{shown} is not valid TOML"), label, help)
        })
    }

    /// An error that points at `span`.
    pub fn error(&self, span: Range<usize>, message: String, label: String, help: Option<String>) -> Error {
        let source_code = Excerpt::new(&self.path.display().to_string(), self.text(), span);
        let (message, label, help) = (tidy(&message), tidy(&label), help.as_deref().map(tidy));
        Error::Spec(Box::new(SpecMistake { message, span: source_code.mark(), source_code, label, help }))
    }

    /// Where the key of a dotted path stands, and where its value does.
    pub fn locate(&self, path: &[&str]) -> Option<(Range<usize>, Range<usize>)> {
        let mut place = self.content.places.get_or_init(|| {
            DeTable::parse(self.text()).map(|table| Place::of_table(table.span(), table.get_ref())).unwrap_or_default()
        });
        let mut key = None;
        for segment in path {
            let (span, inner) = match place.keys.get(*segment) {
                Some((span, inner)) => (span, inner),
                None => {
                    let item = place.items.get(segment.parse::<usize>().ok()?)?;
                    (&item.span, item)
                }
            };
            (key, place) = (Some(span.clone()), inner);
        }
        Some((key?, place.span.clone()))
    }

    /// The text of a value as it was written.
    pub fn written(&self, path: &[&str]) -> Option<&str> {
        let (_, value) = self.locate(path)?;
        self.text().get(value)
    }
}

impl Place {
    fn of_table(span: Range<usize>, table: &DeTable) -> Self {
        let keys = table.iter().map(|(key, value)| (key.get_ref().to_string(), (key.span(), Self::of(value))));
        Self { span, keys: keys.collect(), items: Vec::new() }
    }

    fn of(value: &Spanned<DeValue>) -> Self {
        match value.get_ref() {
            DeValue::Table(table) => Self::of_table(value.span(), table),
            DeValue::Array(items) => {
                Self { span: value.span(), keys: BTreeMap::new(), items: items.iter().map(Self::of).collect() }
            }
            _ => Self { span: value.span(), ..Self::default() },
        }
    }
}

/// Opens a file for reading without waiting for the other end of a pipe, and without becoming a terminal's process.
#[cfg(target_os = "linux")]
fn open(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY;
    File::options().read(true).custom_flags(flags).open(path)
}

#[cfg(not(target_os = "linux"))]
fn open(path: &Path) -> std::io::Result<File> {
    File::open(path)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(path: &Path) -> String {
        SourceFile::read(path).expect_err("not a spec").to_string()
    }

    #[test]
    fn only_regular_files_are_read() {
        for device in ["/dev/zero", "/dev/null", "/dev/urandom"] {
            assert!(refused(Path::new(device)).contains("not a file"), "{device}");
        }
        let folder = tempfile::tempdir().unwrap();
        assert!(refused(folder.path()).contains("is a folder"));
        let fifo = folder.path().join("fifo.toml");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().expect("mkfifo runs").success());
        assert!(refused(&fifo).contains("not a file"));
        let link = folder.path().join("link.toml");
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        assert!(refused(&link).contains("not a file"));
    }

    #[test]
    fn the_limit_is_of_what_is_read_and_not_of_the_size_that_a_file_claims() {
        // Of size 0, but with contents.
        let status = SourceFile::read(Path::new("/proc/self/status")).expect("a text file");
        assert!(status.text().contains("VmRSS"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large.toml");
        std::fs::write(&path, vec![b'#'; MAX_BYTES]).unwrap();
        assert_eq!(SourceFile::read(&path).expect("of the largest size").text().len(), MAX_BYTES);
        std::fs::write(&path, vec![b'#'; MAX_BYTES + 1]).unwrap();
        assert!(refused(&path).contains("larger than 4 MiB"));
    }

    #[test]
    fn keys_values_and_elements_are_found() {
        let text = "a.b = [1, {c = 'x'}]\n[[t]]\nk = 2024-06-01\n";
        let file = SourceFile::new(Path::new("x.toml"), text.into());
        let found = |path: &[&str]| file.locate(path).map(|(key, value)| (&text[key], &text[value]));
        assert_eq!(found(&["a", "b"]), Some(("b", "[1, {c = 'x'}]")));
        assert_eq!(found(&["a", "b", "1", "c"]), Some(("c", "'x'")));
        assert_eq!(found(&["a", "b", "0"]), Some(("1", "1")));
        assert_eq!(file.written(&["t", "0", "k"]), Some("2024-06-01"));
        assert_eq!((found(&["a", "b", "2"]), found(&[]), found(&["x"])), (None, None, None));
    }
}
