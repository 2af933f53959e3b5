"""The same workloads on PyTorch, natively on the CPU without WebGPU. See engine.mjs for the protocol."""

import json
import os
import re
import sys
import time

import numpy as np
import torch
from torch import nn

torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())


class Network(nn.Module):
    """Convolutions over [N,C,H,W]; flattened as [H,W,C], the order of the dense weights."""

    def __init__(self, workload, kernels, shapes, dropout):
        super().__init__()
        self.penalized = []
        self.weights = iter(zip(kernels, shapes))
        self.width = workload["sample"][-1]
        layers = workload["layers"]
        first = next((i for i, layer in enumerate(layers) if layer["kind"] == "trainFrom"), 0)
        self.fixed = self.build_layers(layers[:first], dropout).requires_grad_(False)
        self.parts = self.build_layers(layers[first:], dropout)

    def build_layers(self, layers, dropout):
        parts = []
        for layer in layers:
            kind = layer["kind"]
            if kind in ("conv", "depthwise", "dense"):
                parts += self.build_weighted(layer)
            elif kind == "residual":
                parts.append(Residual(self.build_layers(layer["layers"], dropout)))
            elif kind == "pool":
                parts.append(nn.MaxPool2d(2))
            elif kind == "globalPool":
                parts += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
            elif kind == "flatten":
                parts.append(Flatten())
            elif kind == "batchNorm":
                norm = nn.BatchNorm1d if isinstance(parts[-1], nn.Linear) else nn.BatchNorm2d
                parts.append(norm(self.width, eps=1e-3, momentum=0.01))
            elif kind == "leakyRelu":
                parts.append(nn.LeakyReLU(0.3))
            elif kind == "relu6":
                parts.append(nn.ReLU6())
            elif kind == "rescale":
                parts.append(Apply(lambda x, by=layer["scale"], to=layer["offset"]: x * by + to))
            elif kind == "resize":
                parts.append(nn.Upsample(size=layer["side"], mode="bilinear", align_corners=False))
            elif kind == "dropout" and dropout > 0:
                parts.append(nn.Dropout(layer.get("rate", dropout)))
        return nn.Sequential(*parts)

    def build_weighted(self, layer):
        kind = layer["kind"]
        values, shape = next(self.weights)
        values = torch.from_numpy(values.reshape(shape).copy())
        before = []
        if kind == "dense":
            part, values, self.width = nn.Linear(*shape), values.t(), shape[1]
        else:
            depthwise = kind == "depthwise"
            size, self.width = shape[0], shape[2] if depthwise else shape[3]
            strides, bias = layer["strides"], not depthwise and not layer["plain"]
            padding = 0 if depthwise else layer["padding"]
            if strides > 1 or depthwise:
                padding = 0
                before = [Apply(lambda x: pad_same(x, size, strides))] if depthwise or layer["padding"] == "same" else []
                if strides == 1:
                    before, padding = [], size // 2
            part = nn.Conv2d(shape[2], self.width, size, strides, padding, groups=shape[2] if depthwise else 1, bias=bias)
            values = values.permute(2, 3, 0, 1) if depthwise else values.permute(3, 2, 0, 1)
        with torch.no_grad():
            part.weight.copy_(values)
            if part.bias is not None:
                part.bias.zero_()
        self.penalized.append(part.weight)
        activated = layer["relu"] if kind == "dense" else part.bias is not None
        return before + [part] + ([nn.ReLU()] if activated else [])

    def train(self, mode=True):
        super().train(mode)
        self.fixed.eval()
        return self

    def forward(self, x):
        with torch.no_grad():
            x = self.fixed(x)
        return self.parts(x)


class Residual(nn.Module):
    def __init__(self, parts):
        super().__init__()
        self.parts = parts

    def forward(self, x):
        return x + self.parts(x)


class Apply(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def pad_same(x, size, strides):
    """Pads each image with zeros like TensorFlow's "same": an odd one is at the end."""
    pads = []
    for side in (x.shape[3], x.shape[2]):
        total = max(0, (-(-side // strides) - 1) * strides + size - side)
        pads += [total // 2, total - total // 2]
    return nn.functional.pad(x, pads)


class Flatten(nn.Module):
    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)


def images_of(inputs, sample):
    x = torch.from_numpy(inputs["images"].reshape([-1, *sample])).float() / 255
    return x.permute(0, 3, 1, 2).contiguous()


def prepare(workload, inputs, shapes):
    what, batch, size = workload["what"], workload["batch"], workload["size"]
    if what == "gemm":
        a, b = (torch.from_numpy(values.reshape(size, size)) for values in inputs["kernels"])

        def products(runs):
            for _ in range(runs):
                torch.mm(a, b)

        return torch.mm(a, b).flatten()[:64].tolist(), products

    x = images_of(inputs, workload["sample"])
    if what == "predict":
        model = Network(workload, inputs["kernels"], shapes, 0).eval()

        def predict(n):
            with torch.no_grad():
                return [torch.softmax(model(part), 1) for part in x[:n].split(batch)]

        def passes(runs):
            for _ in range(runs):
                predict(size)

        return predict(batch)[0].flatten()[:160].tolist(), passes

    y = torch.from_numpy(inputs["labels"].astype(np.int64))
    criterion = nn.CrossEntropyLoss()

    def trainer(dropout, sgd=None):
        model = Network(workload, inputs["kernels"], shapes, dropout).train()
        trained = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.SGD(trained, lr=sgd) if sgd else torch.optim.Adam(trained, lr=0.001, eps=1e-7)

        def step():
            optimizer.zero_grad(set_to_none=True)
            loss = criterion(model(x), y)
            if workload["l2"]:
                loss = loss + workload["l2"] * sum(w.square().sum() for w in model.penalized)
            loss.backward()
            optimizer.step()
            return loss.item()

        return step

    checked = trainer(0, workload["sgdChecked"])
    check = [checked() for _ in range(workload["stepsChecked"])]
    step = trainer(workload["dropout"])

    def steps(runs):
        for _ in range(runs):
            step()

    return check, steps


def read_inputs(folder, shapes):
    read = lambda name, dtype: np.fromfile(os.path.join(folder, name), dtype)
    flat = read("kernels", np.float32)
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    return {"images": read("images", np.uint8), "labels": read("labels", np.uint8), "kernels": np.split(flat, ends)}


def answer(value):
    print(json.dumps(value), flush=True)


def blas_name():
    """Returns the library of matrix products. Debian's PyTorch uses the installed one, at worst the slow reference."""
    built = re.search(r"BLAS_INFO=(\w+)", torch.__config__.show())
    if os.path.exists("/proc/self/maps"):
        with open("/proc/self/maps") as maps:
            loaded = re.search(r"openblas|blis|atlas|mkl", maps.read())
        if loaded:
            return loaded.group(0)
    return built.group(1) if built else "unknown"


answer({"version": f"{torch.__version__} (BLAS {blas_name()})"})
run = None
for line in sys.stdin:
    command = json.loads(line)
    try:
        if command["do"] == "prepare":
            inputs = read_inputs(command["folder"], command["shapes"])
            if command["workload"]["what"] == "gemm":
                inputs["kernels"] = inputs["kernels"][:2]
            check, run = prepare(command["workload"], inputs, command["shapes"])
            answer({"check": check})
        else:
            begun = time.perf_counter()
            run(command["runs"])
            answer({"ms": 1000 * (time.perf_counter() - begun)})
    except Exception as error:  # the coordinator reports it and continues with the other engines
        answer({"error": repr(error)})
