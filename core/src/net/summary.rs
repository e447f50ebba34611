//! What a network is made of, layer by layer: shapes, parameters, multiplications, and how much of the image a value sees.

use super::layer::{LayerSpec, Shape};
use super::network::{NetworkSpec, Placed};
use super::weights::is_trainable;

/// A layer in a table of layers.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerRow {
    pub name: String,
    pub kind: &'static str,
    /// In how many residual blocks it lies.
    pub depth: usize,
    pub output: Shape,
    /// Numbers that training changes.
    pub trainable: u128,
    /// Numbers of its running statistics.
    pub fixed: u128,
    /// Products of an input and a weight for an image, of convolutions and dense layers.
    pub multiplications: u128,
    /// Rows and columns of the image that one of its values depends on, at most all.
    pub field: [usize; 2],
}

/// How much of the image a value sees, and by how many pixels its neighbour's field is shifted: along rows and columns.
#[derive(Debug, Clone, Copy)]
struct Field {
    seen: [usize; 2],
    step: [usize; 2],
}

/// The layers of a network. A residual block is in the line of its sum.
pub fn summary(network: &NetworkSpec) -> Vec<LayerRow> {
    let whole = [network.input.height, network.input.width];
    let mut field = Field { seen: [1; 2], step: [1; 2] };
    let mut waiting: Vec<Field> = Vec::new();
    let mut rows = Vec::new();
    for placed in network.placed() {
        match placed.layer {
            LayerSpec::Branch => waiting.push(field),
            LayerSpec::Shortcut => {
                let branch = std::mem::replace(&mut field, waiting.pop().expect("a block begins with its branch"));
                waiting.push(branch);
            }
            LayerSpec::Sum => {
                let branch = waiting.pop().expect("a sum ends a block");
                field.seen = [0, 1].map(|axis| field.seen[axis].max(branch.seen[axis]));
                rows.push(row(&placed, waiting.len(), field, whole));
            }
            _ => {
                field = after(&placed, field, whole);
                rows.push(row(&placed, waiting.len(), field, whole));
            }
        }
    }
    rows
}

fn after(placed: &Placed, field: Field, whole: [usize; 2]) -> Field {
    let all = Field { seen: whole, step: field.step };
    match (placed.layer, placed.input) {
        (LayerSpec::GlobalAvgPool | LayerSpec::Flatten | LayerSpec::Dense { .. }, _) => all,
        (LayerSpec::AdaptiveAvgPool { output }, Shape::Image(image)) => {
            let sides = [image.height, image.width];
            // The largest of its windows, which begin at floor(i side / output) and end at ceil((i + 1) side / output).
            let largest = [0, 1].map(|axis| {
                let (side, count) = (sides[axis], output[axis]);
                (0..count).map(|i| ((i + 1) * side).div_ceil(count) - i * side / count).max().unwrap_or(1)
            });
            let shift = [0, 1].map(|axis| sides[axis].div_ceil(output[axis]));
            moved(field, largest, shift)
        }
        (layer, _) => match layer.window() {
            Some((kernel, stride, _)) => moved(field, kernel, stride),
            None => field,
        },
    }
}

/// What is seen through a window that moves over values with this field (Dumoulin and Visin 2016, arXiv 1603.07285).
fn moved(field: Field, kernel: [usize; 2], stride: [usize; 2]) -> Field {
    let seen = |axis: usize| field.seen[axis].saturating_add((kernel[axis] - 1).saturating_mul(field.step[axis]));
    let step = |axis: usize| field.step[axis].saturating_mul(stride[axis]);
    Field { seen: [seen(0), seen(1)], step: [step(0), step(1)] }
}

fn row(placed: &Placed, depth: usize, field: Field, whole: [usize; 2]) -> LayerRow {
    let product = |shape: &[usize]| shape.iter().map(|&side| side as u128).product::<u128>();
    let (mut trainable, mut fixed, mut weight) = (0, 0, 0);
    for (part, shape) in placed.layer.parameters(placed.input) {
        let count = product(&shape);
        match is_trainable(&format!("{}.{part}", placed.name)) {
            true => trainable += count,
            false => fixed += count,
        }
        weight += if part == "weight" { count } else { 0 };
    }
    let multiplications = match (placed.layer, placed.output) {
        (LayerSpec::Conv { .. }, Shape::Image(image)) => weight * (image.height * image.width) as u128,
        (LayerSpec::Dense { .. }, _) => weight,
        _ => 0,
    };
    LayerRow {
        name: placed.name.to_owned(),
        kind: placed.layer.kind(),
        depth,
        output: placed.output,
        trainable,
        fixed,
        multiplications,
        field: [0, 1].map(|axis| field.seen[axis].min(whole[axis])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Architecture, ModelSettings};
    use crate::raster::ImageShape;
    use crate::sim::SHAPE;

    /// Sums over the layers: parameters, multiplications.
    fn totals(rows: &[LayerRow]) -> (u128, u128) {
        let sum = |part: fn(&LayerRow) -> u128| rows.iter().map(part).sum();
        (sum(|row| row.trainable), sum(|row| row.multiplications))
    }

    #[test]
    fn pumpkin_net_has_its_published_size() {
        let rows = summary(&ModelSettings::default().network(SHAPE).unwrap());
        let by_hand = [
            98 * 98 * 9 * 16,
            49 * 49 * 9 * 16 * 16,
            25 * 25 * 9 * 16 * 32,
            13 * 13 * 9 * 32 * 64,
            7 * 7 * 64 * 32,
            512 * 64,
            64,
        ];
        assert_eq!(totals(&rows), (60_593, by_hand.iter().sum()));
        // 3, then + 2 by the pool, + 2 * 2 by the convolution of stride 2, and so on.
        let fields: Vec<usize> = rows.iter().take(9).map(|row| row.field[0]).collect();
        assert_eq!(fields, [3, 3, 5, 9, 9, 13, 21, 21, 29]);
        assert_eq!(rows.last().unwrap().field, [98, 98]);
    }

    /// The numbers that torchvision's documentation tells of the networks at 224 x 224 (GFLOPS, counted as multiplications), and
    /// the receptive fields of Araujo et al. 2019, doi 10.23915/distill.00021.
    #[test]
    fn shipped_networks_have_the_multiplications_and_fields_of_the_literature() {
        let of = |architecture, side| {
            let model = ModelSettings { architecture, ..ModelSettings::default() };
            summary(&model.network(ImageShape::new(3, side, side)).unwrap())
        };
        let rows = of(Architecture::Resnet18, 224);
        let (parameters, multiplications) = totals(&rows);
        assert_eq!(parameters, 11_689_512 - 999 * 513);
        assert!((multiplications as f64 / 1e9 - 1.814).abs() < 0.001, "{multiplications}");
        assert!(rows.iter().any(|row| row.kind == "residual" && row.depth == 0));
        assert!(rows.iter().any(|row| row.name == "layer2.0.downsample.0" && row.depth == 1));
        let large = of(Architecture::Resnet18, 512);
        assert_eq!(large.iter().find(|row| row.name == "layer4.1").unwrap().field, [435, 435]);
        let (_, multiplications) = totals(&of(Architecture::Vgg11, 224));
        assert!((multiplications as f64 / 1e9 - 7.609).abs() < 0.005, "{multiplications}");
    }
}
