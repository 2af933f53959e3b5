"""Writes keras-augmentation.json: what random layers of Keras give where only one number can be drawn.

    KERAS_BACKEND=jax python make_keras_augmentation.py    (Keras 3.15.1)
"""

import json
import pathlib

import keras
import numpy as np

layers = keras.layers
FILLS = ["constant", "nearest", "reflect", "wrap"]
cases = []


def add(kind, options, make, shape):
    values = np.random.default_rng(len(cases)).normal(size=shape).astype("float32").round(3)
    y = np.asarray(make()(values, training=True), dtype="float64")
    cases.append(
        {
            "layer": kind,
            "options": options,
            "shape": list(shape),
            "x": [float(f"{v:.4g}") for v in values.ravel()],
            "y": [float(f"{v:.6g}") for v in y.ravel()],
        }
    )


for shape in [(1, 4, 5, 2), (1, 5, 3, 1), (1, 1, 1, 1)]:
    for fill in FILLS:
        for interpolation in ["bilinear", "nearest"]:
            more = {"fill_mode": fill, "interpolation": interpolation, "fill_value": 0.25}
            ours = {"fillMode": fill, "interpolation": interpolation, "fillValue": 0.25}
            h, w = (0.31, 0.31), (-0.83, -0.83)
            add(
                "RandomTranslation",
                {"heightFactor": h, "widthFactor": w, **ours},
                lambda: layers.RandomTranslation(h, w, **more),
                shape,
            )
            f = (0.07, 0.07)
            add("RandomRotation", {"factor": f, **ours}, lambda: layers.RandomRotation(f, **more), shape)
            h, w = (0.37, 0.37), (-0.41, -0.41)
            add(
                "RandomZoom",
                {"heightFactor": h, "widthFactor": w, **ours},
                lambda: layers.RandomZoom(h, w, **more),
                shape,
            )
            add("RandomZoom", {"heightFactor": h, **ours}, lambda: layers.RandomZoom(h, **more), shape)
add(
    "RandomErasing",
    {"factor": [1, 1], "scale": [1, 1], "fillValue": 2, "valueRange": [0, 1]},
    lambda: layers.RandomErasing((1, 1), (1, 1), fill_value=2, value_range=(0, 1)),
    (1, 3, 2, 3),
)
add(
    "RandomContrast",
    {"factor": [0, 0], "valueRange": [-0.5, 1]},
    lambda: layers.RandomContrast((0.0, 0.0), value_range=(-0.5, 1)),
    (1, 3, 2, 3),
)

path = pathlib.Path(__file__).parent / "keras-augmentation.json"
path.write_text(json.dumps({"keras": keras.__version__, "cases": cases}, separators=(",", ":")) + "\n")
