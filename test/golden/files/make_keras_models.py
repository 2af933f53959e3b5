#!/usr/bin/python3
"""Writes keras-models.json beside this file: whole models in Keras's file formats, and what they compute, in float64.

    apt-get install --no-install-recommends python3-h5py python3-numpy
    /usr/bin/python3 test/golden/files/make_keras_models.py [teachable-machine.h5 [photos.npy]]

Needed only to make them anew; the tests read the JSON, as CI has no h5py. `file` is the file's bytes, packed by gzip, in base64. Inputs
are not stored: element j of the samples is ((7919 j) mod 1009) / 504.5 - 1, rounded to f32. With the path of the real Keras 2.4 file
that the tests take from TILEGRAD_KERAS_H5, its logits are computed as well, on two such samples and on photographs (u8 / 127.5 - 1);
without it those that are there stay.
"""

import base64
import gzip
import json
import os
import sys
import zipfile

import h5py
import numpy as np
from keras_models import Layer, Net, evaluate, h5_file, keras_file

HERE = os.path.dirname(os.path.abspath(__file__))
PATH = os.path.join(HERE, "keras-models.json")
rng = np.random.default_rng(20261129)


def samples(count, shape):
    j = np.arange(count * int(np.prod(shape)), dtype=np.int64)
    return (((7919 * j) % 1009) / 504.5 - 1).astype("<f4").astype(np.float64).reshape(count, *shape)


def draw(*shape):
    return (rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1]) if len(shape) > 1 else 4)).astype("<f4")


def source(*shape, name="input_1"):
    return Layer("InputLayer", name, {"batch_shape": [None, *shape]})


def conv(name, size, inputs, filters, bias=True, trainable=True, **options):
    weights = [("kernel", draw(size, size, inputs, filters), True)] + ([("bias", draw(filters), True)] if bias else [])
    return Layer("Conv2D", name, {"filters": filters, "kernel_size": [size, size], "use_bias": bias, **options}, weights, trainable)


def depthwise(name, size, inputs, multiplier, **options):
    weights = [("depthwise_kernel", draw(size, size, inputs, multiplier), True), ("bias", draw(inputs * multiplier), True)]
    return Layer("DepthwiseConv2D", name, {"kernel_size": [size, size], "depth_multiplier": multiplier, **options}, weights)


def dense(name, inputs, units, bias=True, **options):
    weights = [("kernel", draw(inputs, units), True)] + ([("bias", draw(units), True)] if bias else [])
    return Layer("Dense", name, {"units": units, "use_bias": bias, **options}, weights)


def norm(name, channels, trainable=True, **options):
    weights = [(n, draw(channels), True) for n, o in (("gamma", "scale"), ("beta", "center")) if options.get(o, True)]
    weights += [("moving_mean", draw(channels), False), ("moving_variance", np.abs(draw(channels)) + np.float32(0.5), False)]
    return Layer("BatchNormalization", name, options, weights, trainable)


def chain(name, shape, *layers):
    return Net(name, [source(*shape, name=f"{name}_input"), *layers])


def sequential():
    return chain(
        "plain",
        (9, 10, 3),
        Layer("Rescaling", "scaled", {"scale": 2.0, "offset": -0.5}),
        Layer("ZeroPadding2D", "padded", {"padding": [[0, 1], [2, 0]]}),
        conv("conv_a", 3, 3, 4, strides=[2, 2], activation="relu", kernel_regularizer="l2"),
        depthwise("filtered", 3, 4, 2, padding="same", activation="tanh"),
        norm("normal", 8, momentum=0.9, epsilon=0.01),
        Layer("ReLU", "cut", {"max_value": 0.75, "negative_slope": 0.125}),
        Layer("Resizing", "resized", {"height": 7, "width": 9}),
        Layer("MaxPooling2D", "largest", {"pool_size": [2, 3], "strides": [1, 2]}),
        Layer("AveragePooling2D", "means", {"pool_size": [3, 3], "strides": [2, 2], "padding": "same"}),
        Layer("Permute", "turned", {"dims": [3, 1, 2]}),
        Layer("Reshape", "rows", {"target_shape": [4, -1]}),
        dense("each", 12, 3, activation="gelu"),
        Layer("Flatten", "flat"),
        Layer("Dropout", "dropped", {"rate": 0.25}),
        dense("last", 12, 5, bias=False, activation="softmax"),
    )


