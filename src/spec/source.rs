//! The text of a spec file, and where in it a key stands.

use std::ops::Range;
use std::path::{Path, PathBuf};

use miette::{NamedSource, SourceSpan};
use toml::de::{DeTable, DeValue};

use crate::error::{Error, Result, SpecMistake};

/// A spec larger than this is no spec: it was probably meant to be another file.
const MAX_BYTES: u64 = 16 << 20;

/// A spec file as read.
#[derive(Debug, Clone)]
pub struct SourceFile {
    pub path: PathBuf,
    pub text: String,
}

impl SourceFile {
    /// Reads a text file. Folders, binary files and files that are too large are refused.
    pub fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let unreadable = |error: std::io::Error| {
            let help = match error.kind() {
                std::io::ErrorKind::NotFound => "check the path; `configs/` holds specs to start from",
                _ => "name a TOML file that you may read",
            };
            Error::usage(format!("cannot read the spec {shown}: {error}"), help)
        };
        let size = std::fs::metadata(path).map_err(unreadable)?;
        if size.is_dir() {
            return Err(Error::usage(format!("{shown} is a folder"), "name the TOML file in it"));
        }
        if size.len() > MAX_BYTES {
            return Err(Error::usage(format!("{shown} has {} bytes: it is no spec", size.len()), "name a TOML file"));
        }
        let bytes = std::fs::read(path).map_err(unreadable)?;
        match String::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => Ok(Self { path: path.to_owned(), text }),
            _ => Err(Error::usage(format!("{shown} is not a text file"), "name a TOML file in UTF-8")),
        }
    }

    /// The file's values, or where its TOML breaks.
    pub fn parse(&self) -> Result<toml::Table> {
        toml::from_str(&self.text).map_err(|error: toml::de::Error| {
            let end = self.text.len();
            let span = error.span().unwrap_or(end..end);
            self.error(span, format!("{} is no valid TOML", self.path.display()), error.message().to_owned(), None)
        })
    }

    /// An error that points at `span`.
    pub fn error(&self, span: Range<usize>, message: String, label: String, help: Option<String>) -> Error {
        // Trailing line ends belong to no line that could be shown.
        let end = self.text.trim_end().len();
        let (start, stop) = (span.start.min(end.saturating_sub(1)), span.end.min(end));
        Error::Spec(Box::new(SpecMistake {
            message,
            source_code: NamedSource::new(self.path.display().to_string(), self.text.clone()),
            span: SourceSpan::from((start, stop.saturating_sub(start))),
            label,
            help,
        }))
    }

    /// Where the key of a dotted path stands, and where its value does.
    pub fn locate(&self, path: &[&str]) -> Option<(Range<usize>, Range<usize>)> {
        let table = DeTable::parse(&self.text).ok()?;
        let (first, rest) = path.split_first()?;
        let (key, mut value) = table.get_ref().get_key_value(*first)?;
        let mut key_span = key.span();
        for segment in rest {
            value = match value.get_ref() {
                DeValue::Table(inner) => {
                    let (key, value) = inner.get_key_value(*segment)?;
                    key_span = key.span();
                    value
                }
                DeValue::Array(items) => {
                    let value = items.get(segment.parse::<usize>().ok()?)?;
                    key_span = value.span();
                    value
                }
                _ => return None,
            };
        }
        Some((key_span, value.span()))
    }
}
