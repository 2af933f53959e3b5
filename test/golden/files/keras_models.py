"""Small models as Keras describes them, their files in the formats of Keras 2 and 3, and what they compute, in float64.

Keras itself is not used: this follows its sources (keras/src/saving/saving_lib.py, keras/src/legacy/saving/legacy_h5_format.py,
keras/src/models/functional.py of Keras 3, and what Keras 2.4 wrote). `evaluate` works on a description alone, so that it also
evaluates models that Keras has written.
"""

import io
import json
import re
import zipfile

import h5py
import numpy as np

# ---- Descriptions: layers with options and weights, and calls: by layer a list of calls, each a list of (layer, call) ----


class Layer:
    def __init__(self, kind, name, options=None, weights=(), trainable=True):
        self.kind, self.name, self.trainable = kind, name, trainable
        self.options = dict(options or {})
        self.weights = list(weights)  # (name, array, whether it is trained)

    def trained(self):
        return [(f"{self.name}/{n}", a) for n, a, t in self.weights if t and self.trainable]

    def fixed(self):
        return [(f"{self.name}/{n}", a) for n, a, t in self.weights if not (t and self.trainable)]


class Net:
    """`calls` is None for a Sequential; `layers` begin with the InputLayer."""

    def __init__(self, name, layers, calls=None, output=None):
        self.name, self.layers, self.calls, self.output = name, layers, calls, output
        self.kind = "Sequential" if calls is None else "Functional"
        if calls is not None:
            self.layers = keras_order(self)

    def trained(self):
        return [w for layer in self.layers for w in layer.trained()]

    def fixed(self):
        return [w for layer in self.layers for w in layer.fixed()]


def keras_order(net):
    """`model.layers`: by depth, then as met from the output on (keras/src/ops/function.py, map_graph)."""
    met, finished, nodes = {}, set(), []

    def visit(name, call):
        if (name, call) in finished:
            return
        met.setdefault(name, len(met))
        for other in net.calls.get(name, [[]])[call]:
            visit(*other)
        finished.add((name, call))
        nodes.append((name, call))

    visit(*net.output)
    node_depth, layer_depth = {}, {}
    for name, call in reversed(nodes):
        depth = max(node_depth.setdefault((name, call), 0), layer_depth.get(name, 0))
        layer_depth[name] = node_depth[name, call] = depth
        for other in net.calls.get(name, [[]])[call]:
            node_depth[other] = max(node_depth.get(other, 0), depth + 1)
    return sorted(net.layers, key=lambda layer: (-layer_depth[layer.name], met[layer.name]))


# ---- Keras's configurations ----


def initializer(kind, version, **config):
    if version == 2:
        return {"class_name": kind, "config": config}
    return {"module": "keras.initializers", "class_name": kind, "config": config, "registered_name": None}


