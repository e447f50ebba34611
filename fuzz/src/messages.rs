//! What the runner and its workers say to each other.

use serde::Serialize;
use serde::de::DeserializeOwned;
use xdlreg::protocol::{Reply, Request};

use crate::Scratch;

/// Lines that a worker reads.
pub fn requests(data: &[u8], _: &Scratch) {
    for request in messages::<Request>(data) {
        if let Request::Stage { job, .. } = &request {
            let key = job.key();
            assert!(job.upstream().iter().all(|(_, upstream)| **upstream != key));
        }
        assert_survives(&request);
    }
}

/// Lines that the runner reads.
pub fn replies(data: &[u8], _: &Scratch) {
    messages::<Reply>(data).iter().for_each(assert_survives);
}

fn messages<T: DeserializeOwned>(data: &[u8]) -> Vec<T> {
    data.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// Asserts that a message is written so that it is read back as the same.
fn assert_survives<T: Serialize + DeserializeOwned>(message: &T) {
    let line = serde_json::to_vec(message).expect("a message can be sent");
    assert!(!line.contains(&b'\n'), "a message is one line");
    let again: T =
        serde_json::from_slice(&line).unwrap_or_else(|error| panic!("{}: {error}", String::from_utf8_lossy(&line)));
    assert_eq!(serde_json::to_vec(&again).expect("a message can be sent"), line);
}