def branches():
    layers = [
        source(6, 6, 3),
        conv("short", 1, 3, 4),
        conv("long_1", 3, 3, 4, padding="same", dilation_rate=[2, 2]),
        conv("long_2", 3, 4, 4, padding="same", activation="leaky_relu"),
        Layer("Add", "sum"),
        Layer("LeakyReLU", "leaky", {"negative_slope": 0.25}),
        conv("shared", 1, 4, 4),
        Layer("Multiply", "product"),
        Layer("Subtract", "difference"),
        Layer("Average", "mean"),
        Layer("Maximum", "most"),
        Layer("Minimum", "least"),
        Layer("Concatenate", "joined"),
        norm("normal", 20, center=False),
        Layer("ELU", "elu", {"alpha": 1.0}),
        Layer("GlobalAveragePooling2D", "pooled"),
        dense("last", 20, 3, activation="sigmoid"),
    ]
    twice = [("shared", 0), ("shared", 1)]
    five = ["product", "difference", "mean", "most", "least"]
    calls = {
        "short": [[("input_1", 0)]],
        "long_1": [[("input_1", 0)]],
        "long_2": [[("long_1", 0)]],
        "sum": [[("short", 0), ("long_2", 0)]],
        "leaky": [[("sum", 0)]],
        "shared": [[("leaky", 0)], [("shared", 0)]],
        **{name: [twice] for name in five},
        "joined": [[(name, 0) for name in five]],
        "normal": [[("joined", 0)]],
        "elu": [[("normal", 0)]],
        "pooled": [[("elu", 0)]],
        "last": [[("pooled", 0)]],
    }
    return Net("branches", layers, calls, ("last", 0))


def nested():
    backbone = Net(
        "backbone",
        [
            source(None, None, 3, name="images"),
            conv("c1", 3, 3, 4, bias=False, trainable=False),
            norm("b1", 4, trainable=False),
            conv("c2", 3, 4, 4, activation="relu"),
            norm("b2", 4),
            Layer("GlobalAveragePooling2D", "pool", {"keepdims": True}),
        ],
        {"c1": [[("images", 0)]], "b1": [[("c1", 0)]], "c2": [[("b1", 0)]], "b2": [[("c2", 0)]], "pool": [[("b2", 0)]]},
        ("pool", 0),
    )
    head = chain("head", (1, 1, 4), Layer("Flatten", "flat"), dense("d1", 4, 5, activation="tanh"), dense("d2", 5, 3))
    layers = [
        source(8, 8, 3),
        Layer("Rescaling", "dark", {"scale": 0.5, "offset": 0.125}),
        backbone,
        Layer("Add", "both"),
        head,
        Layer("Softmax", "shares"),
    ]
    calls = {
        "dark": [[("input_1", 0)]],
        "backbone": [[("input_1", 0)], [("dark", 0)]],
        "both": [[("backbone", 0), ("backbone", 1)]],
        "head": [[("both", 0)]],
        "shares": [[("head", 0)]],
    }
    return Net("nested", layers, calls, ("shares", 0))


# ---- A file that Keras 2 has written ----


def read_h5(path):
    with h5py.File(path) as h5:
        arrays = {}
        for layer in h5["model_weights"].attrs["layer_names"]:
            group = h5["model_weights"][layer]
            for name in group.attrs["weight_names"]:
                name = name.decode() if isinstance(name, bytes) else name
                arrays[name.split(":")[0]] = np.array(group[name])

        def net(description):
            kind, config = description["class_name"], description["config"]
            name = config["name"]
            if kind in ("Sequential", "Functional"):
                layers = [net(layer) for layer in config["layers"]]
                if kind == "Sequential":
                    return Net(name, layers)
                calls = {  # no layer is called twice in that file
                    layer["name"]: [[(other, 0) for other, _, _, _ in call] for call in layer["inbound_nodes"]]
                    for layer in config["layers"]
                    if layer["inbound_nodes"]
                }
                return Net(name, layers, calls, (config["output_layers"][0][0], 0))
            order = ["kernel", "depthwise_kernel", "gamma", "beta", "moving_mean", "moving_variance", "bias"]
            return Layer(kind, name, config, [(w, arrays[f"{name}/{w}"], True) for w in order if f"{name}/{w}" in arrays])

        return net(json.loads(h5.attrs["model_config"]))


def without_softmax(net):
    net.layers[-1].layers[-1].options["activation"] = "linear"
    return net


def packed(data):
    return base64.b64encode(gzip.compress(data, 9, mtime=0)).decode()


def numbers(array):
    return [float(f"{value:.12g}") for value in array.reshape(-1)]


models = {}
for name, make, shape in [("sequential", sequential, (9, 10, 3)), ("branches", branches, (6, 6, 3)), ("nested", nested, (8, 8, 3))]:
    model = make()
    models[name] = {
        "inputShape": shape,
        "layers": [layer.name for layer in model.layers if layer.kind != "InputLayer"],
        "outputs": numbers(evaluate(model, samples(3, shape))),
        "files": {
            "model-2.h5": packed(h5_file(model, 2)),
            "model-3.h5": packed(h5_file(model, 3)),
            "model.keras": packed(keras_file(model, zipfile.ZIP_DEFLATED if name == "branches" else zipfile.ZIP_STORED)),
        },
    }

if len(sys.argv) > 1:
    real = without_softmax(read_h5(sys.argv[1]))
    models["teachableMachine"] = {"samples": numbers(evaluate(real, samples(2, (224, 224, 3))))}
    if len(sys.argv) > 2:
        photos = (np.load(sys.argv[2]).astype(np.float32) / np.float32(127.5) - np.float32(1)).astype(np.float64)
        models["teachableMachine"]["photos"] = numbers(evaluate(real, photos))
elif os.path.exists(PATH):
    models["teachableMachine"] = json.load(open(PATH))["teachableMachine"]

with open(PATH, "w") as file:
    file.write(json.dumps(models, indent=1) + "\n")
