//! Archives made byte by byte, as honest programs and others make them.

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use rand::RngExt;

use super::*;
use crate::seed;

const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// A member, as its headers claim it to be.
#[derive(Clone)]
struct Member {
    name: &'static str,
    method: u16,
    flags: u16,
    crc: u32,
    /// Claimed.
    size: u64,
    /// As in the file.
    data: Vec<u8>,
    /// Whether sizes are kept in 64 bits.
    is_long: bool,
}

impl Member {
    fn stored(name: &'static str, contents: &[u8]) -> Self {
        let mut crc = flate2::Crc::new();
        crc.update(contents);
        let (crc, size, data) = (crc.sum(), contents.len() as u64, contents.to_vec());
        Self { name, method: STORED, flags: 0, crc, size, data, is_long: false }
    }

    fn deflated(name: &'static str, contents: &[u8], level: u32) -> Self {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
        encoder.write_all(contents).unwrap();
        Self { method: DEFLATED, data: encoder.finish().unwrap(), ..Self::stored(name, contents) }
    }
}

/// A zip file (APPNOTE.TXT, sections 4.3.7 to 4.3.16).
fn zip(members: &[Member]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for member in members {
        let start = file.len() as u32;
        let packed = member.data.len() as u64;
        // With flag 8, sizes and checksum follow the data.
        let follows = member.flags & 8 != 0;
        let known = |value: u64| if follows { 0 } else { value };
        let sizes = |packed: u64, size: u64| match member.is_long {
            true => [u32::MAX.to_le_bytes(), u32::MAX.to_le_bytes()].concat(),
            false => [(packed as u32).to_le_bytes(), (size as u32).to_le_bytes()].concat(),
        };
        let extra = match member.is_long {
            true => [&[1, 0, 16, 0], &member.size.to_le_bytes()[..], &packed.to_le_bytes()].concat(),
            false => Vec::new(),
        };
        let head = |crc: u32, packed: u64, size: u64| {
            let version = [45_u16, member.flags, member.method, 0, 0x21].map(u16::to_le_bytes).concat();
            let lengths = [member.name.len() as u16, extra.len() as u16].map(u16::to_le_bytes).concat();
            [&version[..], &crc.to_le_bytes(), &sizes(packed, size), &lengths].concat()
        };
        file.extend(
            [b"PK\x03\x04", &head(known(member.crc.into()) as u32, known(packed), known(member.size))[..]].concat(),
        );
        file.extend([member.name.as_bytes(), &extra, &member.data].concat());
        if follows {
            file.extend([b"PK\x07\x08", &member.crc.to_le_bytes()[..], &sizes(packed, member.size)].concat());
        }
        directory.extend([b"PK\x01\x02\x2d\x00", &head(member.crc, packed, member.size)[..]].concat());
        directory.extend([&[0; 10][..], &start.to_le_bytes(), member.name.as_bytes(), &extra].concat());
    }
    let counts = [0, 0, members.len() as u16, members.len() as u16].map(u16::to_le_bytes).concat();
    let (size, start) = ((directory.len() as u32).to_le_bytes(), (file.len() as u32).to_le_bytes());
    [file, directory, b"PK\x05\x06".to_vec(), counts, size.to_vec(), start.to_vec(), vec![0; 2]].concat()
}

fn open(bytes: &[u8]) -> Result<Npz, NpzError> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    Npz::open(file)
}

/// The values of the array "images".
fn read(members: &[Member]) -> Result<Vec<f32>, NpzError> {
    open(&zip(members))?.read("images", |array| array.all())
}

/// Values that do not compress to nothing.
fn values() -> Vec<f32> {
    (0..5000).map(|k| (k as f32).sin()).collect()
}

fn array(values: &[f32]) -> Vec<u8> {
    let mut bytes = Vec::new();
    super::super::npy::write_array(&[values.len()], values, &mut bytes).unwrap();
    bytes
}

#[test]
fn members_of_every_make_are_read() {
    let (array, values) = (array(&values()), values());
    for (what, member) in [
        ("stored", Member::stored("images.npy", &array)),
        ("deflated", Member::deflated("images.npy", &array, 6)),
        ("deflated without compression", Member::deflated("images.npy", &array, 0)),
        ("sizes behind", Member { flags: 8, ..Member::deflated("images.npy", &array, 6) }),
        ("long", Member { is_long: true, ..Member::stored("images.npy", &array) }),
        ("long and deflated", Member { is_long: true, ..Member::deflated("images.npy", &array, 6) }),
    ] {
        let folder = Member::stored("more/", b"");
        let text = Member::stored("more/notes.txt", b"not an array");
        let members = [folder, member, text, Member::stored("more/ages.npy", b"no array")];
        assert_eq!(read(&members).unwrap(), values, "{what}");
        assert_eq!(open(&zip(&members)).unwrap().names(), ["images", "more/ages"]);
    }
    assert!(open(&zip(&[])).unwrap().names().is_empty());
}

