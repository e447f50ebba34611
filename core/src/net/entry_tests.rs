//! Entries of layers, and the networks that they are.

use super::*;
use crate::net::{NetworkError, NetworkSpec};
use crate::raster::ImageShape;

fn network(entries: &[LayerEntry], input: ImageShape) -> Result<NetworkSpec, NetworkError> {
    NetworkSpec::new(input, layers(entries).into_iter().map(|(_, layer)| layer).collect())
}

fn entries(text: &str) -> Vec<LayerEntry> {
    #[derive(Deserialize)]
    struct Model {
        layers: Vec<LayerEntry>,
    }
    toml::from_str::<Model>(&format!("layers = [{text}]")).expect("well-formed layers").layers
}

const SMALL: &str = "{ type = 'conv', filters = 4 }, { type = 'relu' }, { type = 'max_pool' }, \
                     { type = 'conv', filters = 8, kernel = [3, 5], stride = 2, padding = 'valid', name = 'second' }, \
                     { type = 'flatten' }, { type = 'dropout' }, { type = 'dense', units = 1, bias = false }";

#[test]
fn entries_are_layers_with_their_defaults() {
    let small = entries(SMALL);
    assert_eq!(validate(&small), []);
    let network = network(&small, ImageShape::new(3, 64, 80)).unwrap();
    let names: Vec<&str> = network.layers.iter().map(|named| named.name.as_str()).collect();
    assert_eq!(names, ["conv1", "relu1", "pool1", "second", "flatten1", "dropout1", "dense1"]);
    let outputs: Vec<usize> = network.placed().map(|placed| placed.output.values()).collect();
    assert_eq!(outputs, [4 * 64 * 80, 4 * 64 * 80, 4 * 32 * 40, 8 * 15 * 18, 2160, 2160, 1]);
    assert_eq!(network.layers[5].layer, LayerSpec::Dropout { rate: 0.5 });
    assert_eq!(network.layers[6].layer, LayerSpec::Dense { units: 1, bias: false });
}

#[test]
fn what_a_type_does_not_read_is_refused_where_it_stands() {
    for (entry, key, said) in [
        ("type = 'relu', filters = 3", "0.filters", "has no settings"),
        ("type = 'dense', units = 3, kernel = 3", "0.kernel", "reads units, bias"),
        ("type = 'dropout', rate = 1.0", "0.rate", ""),
        ("type = 'conv'", "0", "filters = 16"),
        ("type = 'dense'", "0", "units = 16"),
        ("type = 'flatten', name = ''", "0.name", ""),
        ("type = 'elu', alpha = 0.0", "0.alpha", ""),
        ("type = 'leaky_relu', slope = -0.1", "0.slope", ""),
        ("type = 'avg_pool', output = 2, stride = 1", "0.stride", "leave out `stride` or `output`"),
        ("type = 'residual'", "0", "branch = ["),
        ("type = 'residual', branch = [{ type = 'relu', units = 2 }]", "0.branch.0.units", "has no settings"),
    ] {
        let invalid = validate(&entries(&format!("{{ {entry} }}")));
        assert_eq!(invalid.len(), 1, "{entry}: {invalid:?}");
        assert_eq!(invalid[0].key, format!("model.layers.{key}"));
        assert!(invalid[0].help.contains(said), "{}", invalid[0].help);
    }
}

#[test]
fn residual_blocks_are_opened_out_with_the_places_of_their_layers() {
    let nested = entries(
        "{ type = 'conv', filters = 4 }, { type = 'residual', name = 'block', \
         branch = [{ type = 'conv', filters = 6, stride = 2 }, { type = 'residual', branch = [{ type = 'relu' }] }], \
         shortcut = [{ type = 'avg_pool' }, { type = 'conv', filters = 6, kernel = 1, bias = false }] }, \
         { type = 'global_avg_pool' }, { type = 'dense', units = 1 }",
    );
    assert_eq!(validate(&nested), []);
    let flat = layers(&nested);
    let found: Vec<(&str, &str)> = flat.iter().map(|(place, layer)| (place.as_str(), layer.name.as_str())).collect();
    assert_eq!(
        found[..8],
        [
            ("model.layers.0", "conv1"),
            ("model.layers.1", "block.branch"),
            ("model.layers.1.branch.0", "conv2"),
            ("model.layers.1.branch.1", "residual2.branch"),
            ("model.layers.1.branch.1.branch.0", "relu1"),
            ("model.layers.1.branch.1", "residual2.shortcut"),
            ("model.layers.1.branch.1", "residual2"),
            ("model.layers.1", "block.shortcut"),
        ]
    );
    let image = ImageShape::new(3, 8, 10);
    let outputs: Vec<usize> = network(&nested, image).unwrap().placed().map(|placed| placed.output.values()).collect();
    assert_eq!(outputs, [320, 320, 120, 120, 120, 120, 120, 320, 80, 120, 120, 6, 1]);
    let unlike = entries(
        "{ type = 'residual', name = 'block', branch = [{ type = 'conv', filters = 6 }] }, \
         { type = 'flatten' }, { type = 'dense', units = 1 }",
    );
    let error = network(&unlike, image).unwrap_err();
    assert_eq!(layers(&unlike)[error.position().unwrap()].0, "model.layers.0");
    let message = "the branch makes 6 x 8 x 10 (channels, rows, columns) of it, but the shortcut 3 x 8 x 10";
    assert!(error.to_string().contains(message), "{error}");
}
