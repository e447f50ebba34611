"""Networks of PyTorch and Keras as a spec and a weights file of xdlreg.

    import torchvision
    from xdlreg.networks import export_torch

    network = torchvision.models.resnet18(weights="DEFAULT")
    export_torch(network, "net.toml", "net.safetensors")

`export_torch` takes an `nn.Sequential` (also nested), a ResNet of basic or bottleneck blocks, a VGG or an AlexNet of torchvision;
`export_keras` takes a Sequential or functional Keras model without branches. A layer that xdlreg does not have is named in the
`Unsupported` that is raised, and nothing is written. Needs numpy, and the library of the network.
"""
import json
import pathlib
import struct

import numpy as np

__all__ = ["Unsupported", "export", "export_torch", "export_keras", "torch_layers", "keras_layers", "write_spec", "write_safetensors"]


class Unsupported(ValueError):
    """A layer that cannot be converted; the message names it."""


def export(network, name):
    """Writes a PyTorch module or a Keras model as NAME.toml and NAME.safetensors, and returns both paths."""
    spec, weights = pathlib.Path(f"{name}.toml"), pathlib.Path(f"{name}.safetensors")
    libraries = {base.__module__.split(".")[0] for base in type(network).__mro__}
    if "torch" in libraries and hasattr(network, "state_dict"):
        export_torch(network, spec, weights)
    elif libraries & {"keras", "tensorflow", "tf_keras"}:
        export_keras(network, spec, weights)
    else:
        raise Unsupported(f"{type(network).__name__} is neither a module of PyTorch nor a model of Keras")
    return spec, weights


def export_torch(network, spec, weights):
    """Writes a PyTorch network. What it computes in evaluation mode is what xdlreg computes."""
    layers, tensors = torch_layers(network)
    _write(layers, tensors, spec, weights)


def export_keras(model, spec, weights):
    """Writes a Keras model whose images are [rows, columns, channels]; in xdlreg they are [channels, rows, columns]."""
    layers, tensors = keras_layers(model)
    _write(layers, tensors, spec, weights)


def _write(layers, tensors, spec, weights):
    spec, weights = pathlib.Path(spec), pathlib.Path(weights)
    if not layers or layers[-1]["type"] != "dense":
        raise Unsupported("the last layer must be dense (Linear, Dense): xdlreg explains what it puts out")
    if layers[-1]["units"] not in (1, 2):
        raise Unsupported(f"the last layer has {layers[-1]['units']} units: xdlreg has 1 for a regression and 2 for two classes")
    write_safetensors(tensors, weights)
    try:
        path = weights.resolve().relative_to(spec.resolve().parent)
    except ValueError:
        path = weights.resolve()
    write_spec(layers, path.as_posix(), spec)


# PyTorch


def torch_layers(network):
    """The layers of a PyTorch network as tables of `[[model.layers]]`, and its tensors by name as float32 arrays."""
    found = _Torch()
    kind = type(network).__name__
    if kind == "ResNet":
        found.resnet(network)
    elif kind in ("VGG", "AlexNet"):
        found.walk(network.features, "features.")
        found.walk(network.avgpool, "avgpool")
        found.add("flatten")
        found.walk(network.classifier, "classifier.")
    else:
        found.walk(network, "")
    return found.layers, found.tensors


