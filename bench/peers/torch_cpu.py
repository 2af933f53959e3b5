"""PyTorch on the bare CPU, the same workloads: no WebGPU, but what a CPU can do. See engine.mjs for the protocol."""

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
    """Convolutions over [N,C,H,W]; flattened as [H,W,C], the order the dense weights are in."""

    def __init__(self, workload, kernels, shapes, dropout):
        super().__init__()
        self.flat = None
        parts, used, width = [], 0, 0
        self.penalised = []
        for layer in workload["layers"]:
            kind = layer["kind"]
            if kind in ("conv", "dense"):
                values = torch.from_numpy(kernels[used].reshape(shapes[used]).copy())
                shape = shapes[used]
                used += 1
                if kind == "conv":
                    part = nn.Conv2d(shape[2], shape[3], shape[0], padding=layer["padding"])
                    values = values.permute(3, 2, 0, 1)
                else:
                    part = nn.Linear(*shape)
                    values, width = values.t(), shape[1]
                with torch.no_grad():
                    part.weight.copy_(values)
                    part.bias.zero_()
                self.penalised.append(part.weight)
                parts.append(part)
                if kind == "conv" or layer["relu"]:
                    parts.append(nn.ReLU())
            elif kind == "pool":
                parts.append(nn.MaxPool2d(2))
            elif kind == "flatten":
                parts.append(Flatten())
            elif kind == "batchNorm":
                parts.append(nn.BatchNorm1d(width, eps=1e-3, momentum=0.01))
            elif kind == "leakyRelu":
                parts.append(nn.LeakyReLU(0.3))
            elif dropout > 0:
                parts.append(nn.Dropout(dropout))
        self.parts = nn.Sequential(*parts)

    def forward(self, x):
        return self.parts(x)


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

    def trainer(dropout):
        model = Network(workload, inputs["kernels"], shapes, dropout).train()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.001, eps=1e-7)

        def step():
            optimizer.zero_grad(set_to_none=True)
            loss = criterion(model(x), y)
            if workload["l2"]:
                loss = loss + workload["l2"] * sum(w.square().sum() for w in model.penalised)
            loss.backward()
            optimizer.step()
            return loss.item()

        return step

    checked = trainer(0)
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


def blas():
    """The library of matrix products, which decides: Debian's PyTorch takes what is installed, at worst the plain reference."""
    built = re.search(r"BLAS_INFO=(\w+)", torch.__config__.show())
    if os.path.exists("/proc/self/maps"):
        with open("/proc/self/maps") as maps:
            loaded = re.search(r"openblas|blis|atlas|mkl", maps.read())
        if loaded:
            return loaded.group(0)
    return built.group(1) if built else "unknown"


answer({"version": f"{torch.__version__} (BLAS {blas()})"})
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
    except Exception as error:  # the coordinator shows it and goes on with the other engines
        answer({"error": repr(error)})
