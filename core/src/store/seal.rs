//! Seals: checksums inside the files that they are of, so that damage to the file is noticed.

/// What is wrong with a sealed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its contents do not match its checksum")]
pub struct Broken;

const BEFORE: &[u8] = b",\"blake3\":\"";
const AFTER: &[u8] = b"\"}";
/// Hexadecimal digits of a checksum.
const DIGITS: usize = 64;

/// Adds to a JSON object, as a last member `blake3`, the checksum of all the bytes before that member.
///
/// # Panics
/// Panics where the text is not an object with at least one member.
pub fn seal(json: &[u8]) -> Vec<u8> {
    let head = json.trim_ascii_end().strip_suffix(b"}").expect("an object ends with a brace").trim_ascii_end();
    assert!(!head.ends_with(b"{"), "an object with members");
    [head, BEFORE, blake3::hash(head).to_hex().as_bytes(), AFTER].concat()
}

/// The object that was sealed, as JSON. A file of an earlier version has no seal and is returned as it is.
///
/// # Errors
/// [`Broken`] where the checksum is that of other contents.
pub fn unseal(json: &[u8]) -> Result<Vec<u8>, Broken> {
    let Some((head, digest)) = split(json) else { return Ok(json.to_vec()) };
    if blake3::hash(head).to_hex().as_bytes() != digest {
        return Err(Broken);
    }
    Ok([head, b"}"].concat())
}

/// What was sealed, without its closing brace, and its checksum.
fn split(json: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = json.trim_ascii_end().strip_suffix(AFTER)?;
    let (rest, digest) = rest.split_at_checked(rest.len().checked_sub(DIGITS)?)?;
    Some((rest.strip_suffix(BEFORE)?, digest))
}

/// Puts the checksum of some bytes before them.
pub fn seal_bytes(bytes: &[u8]) -> Vec<u8> {
    [blake3::hash(bytes).as_bytes(), bytes].concat()
}

/// The bytes that were sealed.
///
/// # Errors
/// [`Broken`] where the checksum is that of other bytes, or there is none.
pub fn unseal_bytes(sealed: &[u8]) -> Result<&[u8], Broken> {
    let (digest, bytes) = sealed.split_first_chunk::<{ blake3::OUT_LEN }>().ok_or(Broken)?;
    if blake3::hash(bytes) == *digest { Ok(bytes) } else { Err(Broken) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn whatever_byte_changes_is_noticed() {
        let object = json!({ "name": "quick\"start", "values": [1.5, null, { "inner": true }] });
        for text in [serde_json::to_vec(&object).unwrap(), serde_json::to_vec_pretty(&object).unwrap()] {
            let sealed = seal(&text);
            let unsealed: Value = serde_json::from_slice(&unseal(&sealed).unwrap()).unwrap();
            assert_eq!(unsealed, object);
            assert!(serde_json::from_slice::<Value>(&sealed).unwrap()["blake3"].is_string(), "it still is JSON");
            for place in 0..sealed.len() {
                for bit in 0..8 {
                    let mut damaged = sealed.clone();
                    damaged[place] ^= 1 << bit;
                    let read = unseal(&damaged).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
                    // Without a seal that is recognised there is a member too many, which the reader refuses.
                    let intact = read.is_none_or(|read| read == object || read.as_object().unwrap().len() == 3);
                    assert!(intact, "bit {bit} of byte {place}: {}", String::from_utf8_lossy(&damaged));
                }
                assert!(
                    unseal(&sealed[..place]).is_err() || serde_json::from_slice::<Value>(&sealed[..place]).is_err()
                );
            }
            assert_eq!(unseal(&text).unwrap(), text, "a file of an earlier version");
        }
    }

    #[test]
    fn bytes_come_back_only_as_they_were() {
        let sealed = seal_bytes(b"state");
        assert_eq!(unseal_bytes(&sealed), Ok(&b"state"[..]));
        for place in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[place] ^= 1;
            assert_eq!((unseal_bytes(&damaged), unseal_bytes(&sealed[..place])), (Err(Broken), Err(Broken)));
        }
    }
}