class _Torch:
    def __init__(self):
        self.layers, self.tensors = [], {}

    def add(self, kind, name=None, **settings):
        named = {"name": name} if name else {}
        self.layers.append({"type": kind, **named, **settings})

    def keep(self, name, module, parts):
        for part in parts:
            tensor = getattr(module, part)
            if tensor is not None:
                self.tensors[f"{name}.{part}"] = tensor.detach().cpu().double().numpy().astype(np.float32)

    def walk(self, module, prefix):
        """Adds a module; `prefix` is its name, which ends with a dot where modules are inside."""
        kind, name = type(module).__name__, prefix.rstrip(".")
        if kind == "Sequential":
            inside = f"{name}." if name else ""
            for child, layer in module.named_children():
                self.walk(layer, f"{inside}{child}")
        elif kind in ("BasicBlock", "Bottleneck"):
            self.block(module, name)
        else:
            self.layer(kind, module, name)

    def layer(self, kind, module, name):
        refuse = lambda why: _refuse(name or kind, kind, why)
        if kind == "Conv2d":
            if module.groups != 1 or _pair(module.dilation) != [1, 1]:
                refuse("groups and dilation must be 1")
            if module.padding_mode != "zeros":
                refuse('padding_mode must be "zeros"')
            padding = module.padding if isinstance(module.padding, str) else _pair(module.padding)
            if padding == "same" and _pair(module.stride) != [1, 1]:
                refuse('padding "same" needs a stride of 1')
            self.add("conv", name, filters=module.out_channels, kernel=_pair(module.kernel_size), stride=_pair(module.stride),
                     padding=padding, bias=module.bias is not None)
            self.keep(name, module, ["weight", "bias"])
        elif kind == "Linear":
            self.add("dense", name, units=module.out_features, bias=module.bias is not None)
            self.keep(name, module, ["weight", "bias"])
        elif kind in ("BatchNorm1d", "BatchNorm2d"):
            if not module.affine or not module.track_running_stats:
                refuse("it must have weights and running statistics")
            self.add("batch_norm", name, epsilon=module.eps)
            self.keep(name, module, ["weight", "bias", "running_mean", "running_var"])
        elif kind == "ReLU":
            self.add("relu", name)
        elif kind == "LeakyReLU":
            self.add("leaky_relu", name, slope=module.negative_slope)
        elif kind == "ELU":
            self.add("elu", name, alpha=module.alpha)
        elif kind in ("MaxPool2d", "AvgPool2d"):
            if module.ceil_mode:
                refuse("ceil_mode must be off")
            if kind == "MaxPool2d" and _pair(module.dilation) != [1, 1]:
                refuse("dilation must be 1")
            if kind == "AvgPool2d" and (module.divisor_override or (not module.count_include_pad and _pair(module.padding) != [0, 0])):
                refuse("count_include_pad must be on, without divisor_override")
            self.add("max_pool" if kind == "MaxPool2d" else "avg_pool", name, kernel=_pair(module.kernel_size),
                     stride=_pair(module.stride), padding=_pair(module.padding))
        elif kind == "AdaptiveAvgPool2d":
            output = _pair(module.output_size)
            if None in output:
                refuse("its output size must be given in full")
            self.add("avg_pool", name, output=output)
        elif kind == "Flatten":
            if module.start_dim != 1 or module.end_dim != -1:
                refuse("it must flatten all but the batch")
            self.add("flatten", name)
        elif kind in ("Dropout", "Dropout2d"):
            self.add("dropout", name, rate=module.p)
        elif kind == "Identity":
            pass
        else:
            refuse("xdlreg has no such layer, or does not know the order of what is inside it; wrap it in an nn.Sequential")

    def resnet(self, network):
        for name in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"):
            self.walk(getattr(network, name), name)
        self.walk(network.avgpool, "avgpool")
        self.add("flatten")
        self.walk(network.fc, "fc")

    def block(self, module, name):
        branch, shortcut = _Torch(), _Torch()
        count = 2 if type(module).__name__ == "BasicBlock" else 3
        for number in range(1, count + 1):
            branch.walk(getattr(module, f"conv{number}"), f"{name}.conv{number}")
            branch.walk(getattr(module, f"bn{number}"), f"{name}.bn{number}")
            if number < count:
                branch.walk(module.relu, f"{name}.relu{number}")
        if module.downsample is not None:
            shortcut.walk(module.downsample, f"{name}.downsample")
        self.add("residual", name, branch=branch.layers, **({"shortcut": shortcut.layers} if shortcut.layers else {}))
        self.tensors.update(branch.tensors | shortcut.tensors)
        self.walk(module.relu, f"{name}.relu{count}")


def _pair(value):
    return list(value) if isinstance(value, (tuple, list)) else [value, value]


def _refuse(name, kind, why):
    raise Unsupported(f"the layer `{name}` ({kind}) cannot be converted: {why}")


# Keras


