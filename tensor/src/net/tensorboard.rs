//! TensorBoard event files, with the names that Keras gives them: `epoch_loss` and `epoch_mae`, for the run `train` and
//! the run `validation`.
//!
//! A file is a TFRecord stream (length, masked CRC-32C of the length, data, masked CRC-32C of the data; all little
//! endian) of `tensorflow.Event` messages.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost::Message;
use xdlreg_core::event::Epoch;

/// TensorBoard finds event files by this part of their names.
const FILE: &str = "events.out.tfevents.xdlreg";

/// `tensorflow.Event`, as far as it is needed here.
#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

/// `tensorflow.Summary`.
#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Scalar>,
}

/// `tensorflow.Summary.Value` with a simple value.
#[derive(Clone, PartialEq, Message)]
struct Scalar {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, tag = "2")]
    simple_value: f32,
}

/// The event files of a training that ended at `end`: paths below TensorBoard's log folder, and contents.
pub fn event_files(history: &[Epoch], end: SystemTime) -> [(String, Vec<u8>); 2] {
    let end = end.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64();
    let start = end - history.iter().map(|epoch| epoch.epoch_seconds).sum::<f64>();
    let file = |run: &str, scalars: fn(&Epoch) -> [(&'static str, f64); 2]| {
        let version = Event { wall_time: start, file_version: Some("brain.Event:2".into()), ..Event::default() };
        let mut stream = record(&version);
        let mut now = start;
        for epoch in history {
            now += epoch.epoch_seconds;
            let value =
                scalars(epoch).map(|(tag, value)| Scalar { tag: tag.into(), simple_value: value as f32 }).into();
            // Keras counts epochs from 0.
            let step = epoch.epoch as i64 - 1;
            stream.extend(record(&Event {
                wall_time: now,
                step,
                file_version: None,
                summary: Some(Summary { value }),
            }));
        }
        (format!("{run}/{FILE}"), stream)
    };
    [
        file("train", |epoch| [("epoch_loss", epoch.train_loss), ("epoch_mae", epoch.train_mae)]),
        file("validation", |epoch| [("epoch_loss", epoch.val_loss), ("epoch_mae", epoch.val_mae)]),
    ]
}

/// One framed record.
fn record(event: &Event) -> Vec<u8> {
    let data = event.encode_to_vec();
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &masked_crc(&length), &data, &masked_crc(&data)].concat()
}

/// CRC-32C, rotated and shifted, so that checksums of data that hold checksums stay sound.
fn masked_crc(data: &[u8]) -> [u8; 4] {
    let crc = crc32c::crc32c(data);
    crc.rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unframe(mut stream: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        while !stream.is_empty() {
            let length = u64::from_le_bytes(stream[..8].try_into().unwrap()) as usize;
            assert_eq!(masked_crc(&stream[..8]), stream[8..12]);
            let data = &stream[12..12 + length];
            assert_eq!(masked_crc(data), stream[12 + length..16 + length]);
            events.push(Event::decode(data).unwrap());
            stream = &stream[16 + length..];
        }
        events
    }

    #[test]
    fn the_checksum_is_the_one_of_the_record_format() {
        // The length field of a 24 byte record with its checksum, as any TensorFlow writes it for "brain.Event:2".
        assert_eq!(masked_crc(&24u64.to_le_bytes()), [0xa3, 0x7f, 0x4b, 0x22]);
    }

    #[test]
    fn every_epoch_is_there_with_its_losses_and_times() {
        let epoch = |epoch, loss| Epoch {
            epoch,
            train_loss: loss,
            train_mae: loss / 10.0,
            val_loss: loss * 2.0,
            val_mae: loss / 5.0,
            epoch_seconds: 1.5,
        };
        let end = UNIX_EPOCH + Duration::from_secs(1000);
        let files = event_files(&[epoch(1, 40.0), epoch(2, 20.0)], end);
        assert_eq!(files[0].0, "train/events.out.tfevents.xdlreg");
        let events = unframe(&files[1].1);
        assert_eq!(events[0].file_version.as_deref(), Some("brain.Event:2"));
        let scalars = |event: &Event| event.summary.clone().unwrap().value;
        assert_eq!((events[1].step, events[1].wall_time), (0, 998.5));
        assert_eq!((events[2].step, events[2].wall_time), (1, 1000.0));
        assert_eq!(scalars(&events[2])[0], Scalar { tag: "epoch_loss".into(), simple_value: 40.0 });
        assert_eq!(scalars(&events[2])[1], Scalar { tag: "epoch_mae".into(), simple_value: 4.0 });
    }
}
