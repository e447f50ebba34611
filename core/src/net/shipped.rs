//! Networks that come as lists of layers, with the names of their weights in PyTorch.

use super::layer::{LayerSpec, Padding};
use super::network::NamedLayer;

/// Added to the variance of batch norm, as in PyTorch.
const EPSILON: f64 = 1e-5;

/// A list of layers in the making.
#[derive(Default)]
struct List(Vec<NamedLayer>);

impl List {
    fn push(&mut self, name: impl Into<String>, layer: LayerSpec) {
        self.0.push(NamedLayer { name: name.into(), layer });
    }

    fn conv(&mut self, name: impl Into<String>, filters: usize, kernel: usize, stride: usize, bias: bool) {
        let (kernel, stride, padding) = ([kernel; 2], [stride; 2], Padding::Pixels([kernel / 2; 2]));
        self.push(name, LayerSpec::Conv { filters, kernel, stride, padding, bias });
    }

    fn batch_norm(&mut self, name: impl Into<String>) {
        self.push(name, LayerSpec::BatchNorm { epsilon: EPSILON });
    }

    fn halve(&mut self, name: impl Into<String>) {
        self.push(name, LayerSpec::MaxPool { kernel: [2; 2], stride: [2; 2], padding: Padding::Valid });
    }

    fn dense(&mut self, name: impl Into<String>, units: usize) {
        self.push(name, LayerSpec::Dense { units, bias: true });
    }

    /// ResNet's block of two convolutions, whose shortcut has a convolution where the size changes.
    fn basic_block(&mut self, name: &str, filters: usize, stride: usize, resized: bool) {
        self.push(format!("{name}.branch"), LayerSpec::Branch);
        self.conv(format!("{name}.conv1"), filters, 3, stride, false);
        self.batch_norm(format!("{name}.bn1"));
        self.push(format!("{name}.relu1"), LayerSpec::Relu);
        self.conv(format!("{name}.conv2"), filters, 3, 1, false);
        self.batch_norm(format!("{name}.bn2"));
        self.push(format!("{name}.shortcut"), LayerSpec::Shortcut);
        if resized {
            self.conv(format!("{name}.downsample.0"), filters, 1, stride, false);
            self.batch_norm(format!("{name}.downsample.1"));
        }
        self.push(name, LayerSpec::Sum);
        self.push(format!("{name}.relu2"), LayerSpec::Relu);
    }
}

/// ResNet-18 (He et al. 2016, doi 10.1109/CVPR.2016.90) as in torchvision.
pub fn resnet18(outputs: usize) -> Vec<NamedLayer> {
    let mut list = List::default();
    list.conv("conv1", 64, 7, 2, false);
    list.batch_norm("bn1");
    list.push("relu", LayerSpec::Relu);
    list.push("maxpool", LayerSpec::MaxPool { kernel: [3; 2], stride: [2; 2], padding: Padding::Pixels([1; 2]) });
    for (index, filters) in [64, 128, 256, 512].into_iter().enumerate() {
        let resized = index > 0;
        list.basic_block(&format!("layer{}.0", index + 1), filters, 1 + usize::from(resized), resized);
        list.basic_block(&format!("layer{}.1", index + 1), filters, 1, false);
    }
    list.push("avgpool", LayerSpec::GlobalAvgPool);
    list.dense("fc", outputs);
    list.0
}

/// VGG-11 (Simonyan and Zisserman 2015, arXiv 1409.1556) as in torchvision, whose average pooling makes 7 x 7 pixels of any size.
pub fn vgg11(outputs: usize) -> Vec<NamedLayer> {
    let mut list = List::default();
    let mut place = 0;
    for block in [&[64][..], &[128], &[256, 256], &[512, 512], &[512, 512]] {
        for &filters in block {
            list.conv(format!("features.{place}"), filters, 3, 1, true);
            list.push(format!("features.{}", place + 1), LayerSpec::Relu);
            place += 2;
        }
        list.halve(format!("features.{place}"));
        place += 1;
    }
    list.push("avgpool", LayerSpec::AdaptiveAvgPool { output: [7; 2] });
    list.push("flatten", LayerSpec::Flatten);
    for place in [0, 3] {
        list.dense(format!("classifier.{place}"), 4096);
        list.push(format!("classifier.{}", place + 1), LayerSpec::Relu);
        list.push(format!("classifier.{}", place + 2), LayerSpec::Dropout { rate: 0.5 });
    }
    list.dense("classifier.6", outputs);
    list.0
}

