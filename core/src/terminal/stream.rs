//! A stream that is written as long as it can be.

use std::io::{self, ErrorKind, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Between attempts at a stream that is full and does not wait by itself.
const PAUSE: Duration = Duration::from_millis(10);

/// Remembers the first error of a stream, after which nothing more is written to it: what arrives is a beginning of what was
/// said, without gaps.
pub struct Stream {
    state: Mutex<State>,
}

enum State {
    Open,
    Failed(io::Error),
    /// It failed, and somebody took the error.
    Closed,
}

impl Stream {
    pub const fn new() -> Self {
        Self { state: Mutex::new(State::Open) }
    }

    /// Writes all of `bytes` to `out`, or remembers why not.
    pub fn write(&self, bytes: &[u8], out: &mut impl Write) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Open = *state
            && let Err(error) = write_all(bytes, out)
        {
            *state = State::Failed(error);
        }
    }

    /// The error after which nothing was written, to the first who asks.
    pub fn take_trouble(&self) -> Option<io::Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Open = *state {
            return None;
        }
        match std::mem::replace(&mut *state, State::Closed) {
            State::Failed(error) => Some(error),
            State::Open | State::Closed => None,
        }
    }
}

/// As [`Write::write_all`], but a stream that another program made non-blocking is waited for.
fn write_all(mut bytes: &[u8], out: &mut impl Write) -> io::Result<()> {
    let waited = |result: io::Result<usize>| match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            std::thread::sleep(PAUSE);
            Ok(0)
        }
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
        Ok(0) => Err(ErrorKind::WriteZero.into()),
        other => other,
    };
    while !bytes.is_empty() {
        bytes = &bytes[waited(out.write(bytes))?..];
    }
    while waited(out.flush().map(|()| 1))? == 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sink that gives an answer a call, and takes three bytes where that is none.
    struct Moody(Vec<Option<ErrorKind>>, Vec<u8>);

    impl Write for Moody {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match self.0.pop().flatten() {
                Some(kind) => Err(kind.into()),
                None => {
                    let taken = bytes.len().min(3);
                    self.1.extend(&bytes[..taken]);
                    Ok(taken)
                }
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            self.0.pop().flatten().map_or(Ok(()), |kind| Err(kind.into()))
        }
    }

    #[test]
    fn interruptions_and_full_pipes_are_waited_for() {
        let moods =
            vec![Some(ErrorKind::WouldBlock), None, None, Some(ErrorKind::Interrupted), Some(ErrorKind::WouldBlock)];
        let (stream, mut moody) = (Stream::new(), Moody(moods, Vec::new()));
        stream.write(b"abcde", &mut moody);
        assert_eq!(moody.1, b"abcde");
        assert!(stream.take_trouble().is_none());
    }

    #[test]
    fn after_an_error_nothing_more_is_written() {
        let (stream, mut moody) = (Stream::new(), Moody(vec![Some(ErrorKind::StorageFull), None], Vec::new()));
        stream.write(b"abcdef", &mut moody);
        stream.write(b"ghi", &mut moody);
        assert_eq!(moody.1, b"abc");
        assert_eq!(stream.take_trouble().unwrap().kind(), ErrorKind::StorageFull);
        stream.write(b"jkl", &mut moody);
        assert!(stream.take_trouble().is_none() && moody.1 == b"abc", "once closed it stays closed");
    }
}