def penalty(version):
    if version == 2:
        return {"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.25}}
    return {"module": "keras.regularizers", "class_name": "L2", "config": {"l2": 0.25}, "registered_name": None}


def all_options(layer, version):
    """The options of a layer as `get_config` returns them: those of `layer.options`, and Keras's defaults for the others."""
    glorot = initializer("GlorotUniform", version, seed=None)
    zeros, ones = initializer("Zeros", version), initializer("Ones", version)
    none = dict.fromkeys(["bias_regularizer", "activity_regularizer", "bias_constraint"])
    kernel = {"activation": "linear", "use_bias": True, "bias_initializer": zeros, **none}
    window = {"strides": [1, 1], "padding": "valid", "data_format": "channels_last", "dilation_rate": [1, 1]}
    pooling = {"pool_size": [2, 2], "padding": "valid", "strides": [2, 2], "data_format": "channels_last"}
    of_kernel = {"kernel_initializer": glorot, "kernel_regularizer": None, "kernel_constraint": None}
    of_depthwise = {"depthwise_initializer": glorot, "depthwise_regularizer": None, "depthwise_constraint": None}
    last = {"data_format": "channels_last"}
    defaults = {
        "Conv2D": {**window, "groups": 1, **kernel, **of_kernel},
        "DepthwiseConv2D": {**window, "depth_multiplier": 1, **kernel, **of_depthwise, **({"groups": 1} if version == 2 else {})},
        "Dense": {**kernel, **of_kernel, **({} if version == 2 else {"quantization_config": None})},
        "BatchNormalization": {
            "axis": [3] if version == 2 else -1,
            "momentum": 0.99,
            "epsilon": 0.001,
            "center": True,
            "scale": True,
            "beta_initializer": zeros,
            "gamma_initializer": ones,
            "moving_mean_initializer": zeros,
            "moving_variance_initializer": ones,
            **dict.fromkeys(["beta_regularizer", "gamma_regularizer", "beta_constraint", "gamma_constraint"]),
            **({} if version == 2 else {"synchronized": False}),
        },
        "MaxPooling2D": pooling,
        "AveragePooling2D": pooling,
        "GlobalAveragePooling2D": {**last, "keepdims": False},
        "Flatten": last,
        "Dropout": {"rate": 0.5, "noise_shape": None, "seed": None},
        "ReLU": {"max_value": None, "negative_slope": 0.0, "threshold": 0.0},
        "Rescaling": {"scale": 1.0, "offset": 0.0},
        "Resizing": {"interpolation": "bilinear", "crop_to_aspect_ratio": False}
        | ({} if version == 2 else {"pad_to_aspect_ratio": False, "fill_mode": "constant", "fill_value": 0.0, "antialias": False, **last}),
        "ZeroPadding2D": last,
        "Softmax": {"axis": -1},
        "Concatenate": {"axis": -1},
    }
    options = {**defaults.get(layer.kind, {}), **layer.options}
    if options.get("kernel_regularizer") == "l2":
        options["kernel_regularizer"] = penalty(version)
    if layer.kind == "LeakyReLU" and version == 2:
        options["alpha"] = options.pop("negative_slope")
    if layer.kind == "InputLayer" and version == 2:
        options["batch_input_shape"] = options.pop("batch_shape")
    dtype = "float32"
    if version == 3 and layer.kind != "InputLayer":
        dtype = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}, "registered_name": None}
    if layer.kind == "InputLayer":
        return {"dtype": dtype, "sparse": False, "ragged": False, "name": layer.name, **options}
    return {"name": layer.name, "trainable": layer.trainable, "dtype": dtype, **options}


def module_of(kind):
    return "keras" if kind in ("Sequential", "Functional") else "keras.layers"


def described(layer, version, legacy=False):
    """`legacy` is how Keras 3 writes configurations into .h5 files."""
    config = model_config(layer, version, legacy) if isinstance(layer, Net) else all_options(layer, version)
    if version == 2 or legacy:
        return {"class_name": layer.kind, "config": config}
    shape = {} if isinstance(layer, Net) else {"build_config": {"input_shape": [None]}}
    return {"module": module_of(layer.kind), "class_name": layer.kind, "config": config, "registered_name": None, **shape}


def model_config(net, version, legacy=False):
    config = {"name": net.name}
    if version == 3:
        config["trainable"] = True
        config["dtype"] = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}, "registered_name": None}
    if net.kind == "Sequential":
        return {**config, "layers": [described(layer, version, legacy) for layer in net.layers]}
    kinds = {layer.name: layer.kind for layer in net.layers}

    def number(name, call):  # of a model within the model call 0 is what it was made with; in Keras 3 not of a Sequential
        return call + 1 if kinds[name] == "Functional" or (version == 2 and kinds[name] == "Sequential") else call

    def node(inputs):
        references = [[name, number(name, call), 0] for name, call in inputs]
        if version == 2:
            return [[*reference, {}] for reference in references]
        tensors = [
            {"class_name": "__keras_tensor__", "config": {"shape": [None], "dtype": "float32", "keras_history": reference}}
            for reference in references
        ]
        return {"args": [tensors if len(tensors) > 1 else tensors[0]], "kwargs": {}}

    layers = [
        {**described(layer, version, legacy), "name": layer.name, "inbound_nodes": [node(call) for call in net.calls.get(layer.name, [])]}
        for layer in net.layers
    ]
    [source] = [layer.name for layer in net.layers if layer.kind == "InputLayer"]
    ends = [[source, 0, 0], [net.output[0], number(*net.output), 0]]
    if version == 2:
        ends = [[end] for end in ends]  # Keras 3: a list where the model was given one
    return {**config, "layers": layers, "input_layers": ends[0], "output_layers": ends[1]}