/// SFCN (Peng et al. 2021, doi 10.1016/j.media.2020.101871) for images of two dimensions, with the names of its authors' code.
pub fn sfcn(outputs: usize) -> Vec<NamedLayer> {
    let mut list = List::default();
    for (index, filters) in [32, 64, 128, 256, 256, 64].into_iter().enumerate() {
        let (name, last) = (format!("feature_extractor.conv_{index}"), index == 5);
        list.conv(format!("{name}.0"), filters, if last { 1 } else { 3 }, 1, true);
        list.batch_norm(format!("{name}.1"));
        if !last {
            list.halve(format!("{name}.2"));
        }
        list.push(format!("{name}.{}", if last { 2 } else { 3 }), LayerSpec::Relu);
    }
    list.push("classifier.average_pool", LayerSpec::GlobalAvgPool);
    list.push("classifier.dropout", LayerSpec::Dropout { rate: 0.5 });
    list.dense("classifier.conv_6", outputs);
    list.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::NetworkSpec;
    use crate::raster::ImageShape;

    /// The numbers of parameters that torchvision tells of its networks for 1000 classes, less those of the other outputs.
    #[test]
    fn shipped_networks_have_the_parameters_of_torchvision() {
        let trainable = |layers| {
            let network = NetworkSpec::new(ImageShape::new(3, 224, 224), layers).expect("a network");
            let parameters = network.parameters().into_iter().filter(|(name, _)| !name.contains(".running_"));
            parameters.map(|(_, shape)| shape.iter().product::<usize>()).sum::<usize>()
        };
        assert_eq!(trainable(resnet18(1)), 11_689_512 - 999 * 513);
        assert_eq!(trainable(vgg11(1)), 132_863_336 - 999 * 4097);
        let weights = [(1, 32, 9), (32, 64, 9), (64, 128, 9), (128, 256, 9), (256, 256, 9), (256, 64, 1)];
        // Of each convolution weights, biases, and two numbers a channel of batch norm; and 64 weights with a bias.
        let own: usize = weights.iter().map(|(from, to, area)| (from * area + 3) * to).sum();
        let network = NetworkSpec::new(ImageShape::plane(98, 98), sfcn(1)).expect("a network");
        let parameters = network.parameters().into_iter().filter(|(name, _)| !name.contains(".running_"));
        assert_eq!(parameters.map(|(_, shape)| shape.iter().product::<usize>()).sum::<usize>(), own + 65);
    }

    #[test]
    fn names_are_those_of_torchvision() {
        let network = NetworkSpec::new(ImageShape::new(3, 64, 64), resnet18(1)).expect("a network");
        let names: Vec<String> = network.parameters().into_iter().map(|(name, _)| name).collect();
        for name in ["conv1.weight", "bn1.running_var", "layer2.0.downsample.0.weight", "layer4.1.bn2.bias", "fc.bias"]
        {
            assert!(names.iter().any(|own| own == name), "{name}");
        }
        assert!(!names.iter().any(|name| name.contains("layer1.0.downsample") || name == "conv1.bias"));
        let network = NetworkSpec::new(ImageShape::new(3, 64, 64), vgg11(1)).expect("a network");
        let names: Vec<String> = network.parameters().into_iter().map(|(name, _)| name).collect();
        let expected = [0, 3, 6, 8, 11, 13, 16, 18].map(|place| format!("features.{place}.weight"));
        assert!(expected.iter().all(|name| names.contains(name)), "{names:?}");
    }
}
