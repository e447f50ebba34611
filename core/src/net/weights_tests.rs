use crate::net::ModelSettings;
use crate::sim::SHAPE;
use safetensors::tensor::serialize;

use super::*;

fn ramp(model: &ModelSettings) -> Weights {
    Weights::build(&model.network(SHAPE).expect("a network"), |name, shape| {
        (0..shape.iter().product()).map(|i| i as f32 * 0.25 - name.len() as f32).collect()
    })
}

type File = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

/// The file of default weights after `edit`, read again.
fn reread(edit: impl FnOnce(&mut File)) -> Result<Weights, WeightsError> {
    let bytes = ramp(&ModelSettings::default()).to_bytes();
    let mut file: File = SafeTensors::deserialize(&bytes)
        .expect("our own file")
        .tensors()
        .into_iter()
        .map(|(name, view)| (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec())))
        .collect();
    edit(&mut file);
    let views = file
        .iter()
        .map(|(name, (dtype, shape, data))| (name, TensorView::new(*dtype, shape.clone(), data).expect("a view")));
    Weights::from_bytes(&serialize(views, None).expect("a file"))
}

#[test]
fn every_architecture_survives_its_file_and_equal_weights_give_equal_bytes() {
    for task in [Task::Regression, Task::Classification] {
        for batch_norm in [false, true] {
            let model = ModelSettings {
                task,
                batch_norm,
                conv_filters: [8, 16, 24, 32, 5],
                dense_units: 7,
                ..ModelSettings::default()
            };
            let weights = ramp(&model);
            let bytes = weights.to_bytes();
            assert_eq!(Weights::from_bytes(&bytes).expect("our own file"), weights);
            assert_eq!(ramp(&model).to_bytes(), bytes);
        }
    }
}

#[test]
fn a_truncated_file_is_refused() {
    let bytes = ramp(&ModelSettings::default()).to_bytes();
    for length in [0, 4, 100, bytes.len() / 2, bytes.len() - 1] {
        let error = Weights::from_bytes(&bytes[..length]).expect_err("a truncated file");
        assert!(matches!(error, WeightsError::Format(_)), "{error}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    let error = reread(|file| drop(file.remove("conv3.bias"))).expect_err("a missing tensor");
    assert!(matches!(&error, WeightsError::Missing { name, .. } if name == "conv3.bias"), "{error}");

    let error = reread(|file| drop(file.insert("extra".into(), (Dtype::F32, vec![1], vec![0; 4]))))
        .expect_err("an unexpected tensor");
    assert!(matches!(&error, WeightsError::Unexpected { name, .. } if name == "extra"), "{error}");

    let error = reread(|file| drop(file.insert("dense.bias".into(), (Dtype::I64, vec![64], vec![0; 512]))))
        .expect_err("a wrong type");
    assert!(matches!(&error, WeightsError::Type { name, found: Dtype::I64 } if name == "dense.bias"), "{error}");

    let error =
        reread(|file| file.get_mut("dense.weight").expect("dense").1 = vec![128, 256]).expect_err("a wrong shape");
    assert_eq!(
        error.to_string(),
        "layer `dense` expects 256 inputs but `pool5` provides 512 (32 x 4 x 4) (tensor \"dense.weight\")"
    );
    let error = reread(|file| {
        let conv = file.get_mut("conv2.weight").expect("conv2");
        conv.1 = vec![conv.1[0], 2 * conv.1[1], 1, conv.1[2] * conv.1[3]];
        conv.2.extend_from_within(..);
    });
    assert!(
        error
            .expect_err("more channels")
            .to_string()
            .starts_with("layer `conv2` expects 32 channels but `pool1` provides 16")
    );
    let error = reread(|file| file.get_mut("conv1.bias").expect("conv1").1 = vec![4, 4]).expect_err("a wrong shape");
    assert!(error.to_string().contains("[4, 4], expected [16]"), "{error}");

    let error = reread(|file| {
        file.get_mut("conv1.weight").expect("conv1").2[8..12].copy_from_slice(&f32::NAN.to_le_bytes());
    })
    .expect_err("a weight that is no number");
    assert!(matches!(&error, WeightsError::NotFinite { name, index: 2, .. } if name == "conv1.weight"), "{error}");
}