# ---- Files ----


def h5_file(net, version):
    """What Keras 2, or Keras 3 for `model.save('x.h5')`, writes."""
    file = io.BytesIO()
    with h5py.File(file, "w") as h5:
        config = described(net, version, legacy=True)
        h5.attrs["model_config"] = json.dumps(config)
        h5.attrs["training_config"] = json.dumps({"loss": "mse"})
        group = h5.create_group("model_weights")
        group.attrs["layer_names"] = [layer.name.encode() for layer in net.layers]
        for attrs in (h5.attrs, group.attrs):
            attrs["backend"] = "tensorflow"
            attrs["keras_version"] = "2.4.0" if version == 2 else "3.5.0"
        for layer in sorted(net.layers, key=lambda layer: layer.name):
            at = group.create_group(layer.name)
            weights = [(name + (":0" if version == 2 else ""), array) for name, array in layer.trained() + layer.fixed()]
            at.attrs["weight_names"] = [name.encode() for name, _ in weights]
            for name, array in weights:
                at.create_dataset(name, data=array)
        if version == 3:
            group.create_group("top_level_model_weights").attrs["weight_names"] = []
        optimizer = h5.create_group("optimizer_weights")
        optimizer.attrs["weight_names"] = [b"iteration:0"]
        optimizer.create_dataset("iteration:0", data=np.int64(3))
    return file.getvalue()


def file_name(kind):
    name = re.sub(r"\W+", "", kind)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def keras_file(net, compression=zipfile.ZIP_STORED):
    """What Keras 3 writes for `model.save('x.keras')`."""
    weights = io.BytesIO()
    with h5py.File(weights, "w") as h5:

        def write(layer, path):
            group = h5.create_group(f"{path}/vars")
            if isinstance(layer, Net):
                used = {}
                for inner in layer.layers:
                    if layer.kind == "Sequential" and inner.kind == "InputLayer":
                        continue
                    name = file_name(inner.kind)
                    used[name] = used.get(name, -1) + 1
                    write(inner, f"{path}/layers/{name}" + (f"_{used[name]}" if used[name] else ""))
                return
            for i, (_, array, _) in enumerate(layer.weights):
                group[str(i)] = array
            if layer.kind == "Dropout":
                h5.create_group(f"{path}/seed_generator/vars")["0"] = np.array([1, 2], "<u4")

        write(net, "")
        h5.create_group("optimizer/vars")["0"] = np.int64(3)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        stamp = (2024, 11, 29, 12, 0, 0)
        for name, data in [
            ("metadata.json", json.dumps({"keras_version": "3.5.0", "date_saved": "2024-11-29@12:00:00"})),
            ("config.json", json.dumps({**described(net, 3), "compile_config": None})),
            ("model.weights.h5", weights.getvalue()),
        ]:
            archive.writestr(zipfile.ZipInfo(name, stamp), data, compression)
    return file.getvalue()


# ---- What they compute, in float64 ----