def keras_layers(model):
    """The layers of a Keras model as tables of `[[model.layers]]`, and its tensors by name as float32 arrays.

    Kernels [rows, columns, channels, filters] become [filters, channels, rows, columns]. Features of a flattened image are in the
    order row, column, channel in Keras and channel, row, column here: the dense layer behind has its columns rearranged.
    """
    layers, tensors, flattened = [], {}, None
    for layer in model.layers:
        kind, name, config = type(layer).__name__, layer.name, layer.get_config()
        refuse = lambda why: _refuse(name, kind, why)
        nodes = getattr(layer, "_inbound_nodes", [])
        if any(_is_list(node) for node in nodes) or kind in ("Add", "Concatenate"):
            refuse("xdlreg reads Keras models without branches")
        if config.get("data_format", "channels_last") != "channels_last":
            refuse("data_format must be channels_last")
        own, activation = layer.get_weights(), config.get("activation")
        if kind == "InputLayer":
            continue
        if kind == "Conv2D":
            if config["groups"] != 1 or list(config["dilation_rate"]) != [1, 1]:
                refuse("groups and dilation must be 1")
            layers.append({"type": "conv", "name": name, "filters": config["filters"], "kernel": list(config["kernel_size"]),
                           "stride": list(config["strides"]), "padding": config["padding"], "bias": config["use_bias"]})
            tensors[f"{name}.weight"] = own[0].transpose(3, 2, 0, 1)
        elif kind == "Dense":
            layers.append({"type": "dense", "name": name, "units": config["units"], "bias": config["use_bias"]})
            kernel = own[0]
            if flattened is not None:
                rows, cols, channels = flattened
                kernel = kernel.reshape(rows, cols, channels, -1).transpose(2, 0, 1, 3).reshape(rows * cols * channels, -1)
                flattened = None
            tensors[f"{name}.weight"] = kernel.T
        elif kind == "BatchNormalization":
            if flattened is not None:
                refuse("put it before Flatten: features have another order in xdlreg")
            layers.append({"type": "batch_norm", "name": name, "epsilon": config["epsilon"]})
            channels, own = len(own[-1]), list(own)
            gamma = own.pop(0) if config["scale"] else np.ones(channels)
            beta = own.pop(0) if config["center"] else np.zeros(channels)
            parts = zip(("weight", "bias", "running_mean", "running_var"), (gamma, beta, *own))
            tensors.update({f"{name}.{part}": values for part, values in parts})
        elif kind in ("MaxPooling2D", "AveragePooling2D"):
            layers.append({"type": "max_pool" if kind[0] == "M" else "avg_pool", "name": name, "kernel": list(config["pool_size"]),
                           "stride": list(config["strides"]), "padding": config["padding"]})
        elif kind == "GlobalAveragePooling2D":
            layers.append({"type": "global_avg_pool", "name": name})
        elif kind == "Flatten":
            shape = tuple(layer.input.shape)[1:] if hasattr(layer.input, "shape") else layer.input_shape[1:]
            flattened = shape if len(shape) == 3 else None
            layers.append({"type": "flatten", "name": name})
        elif kind == "Dropout":
            layers.append({"type": "dropout", "name": name, "rate": config["rate"]})
        elif kind in ("ReLU", "LeakyReLU", "ELU", "Activation"):
            _keras_activation(layers, layer, kind, name, config, refuse)
        else:
            refuse("xdlreg has no such layer")
        if kind in ("Conv2D", "Dense"):
            if config["use_bias"]:
                tensors[f"{name}.bias"] = own[1]
            if activation in ("relu", "elu"):
                layers.append({"type": activation, "name": f"{name}.activation"})
            elif activation not in ("linear", None) and not (activation == "softmax" and layer is model.layers[-1]):
                refuse(f"xdlreg has no activation {activation!r}")
    return layers, {name: np.ascontiguousarray(values, np.float32) for name, values in tensors.items()}


def _keras_activation(layers, layer, kind, name, config, refuse):
    if kind == "ReLU":
        if config.get("max_value") is not None or config.get("threshold"):
            refuse("max_value and threshold must be left out")
        slope = float(config.get("negative_slope") or 0)
        layers.append({"type": "leaky_relu", "name": name, "slope": slope} if slope else {"type": "relu", "name": name})
    elif kind == "LeakyReLU":
        layers.append({"type": "leaky_relu", "name": name, "slope": float(config.get("alpha", config.get("negative_slope")))})
    elif kind == "ELU":
        layers.append({"type": "elu", "name": name, "alpha": float(config["alpha"])})
    elif config["activation"] in ("relu", "elu"):
        layers.append({"type": config["activation"], "name": name})
    elif config["activation"] != "linear":
        refuse(f"xdlreg has no activation {config['activation']!r}")


def _is_list(node):
    inputs = getattr(node, "input_tensors", None)
    return isinstance(inputs, (list, tuple)) and len(inputs) > 1


# Files


def write_spec(layers, weights, path):
    """Writes a spec whose `[model]` has these layers and weights, and which leaves the weights as they are."""
    lines = "".join(f"    {_toml(layer)},\n" for layer in layers)
    task = 'task = "classification"\n' if layers[-1].get("units") == 2 else ""
    pathlib.Path(path).write_text(
        f'[model]\n{task}architecture = "layers"\nweights = {json.dumps(weights)}\nlayers = [\n{lines}]\n\n[train]\nepochs = 0\n'
    )


def _toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, str) else repr(value)


def write_safetensors(tensors, path):
    """Writes float32 arrays by name in the safetensors format: the length of a header, the header as JSON, the values."""
    header, end = {}, 0
    for name, values in tensors.items():
        start, end = end, end + 4 * values.size
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for values in tensors.values():
            file.write(np.ascontiguousarray(values, "<f4").tobytes())
