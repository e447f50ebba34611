//! Errors keep their sources, and say all that these say.

use std::error::Error;
use std::fs;
use std::io;

use zip::result::ZipError;

use super::StageError;
use crate::metric::ProbeError;
use crate::store::arrays::{self, NpyError};
use crate::store::planes::ImageFile;
use crate::store::{dataset, inputs};

/// Whether an error, or one that it comes from, is an `E`. An error of input and output may hold another one.
fn comes_from<E: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    error.is::<E>() || error.source().is_some_and(comes_from::<E>) || held.is_some_and(|held| comes_from::<E>(held))
}

/// Whether the text of an error holds those of all its sources, so that it is enough to print it.
fn says_all(error: &(dyn Error + 'static)) -> bool {
    let text = error.to_string();
    let mut sources = std::iter::successors(error.source(), |&error| error.source());
    sources.all(|source| text.matches(&source.to_string()).count() == 1)
}

#[test]
fn errors_reach_what_they_come_from() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let absent = folder.path().join("absent.npy");
    let npy = at("a.npy", b"\x93NUMPY\x09\x00 which no version is");
    let npz = at("a.npz", b"PK\x03\x04, and nothing of an archive");
    let failed = |error: Box<dyn Error + Send + Sync>| Box::new(StageError::failed(error)) as Box<dyn Error>;

    let of_io: [Box<dyn Error>; 7] = [
        StageError::io(&absent)(io::Error::other("no space")).into(),
        StageError::file(&absent, inputs::read_file(&absent).unwrap_err()).into(),
        failed(ImageFile::open(&absent).unwrap_err().into()),
        failed(dataset::load(&absent).unwrap_err().into()),
        StageError::invalid(ProbeError(arrays::read_vector(&absent).unwrap_err().into())).into(),
        inputs::read_ages(&absent, 1).unwrap_err().into(),
        inputs::read_images(&absent).err().unwrap().into(),
    ];
    let of_npy = [
        failed(ImageFile::open(&npy).unwrap_err().into()),
        failed(arrays::read_stack(&npy).unwrap_err().into()),
        inputs::read_maps(&npy).unwrap_err().into(),
    ];
    let of_zip = [
        failed(ImageFile::open(&npz).unwrap_err().into()),
        failed(dataset::load_samples(&npz).unwrap_err().into()),
        inputs::read_predictions(&npz, 1).unwrap_err().into(),
    ];
    let of_json = [failed(serde_json::from_slice::<u8>(b"{").unwrap_err().into())];

    assert!(of_io.iter().all(|error| comes_from::<io::Error>(&**error)), "{of_io:?}");
    assert!(of_npy.iter().all(|error| comes_from::<NpyError>(&**error)), "{of_npy:?}");
    assert!(of_zip.iter().all(|error| comes_from::<ZipError>(&**error)), "{of_zip:?}");
    assert!(of_json.iter().all(|error| comes_from::<serde_json::Error>(&**error)), "{of_json:?}");
    for error in of_io.iter().chain(&of_npy).chain(&of_zip).chain(&of_json) {
        assert!(says_all(&**error), "{error:?}: {error}");
    }
}

#[test]
fn a_sentence_is_a_cause_too() {
    let sentence = "the members explain other images";
    let error = StageError::failed(sentence);
    let source = error.source().map(|source| source.to_string());
    assert_eq!((error.to_string(), source), (sentence.to_owned(), Some(sentence.to_owned())));
}
