#!/usr/bin/env python3
"""Writes the golden files beside this one: what NumPy, safetensors and TensorBoard themselves write, for the tests to read.

    python3 -m venv readers && readers/bin/pip install numpy safetensors tensorboard
    readers/bin/python test/golden/files/make_files.py

Needed only to make them anew; the tests read the JSON. `file` is the file's bytes in base64, `values` are its elements in
row-major order as text, so that no integer and no NaN is changed by JSON.
"""

import base64
import io
import json
import os
import tempfile

import numpy as np
import safetensors
from tensorboard.compat.proto import event_pb2, graph_pb2, summary_pb2
from tensorboard.plugins.histogram import summary_v2 as histogram
from tensorboard.plugins.image import metadata as image
from tensorboard.plugins.scalar import summary_v2 as scalar
from tensorboard.plugins.text import summary_v2 as text
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util import tensor_util

HERE = os.path.dirname(os.path.abspath(__file__))


def write(name, value):
    with open(os.path.join(HERE, name), "w") as file:
        file.write(json.dumps(value, indent=1) + "\n")


def base(data):
    return base64.b64encode(data).decode()


def text_of(array):
    return [repr(v.item()) if v.dtype.kind != "b" else str(int(v)) for v in array.reshape(-1)]


def values_of(dtype):
    """A few values of a type, its ends among them."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return np.array([True, False, False, True, True, False])
    if dtype.kind in "iu":
        ends = np.iinfo(dtype)
        return np.array([ends.min, ends.max, 0, 1, 2, ends.max - 1], dtype=dtype)
    ends = np.finfo(dtype)
    values = [0.1, -0.0, ends.max, ends.smallest_subnormal, np.inf, np.nan]
    return np.array(values, dtype=dtype)


def npy(array, version=None):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=version)
    return {"file": base(file.getvalue()), "shape": array.shape, "values": text_of(np.ascontiguousarray(array))}


def make_npy():
    cases = {}
    for name in "f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 b1".split():
        for order in "<" if name[1] == "1" else "<>":
            cases[order + name] = npy(values_of(name).astype(order + name).reshape(2, 3))
    count = np.arange(24, dtype="<f4").reshape(2, 3, 4)
    cases["version 2.0"] = npy(count, (2, 0))
    cases["version 3.0"] = npy(count, (3, 0))
    cases["Fortran order"] = npy(np.asfortranarray(count))
    cases["Fortran order, big endian"] = npy(np.asfortranarray(count.astype(">i2")))
    cases["scalar"] = npy(np.array(2.5, dtype="<f8"))
    cases["one axis"] = npy(np.array([1, 2, 3], dtype="<i4"))
    cases["no elements"] = npy(np.zeros((0, 3), dtype="<f4"))
    refused = {}
    for name in ["<c8", "<U3", "<M8[s]", [("a", "<f4"), ("b", "<i4")]]:
        refused[str(name)] = npy(np.zeros(2, dtype=name))["file"]
    write("npy.json", {"read": cases, "refused": refused})


def make_safetensors():
    types = {"F64": "f8", "F32": "f4", "F16": "f2", "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1"}
    types |= {"U64": "u8", "U32": "u4", "U16": "u2", "U8": "u1", "BOOL": "b1"}
    arrays = {name: values_of("<" + code).reshape(2, 3) for name, code in types.items()}
    bf16 = np.array([1.5, -2.0, 3.140625, 0.0], dtype="<f4")
    arrays["BF16"] = bf16
    stored = dict(arrays)
    stored["BF16"] = (bf16.view("<u4") >> 16).astype("<u2")
    stored["empty"] = arrays["empty"] = np.zeros((0, 2), "<f4")
    stored["scalar"] = arrays["scalar"] = np.array(7, "<f4")
    described = {
        name: safetensors.TensorSpec(
            dtype="bfloat16" if name == "BF16" else array.dtype.name,
            shape=array.shape,
            data_ptr=array.ctypes.data,
            data_len=array.nbytes,
        )
        for name, array in stored.items()
    }
    file = safetensors.serialize(described, {"made by": "safetensors \u00e9\u4e16"})
    tensors = {name: {"shape": array.shape, "values": text_of(array)} for name, array in arrays.items()}
    write("safetensors.json", {"file": base(file), "tensors": tensors})


def make_events():
    values = np.random.default_rng(5).normal(size=200).astype("<f4")
    same = np.full(7, 0.25, dtype="<f4")
    png = b"\x89PNG\r\n\x1a\nnot much of one"
    picture = summary_pb2.Summary()
    picture.value.add(
        tag="model",
        metadata=image.create_summary_metadata(display_name=None, description=None),
        tensor=tensor_util.make_tensor_proto([b"640", b"480", png]),
    )
    graph = graph_pb2.GraphDef()
    for name, op, inputs, shape in [("input", "Input", [], [4, 4, 1]), ("flatten", "Flatten", ["input"], [16])]:
        node = graph.node.add(name=name, op=op, input=inputs)
        dims = node.attr["_output_shapes"].list.shape.add()
        for size in [-1, *shape]:
            dims.dim.add(size=size)
    events = {
        "version": event_pb2.Event(wall_time=1700000000.25, file_version="brain.Event:2"),
        "scalar": event_pb2.Event(
            wall_time=1700000000.5, step=3, summary=scalar.scalar_pb("epoch_loss", 0.1)
        ),
        "histogram": event_pb2.Event(
            wall_time=1700000001, step=300, summary=histogram.histogram_pb("dense/kernel/histogram", values)
        ),
        "histogram of one value": event_pb2.Event(
            wall_time=1700000002, step=2**40, summary=histogram.histogram_pb("same", same)
        ),
        "text": event_pb2.Event(
            wall_time=1700000003, summary=text.text_pb("summary", "| a | b |\n\u00e9\u4e16")
        ),
        "image": event_pb2.Event(wall_time=1700000004, summary=picture),
        "graph": event_pb2.Event(wall_time=1700000005, graph_def=graph.SerializeToString(deterministic=True)),
    }
    with tempfile.TemporaryFile() as file:
        records = RecordWriter(file)
        for event in events.values():
            records.write(event.SerializeToString(deterministic=True))
        records.flush()
        file.seek(0)
        written = file.read()
    write(
        "events.json",
        {
            "events": {name: base(event.SerializeToString(deterministic=True)) for name, event in events.items()},
            "values": [float(v) for v in values],
            "png": base(png),
            "file": base(written),
        },
    )


make_npy()
make_safetensors()
make_events()