#[test]
fn damage_is_noticed_by_the_checksum() {
    let array = array(&values());
    let kinds = [
        Member::stored("images.npy", &array),
        // Blocks that are not compressed: what is damaged decompresses all the same.
        Member::deflated("images.npy", &array, 0),
        Member::deflated("images.npy", &array, 6),
    ];
    for member in kinds {
        for at in [200, member.data.len() / 2, member.data.len() - 20] {
            let mut damaged = member.clone();
            damaged.data[at] ^= 1;
            let error = read(&[damaged]).unwrap_err();
            assert!(matches!(error, NpzError::Damaged { .. }), "byte {at} of {}: {error}", member.method);
        }
        let error = read(&[Member { crc: member.crc ^ 1, ..member }]).unwrap_err().to_string();
        assert!(error.contains("array \"images\" is damaged: Invalid checksum"), "{error}");
    }
}

#[test]
fn sizes_that_are_not_true_are_refused() {
    let array = array(&values());
    let (stored, deflated) = (Member::stored("images.npy", &array), Member::deflated("images.npy", &array, 6));
    let size = array.len() as u64;
    for member in [
        Member { size: size + 1, ..stored.clone() },
        Member { size: size - 4, ..stored.clone() },
        Member { size: size + 4, ..deflated.clone() },
        Member { size: size - 4, ..deflated.clone() },
        Member { size: u64::MAX, is_long: true, ..deflated.clone() },
        Member { size: 1 << 40, is_long: true, ..stored.clone() },
    ] {
        let (claimed, error) = (member.size, read(&[member]).unwrap_err());
        assert!(matches!(error, NpzError::Damaged { .. } | NpzError::Array { .. }), "{claimed}: {error}");
    }
    // The header inside claims more than the member has, and less.
    let mut longer = array.clone();
    longer.extend([0; 4]);
    for contents in [&array[..array.len() - 4], &longer] {
        for member in [Member::stored("images.npy", contents), Member::deflated("images.npy", contents, 6)] {
            let error = read(&[member]).unwrap_err();
            assert!(matches!(error, NpzError::Array { .. }), "{error}");
        }
    }
    // The archive and the header inside agree, but there is more than both say.
    let member = Member { size: array.len() as u64, ..Member::deflated("images.npy", &longer, 6) };
    let error = read(&[member]).unwrap_err();
    assert!(matches!(error, NpzError::Damaged { .. } | NpzError::Array { .. }), "{error}");
}

#[test]
fn what_would_fill_memory_is_refused_before_it_does() {
    let bomb = Member { size: 2 << 30, ..Member::deflated("images.npy", &vec![7; 3 << 20], 0) };
    let error = read(&[bomb]).unwrap_err();
    assert!(matches!(error, NpzError::Bomb { length: 0x8000_0000, .. }), "{error}");
    let impossible = Member { size: 1 << 27, ..Member::deflated("images.npy", &array(&values()), 6) };
    assert!(matches!(read(&[impossible]), Err(NpzError::Damaged { .. })));
}

#[test]
fn archives_that_cannot_be_read_say_why() {
    let array = array(&values());
    let member = Member::stored("images.npy", &array);
    let why = |members: &[Member]| read(members).unwrap_err().to_string();
    assert_eq!(
        why(&[Member { flags: 1, ..member.clone() }]),
        "array \"images\" is encrypted; save it without a password"
    );
    assert_eq!(why(&[member.clone(), member.clone()]), "has two arrays of the same name");
    let bzip2 = why(&[Member { method: 12, ..member.clone() }]);
    assert!(bzip2.contains("not supported"), "{bzip2}");
    assert_eq!(why(&[Member { name: "pictures.npy", ..member }]), "has no array \"images\"; there are: [\"pictures\"]");
}

#[test]
fn damaged_archives_never_panic_and_give_no_other_numbers() {
    let (array, values) = (array(&values()[..40]), &values()[..40]);
    let mut rng = seed::stream(0, "damage", 0);
    for member in [Member::stored("images.npy", &array), Member::deflated("images.npy", &array, 6)] {
        let whole = zip(&[Member::stored("more/", b""), member]);
        for round in 0..3000 {
            let mut damaged = whole.clone();
            match round % 3 {
                0 => damaged.truncate(rng.random_range(0..whole.len())),
                1 => damaged[rng.random_range(0..whole.len())] ^= 1 << rng.random_range(0..8),
                _ => (0..3).for_each(|_| damaged[rng.random_range(0..whole.len())] = rng.random()),
            }
            let read = open(&damaged).and_then(|mut npz| npz.read("images", |array| array.all::<f32>()));
            if let Ok(read) = read {
                assert_eq!(read, values);
            }
        }
    }
}