def edges(size, window, stride, padding):
    if padding == "valid":
        return 0, 0
    total = max((-(-size // stride) - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


def windows(x, size, strides, padding, fill, dilation=(1, 1)):
    """x [n, h, w, c] -> [n, oh, ow, kh, kw, c]"""
    extent = [(k - 1) * d + 1 for k, d in zip(size, dilation)]
    around = [edges(x.shape[1 + i], extent[i], strides[i], padding) for i in (0, 1)]
    x = np.pad(x, [(0, 0), *around, (0, 0)], constant_values=fill)
    views = np.lib.stride_tricks.sliding_window_view(x, extent, axis=(1, 2))[:, :: strides[0], :: strides[1]]
    return views[..., :: dilation[0], :: dilation[1]].transpose(0, 1, 2, 4, 5, 3)


def erf(x):
    return np.vectorize(__import__("math").erf)(x)


ACTIVATIONS = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "gelu": lambda x: x * (1 + erf(x / np.sqrt(2))) / 2,
    "softplus": lambda x: np.log1p(np.exp(x)),
    "elu": lambda x: np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
}


def resize(x, height, width):
    for axis, size in ((1, height), (2, width)):
        old = x.shape[axis]
        at = np.clip((np.arange(size) + 0.5) * old / size - 0.5, 0, old - 1)
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, old - 1)
        share = (at - low).reshape([-1 if d == axis else 1 for d in range(4)])
        x = np.take(x, low, axis) * (1 - share) + np.take(x, high, axis) * share
    return x


def compute(kind, o, weights, xs):
    """One layer. `o`: options as in a configuration, `weights`: arrays in Keras's order."""
    x, w = xs[0], [a.astype(np.float64) for a in weights]
    act = ACTIVATIONS[o.get("activation", "linear")]
    if kind == "Dense":
        return act(x @ w[0] + (w[1] if o["use_bias"] else 0))
    if kind in ("Conv2D", "DepthwiseConv2D"):
        seen = windows(x, o["kernel_size"], o["strides"], o["padding"], 0, o["dilation_rate"])
        if kind == "Conv2D":
            y = np.einsum("nhwijc,ijco->nhwo", seen, w[0], optimize=True)
        else:
            y = np.einsum("nhwijc,ijcm->nhwcm", seen, w[0], optimize=True)
            y = y.reshape(*y.shape[:3], -1)
        return act(y + (w[1] if o["use_bias"] else 0))
    if kind == "BatchNormalization":
        w = list(w)
        gamma = w.pop(0) if o["scale"] else 1
        beta = w.pop(0) if o["center"] else 0
        return gamma * (x - w[0]) / np.sqrt(w[1] + o["epsilon"]) + beta
    if kind in ("MaxPooling2D", "AveragePooling2D"):
        fill = -np.inf if kind == "MaxPooling2D" else np.nan
        seen = windows(x, o["pool_size"], o["strides"], o["padding"], fill)
        return seen.max((3, 4)) if kind == "MaxPooling2D" else np.nanmean(seen, (3, 4))
    if kind == "GlobalAveragePooling2D":
        return x.mean((1, 2), keepdims=o.get("keepdims", False))
    if kind == "ReLU":
        y = np.where(x > 0, x, o["negative_slope"] * x)
        return y if o["max_value"] is None else np.minimum(y, o["max_value"])
    simple = {
        "Activation": lambda: act(x),
        "Softmax": lambda: ACTIVATIONS["softmax"](x),
        "LeakyReLU": lambda: np.where(x > 0, x, o.get("negative_slope", o.get("alpha")) * x),
        "ELU": lambda: ACTIVATIONS["elu"](x),
        "Dropout": lambda: x,
        "Flatten": lambda: x.reshape(len(x), -1),
        "Reshape": lambda: x.reshape(len(x), *o["target_shape"]),
        "Permute": lambda: x.transpose(0, *o["dims"]),
        "Rescaling": lambda: x * o["scale"] + o["offset"],
        "Resizing": lambda: resize(x, o["height"], o["width"]),
        "ZeroPadding2D": lambda: np.pad(x, [(0, 0), *o["padding"], (0, 0)]),
        "Add": lambda: sum(xs),
        "Multiply": lambda: np.prod(xs, 0),
        "Subtract": lambda: xs[0] - xs[1],
        "Average": lambda: np.mean(xs, 0),
        "Maximum": lambda: np.max(xs, 0),
        "Minimum": lambda: np.min(xs, 0),
        "Concatenate": lambda: np.concatenate(xs, o["axis"]),
    }
    return simple[kind]()


def evaluate(layer, x, version=3):
    """x [n, ...] through a layer or a model; of a call with several inputs a list of them."""
    if not isinstance(layer, Net):
        return compute(layer.kind, all_options(layer, version), [a for _, a, _ in layer.weights], x if isinstance(x, list) else [x])
    if layer.kind == "Sequential":
        for inner in layer.layers:
            x = x if inner.kind == "InputLayer" else evaluate(inner, x)
        return x
    by_name = {inner.name: inner for inner in layer.layers}
    values = {}

    def value(name, call):
        if by_name[name].kind == "InputLayer":
            return x
        if (name, call) not in values:
            inputs = [value(*other) for other in layer.calls[name][call]]
            values[name, call] = evaluate(by_name[name], inputs if len(inputs) > 1 else inputs[0])
        return values[name, call]

    return value(*layer.output)
