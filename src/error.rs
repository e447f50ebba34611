//! What a user is told when something is wrong, and the exit codes.

use std::path::Path;

use miette::{Diagnostic, SourceSpan};
use serde_json::{Value, json};
use thiserror::Error;

use crate::excerpt::Excerpt;
use crate::shown::tidy;
use crate::store::inputs::BadInput;

pub use crate::exit::{EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE};

/// A mistake at a place in a spec file.
#[derive(Debug, Error, Diagnostic)]
#[error("{message}")]
pub struct SpecMistake {
    pub message: String,
    #[source_code]
    pub source_code: Excerpt,
    #[label("{label}")]
    pub span: SourceSpan,
    pub label: String,
    #[help]
    pub help: Option<String>,
}

/// An error that ends a command. Rendered once, by [`Error::render`].
#[derive(Debug, Error, Diagnostic)]
pub enum Error {
    /// A mistake at a place in a spec file.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Spec(Box<SpecMistake>),
    /// A mistake on the command line, in the environment or in an input file.
    #[error("{message}")]
    Usage {
        message: String,
        #[help]
        help: Option<String>,
    },
    /// Several mistakes of one spec, told together.
    #[error("the spec has {} mistakes", .0.len())]
    Several(#[related] Vec<Error>),
    /// Work that was begun could not be finished.
    #[error("{message}")]
    Failed {
        message: String,
        #[help]
        help: Option<String>,
    },
    /// Stopped by Ctrl-C or a termination signal.
    #[error("interrupted: the same command continues from what was finished")]
    Interrupted,
}

impl From<BadInput> for Error {
    fn from(bad: BadInput) -> Self {
        Self::usage(bad.to_string(), bad.help)
    }
}

impl Error {
    /// Nothing, the only one of `errors`, or all of them told together.
    pub fn all(mut errors: Vec<Self>) -> Result<()> {
        match errors.len() {
            0 => Ok(()),
            1 => Err(errors.remove(0)),
            _ => Err(Self::Several(errors)),
        }
    }

    pub fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Usage { message: tidy(&message.into()), help: Some(tidy(&help.into())) }
    }

    pub fn failed(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Failed { message: message.into(), help: Some(help.into()) }
    }

    /// A file or folder that a command could not read or write while working.
    pub fn io(doing: &str, path: &Path, error: &std::io::Error) -> Self {
        Self::Failed { message: format!("cannot {doing} {}: {error}", path.display()), help: None }
    }

    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Spec(_) | Self::Usage { .. } | Self::Several(_) => EXIT_USAGE,
            Self::Failed { .. } => EXIT_FAILED,
            Self::Interrupted => EXIT_INTERRUPTED,
        }
    }

    /// The message as shown on standard error: what, where in the file, what to do.
    pub fn render(&self, color: bool) -> String {
        use miette::{GraphicalReportHandler, GraphicalTheme};
        let theme = if color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme).with_width(110).with_context_lines(1);
        let mut text = String::new();
        match handler.render_report(&mut text, self) {
            Ok(()) => text,
            Err(_) => format!("{self}\n"),
        }
    }

    /// The same for a program, as one object: `message`, `help`, `exit_code`, `rendered`; for a mistake in a spec also its
    /// `label`, `file`, `line` and `column`, counted from 1; for several mistakes all of them in `mistakes`.
    pub fn to_json(&self) -> Value {
        let mut told =
            json!({ "message": self.to_string(), "exit_code": self.exit_code(), "rendered": self.render(false) });
        told["help"] = self.help().map(|help| help.to_string()).into();
        match self {
            Self::Spec(mistake) => {
                let [line, column] = mistake.source_code.position();
                told["label"] = mistake.label.as_str().into();
                told["file"] = mistake.source_code.name().into();
                told["line"] = line.into();
                told["column"] = column.into();
            }
            Self::Several(mistakes) => told["mistakes"] = mistakes.iter().map(Self::to_json).collect(),
            _ => {}
        }
        told
    }
}

pub type Result<T, E = Error> = std::result::Result<T, E>;
