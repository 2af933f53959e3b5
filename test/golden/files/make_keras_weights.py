#!/usr/bin/python3
"""Writes keras-weights.json beside this file: .h5 files of weights as Keras lays them out, written by h5py.

    apt-get install --no-install-recommends python3-h5py
    /usr/bin/python3 test/golden/files/make_keras_weights.py

Needed only to make them anew; the tests read the JSON, as CI has no h5py. `file` is the file's bytes, packed by gzip, in base64.

- `mobilenet`: the layout of Keras's official MobileNetV2 files without a head: old layer names, groups `L/L/W:0`, superblock 0,
  contiguous float32, attributes of fixed-length strings. Of alpha 0.05 to be small. Element j of tensor k of the file is
  k + (j % 251) / 256, which float32 holds exactly, and which packs well.
- `types`: float16, float32, float64 and big-endian float32, names cut into parts (`layer_names0`, ...), a layer without weights.
- `inner`: the .weights.h5 of Keras 3, with a model within the model, and a bfloat16 weight.
"""

import base64
import gzip
import io
import json
import os

import h5py
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))


def packed(write):
    file = io.BytesIO()
    with h5py.File(file, "w") as h5:
        write(h5)
    return base64.b64encode(gzip.compress(file.getvalue(), 9, mtime=0)).decode()


def pattern(k, shape):
    return (k + (np.arange(np.prod(shape)) % 251) / 256).astype("<f4").reshape(shape)


# ---- MobileNetV2, as keras_applications 1.0.2 named its layers ----

WIDTH, LAST = 8, 1280  # filters of every layer at alpha 0.05, but for the last block's


def norm(name, channels):
    return (name, [(w, (channels,)) for w in ("gamma", "beta", "moving_mean", "moving_variance")])


def conv(name, size, inputs, outputs):
    return (name, [("kernel", (size, size, inputs, outputs))])


def mobilenet():
    layers = [("input_1", []), ("Conv1_pad", []), conv("Conv1", 3, 3, WIDTH), norm("bn_Conv1", WIDTH), ("Conv1_relu", [])]
    for i in range(17):
        inputs, outputs = WIDTH, WIDTH if i < 16 else 16
        inner = inputs if i == 0 else 6 * inputs
        steps = [] if i == 0 else ["expand"]
        for step in steps + ["depthwise"]:
            if step == "expand":
                layers.append(conv(f"mobl{i}_conv_{i}_expand", 1, inputs, inner))
            else:
                layers.append((f"mobl{i}_conv_{i}_depthwise", [("depthwise_kernel", (3, 3, inner, 1))]))
            layers += [norm(f"bn{i}_conv_{i}_bn_{step}", inner), (f"conv_{i}_{step}_relu", [])]
        layers += [conv(f"mobl{i}_conv_{i}_project", 1, inner, outputs), norm(f"bn{i}_conv_{i}_bn_project", outputs)]
        if i in (2, 4, 5, 7, 8, 9, 11, 12, 14, 15):
            layers.append((f"res_connect_{i}", []))
    return layers + [conv("Conv_1", 1, 16, LAST), norm("Conv_1_bn", LAST), ("out_relu", [])]


def write_by_order(h5, layers, value):
    h5.attrs["layer_names"] = [name.encode() for name, _ in layers]
    h5.attrs["backend"] = np.bytes_("tensorflow")
    h5.attrs["keras_version"] = np.bytes_("2.1.6")
    k = 0
    for name, weights in layers:
        group = h5.create_group(name)
        group.attrs["weight_names"] = [f"{name}/{weight}:0".encode() for weight, _ in weights]
        for weight, shape in weights:
            group.create_dataset(f"{name}/{weight}:0", data=value(k, shape))
            k += 1


# ---- Types, and names in parts ----


def types(h5):
    h5.attrs["layer_names0"] = [b"first", b"without"]
    h5.attrs["layer_names1"] = [b"second"]
    first = h5.create_group("first")
    first.attrs["weight_names"] = [b"first/kernel:0", b"first/bias:0"]
    first.create_dataset("first/kernel:0", data=pattern(1, (2, 3)).astype("<f2"))
    first.create_dataset("first/bias:0", data=pattern(2, (3,)).astype("<f8"))
    h5.create_group("without").attrs["weight_names"] = np.array([])  # as TensorFlow's Keras writes it: no texts, but floats
    second = h5.create_group("second")
    second.attrs["weight_names0"] = ["second/kernel:0"]  # text of any length
    second.attrs["weight_names1"] = ["second/bias:0"]
    second.create_dataset("second/kernel:0", data=pattern(3, (3, 2)).astype(">f4"), compression="gzip")
    second.create_dataset("second/bias:0", data=pattern(4, (2,)))


# ---- Keras 3 ----


def inner(h5):
    h5.create_group("vars")
    k = 0

    def layer(path, *shapes):
        nonlocal k
        variables = h5.create_group(f"{path}/vars")
        for i, shape in enumerate(shapes):
            variables[str(i)] = pattern(k, shape)
            k += 1

    layer("layers/input_layer")
    layer("layers/dense", (2, 3), (3,))
    layer("layers/dense_1", (3, 3), (3,))
    layer("layers/sequential")
    layer("layers/sequential/layers/dense", (3, 4), (4,))
    layer("layers/sequential/layers/batch_normalization", (4,), (4,), (4,), (4,))
    layer("layers/dropout")
    h5.create_group("layers/dropout/seed_generator/vars")["0"] = np.array([1337, 0], "<u4")
    layer("layers/dense_2", (4, 1))
    # As h5py writes arrays of ml_dtypes' bfloat16: two bytes that mean nothing to HDF5, and their type as an attribute.
    bits = (pattern(k, (1,)).view("<u4") >> 16).astype("<u2").view("V2")
    bias = h5["layers/dense_2/vars"].create_dataset("1", data=bits)
    bias.attrs["dtype"] = "bfloat16"
    h5.create_group("optimizer/vars")["0"] = np.array(7, "<i8")


layers = mobilenet()
files = {
    "mobilenet": {
        "file": packed(lambda h5: write_by_order(h5, layers, pattern)),
        "weights": [[f"{name}/{weight}", shape] for name, weights in layers for weight, shape in weights],
    },
    "types": {"file": packed(types)},
    "inner": {"file": packed(inner)},
}
with open(os.path.join(HERE, "keras-weights.json"), "w") as file:
    file.write(json.dumps(files, indent=None, separators=(",", ":")).replace('],["', '],\n["') + "\n")
