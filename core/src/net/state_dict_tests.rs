use crate::net::ModelSettings;
use crate::sim::SHAPE;
use half::{bf16, f16};
use safetensors::tensor::serialize;

use super::*;

/// Values that float16 and bfloat16 hold, too.
fn weights(batch_norm: bool) -> Weights {
    // Files of other programs do not tell of dropout.
    let model = ModelSettings { batch_norm, dense_units: 3, dropout: 0.0, ..ModelSettings::default() };
    Weights::build(&model.network(SHAPE).expect("a network"), |name, shape| {
        (0..shape.iter().product()).map(|i| ((i + name.len()) % 7) as f32 * 0.25 - 0.5).collect()
    })
}

type File = Vec<(String, Dtype, Vec<usize>, Vec<u8>)>;

/// The tensors of `weights` under other names and in another type.
fn file(weights: &Weights, prefix: &str, dtype: Dtype) -> File {
    let tensors = weights.parameters().iter().map(|parameter| {
        let bytes = parameter.values.iter().flat_map(|&value| match dtype {
            Dtype::F64 => f64::from(value).to_le_bytes().to_vec(),
            Dtype::F16 => f16::from_f32(value).to_le_bytes().to_vec(),
            Dtype::BF16 => bf16::from_f32(value).to_le_bytes().to_vec(),
            Dtype::I32 => (value as i32).to_le_bytes().to_vec(),
            _ => value.to_le_bytes().to_vec(),
        });
        (format!("{prefix}{}", parameter.name), dtype, parameter.shape.clone(), bytes.collect())
    });
    tensors.collect()
}

fn bytes(file: &File) -> Vec<u8> {
    let views = file
        .iter()
        .map(|(name, dtype, shape, data)| (name, TensorView::new(*dtype, shape.clone(), data).expect("a tensor")));
    serialize(views, None).expect("a file")
}

fn read(file: &File) -> Result<Adapted, WeightsError> {
    adapt(&bytes(file))
}

#[test]
fn a_file_of_our_own_is_taken_as_it_is() {
    for batch_norm in [false, true] {
        let own = weights(batch_norm);
        let read = adapt(&own.to_bytes()).expect("our own file");
        assert_eq!((read.weights, read.note), (own, None));
    }
}

#[test]
fn other_floats_are_converted_and_said_to_be() {
    let own = weights(false);
    for (dtype, name) in [(Dtype::F64, "float64"), (Dtype::F16, "float16"), (Dtype::BF16, "bfloat16")] {
        let read = read(&file(&own, "", dtype)).expect("floats");
        assert_eq!(read.weights, own, "{name}");
        assert_eq!(read.note, Some(format!("tensors of {name} are converted to float32")));
    }
    let mut mixed = file(&own, "", Dtype::F32);
    mixed[3] = file(&own, "", Dtype::F64).remove(3);
    assert_eq!(read(&mixed).expect("floats").weights, own);
    let error = read(&file(&own, "", Dtype::I32)).expect_err("whole numbers");
    assert!(matches!(error, WeightsError::Type { found: Dtype::I32, .. }), "{error}");
    let mut large = file(&own, "", Dtype::F64);
    large[0].3[..8].copy_from_slice(&1e300_f64.to_le_bytes());
    assert!(matches!(read(&large), Err(WeightsError::NotFinite { index: 0, .. })), "beyond float32");
}

#[test]
fn a_prefix_before_all_names_is_dropped() {
    let own = weights(true);
    for prefix in ["module.", "model.", "module.model.", "_orig_mod.", "net.0."] {
        let read = read(&file(&own, prefix, Dtype::F32)).expect("prefixed weights");
        assert_eq!(read.weights, own, "{prefix}");
        assert!(read.note.expect("a note").contains(&format!("{prefix:?}")));
    }
    // A name that is not below the prefix is named as it stands in the file.
    let mut other = file(&own, "model.", Dtype::F32);
    other.push(("loss.weight".into(), Dtype::F32, vec![1], vec![0; 4]));
    let error = read(&other).expect_err("another tensor");
    assert!(matches!(&error, WeightsError::Unexpected { name, .. } if name == "loss.weight"), "{error}");
    let both = [file(&own, "student.", Dtype::F32), file(&own, "teacher.", Dtype::F32)].concat();
    let error = read(&both).expect_err("two networks").to_string();
    assert!(error.contains("[\"student.\", \"teacher.\"]"), "{error}");
    let error = read(&file(&own, "pre", Dtype::F32)).expect_err("names of something else").to_string();
    assert!(error.contains("lack the tensor \"conv1.weight\"") && error.contains("\"prebn1.bias\""), "{error}");
}

#[test]
fn counters_of_batch_norm_are_passed_over() {
    let own = weights(true);
    let mut counted = file(&own, "module.", Dtype::F64);
    for number in 1..=6 {
        let counter = 7_i64.to_le_bytes().to_vec();
        counted.push((format!("module.bn{number}.num_batches_tracked"), Dtype::I64, Vec::new(), counter));
    }
    let read = read(&counted).expect("a state dict");
    assert_eq!(read.weights, own);
    let note = read.note.expect("a note");
    for part in ["num_batches_tracked", "\"module.\"", "float64"] {
        assert!(note.contains(part), "{note}");
    }
}

#[test]
fn files_of_other_formats_are_named() {
    for (start, part) in [
        (&b"PK\x03\x04archive/data.pkl"[..], "torch.load"),
        (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", "torch.load"),
        (b"\x89HDF\r\n\x1a\n", "Keras"),
        (b"\x93NUMPY\x01\x00v\x00", "numpy"),
    ] {
        let error = adapt(start).expect_err("another format").to_string();
        assert!(error.contains(part), "{error}");
    }
    assert!(matches!(adapt(b""), Err(WeightsError::Format(_))));
}

#[test]
fn damaged_files_never_panic_and_a_long_list_of_names_is_cut() {
    use rand::{RngExt, SeedableRng};
    let own = weights(true);
    let whole = own.to_bytes();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().expect("eight bytes")) as usize;
    let mut rng = rand_xoshiro::Xoshiro256PlusPlus::seed_from_u64(0);
    for _ in 0..3000 {
        let mut damaged = whole.clone();
        for _ in 0..rng.random_range(1..4) {
            damaged[rng.random_range(0..header)] = rng.random();
        }
        // What is still understood has the shapes of a network, with values in their places.
        if let Ok(read) = adapt(&damaged) {
            assert!(read.weights.parameters().iter().all(|it| it.values.len() == it.shape.iter().product::<usize>()));
        }
        let length = rng.random_range(0..whole.len());
        assert!(adapt(&whole[..length]).is_err());
    }
    let many: File = (0..500).map(|k| (format!("layer{k}"), Dtype::F32, vec![1], vec![0; 4])).collect();
    let error = read(&many).expect_err("no network").to_string();
    assert!(error.contains("and 480 more") && error.len() < 500, "{error}");
}
