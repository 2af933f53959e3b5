#!/usr/bin/python3
"""Writes the golden vectors beside this file: what PyTorch computes, for the tests to compare with.

    apt-get install --no-install-recommends python3-torch python3-numpy
    /usr/bin/python3 test/golden/make_golden.py

Needed only to make the vectors anew; the tests read the files. PyTorch runs in float64 on inputs that are exact in f32,
and its gradients come from its own autograd, so nothing here is derived by hand. Results are rounded to f32 once and
written with the fewest digits that give those f32 back.

The engine keeps Keras's conventions. Where Keras differs from PyTorch, the vectors encode Keras:

- Layout: NHWC and HWIO; PyTorch computes on permuted copies, and a depthwise filter is [KH,KW,C,M] with output c*M + m.
- `same` padding: as much as ceil(size / stride) outputs need, the odd cell at the end; it depends on the size. PyTorch
  pads both sides alike, so here the image is padded by hand. Average pooling leaves the padding out of the mean.
- Batch normalisation: epsilon 1e-3 (PyTorch: 1e-5); `momentum` 0.99 is the share that is *kept* (PyTorch's 0.01), and the
  running variance takes the biased batch variance (PyTorch: the unbiased one).
- Adam, AdamW: epsilon 1e-7 (PyTorch: 1e-8) is added to sqrt(v) before the bias correction, which is folded into the rate.
  AdamW's decay 0.004 is taken off first: w -= w * decay * rate.
- RMSprop: rho 0.9 (PyTorch's alpha 0.99), epsilon 1e-7 inside the root: g / sqrt(v + eps) (PyTorch: sqrt(v) + eps).
- SGD: v = momentum v - rate g, w += v; Nesterov w += momentum v - rate g. PyTorch keeps the rate out of v, which is the same
  only while the rate stays.
- The five optimiser steps take an epsilon of 1e-3, so that its place shows; that the defaults are Keras's is tested elsewhere.
- An L2 penalty of lambda adds lambda * sum(w^2) to the loss, so 2 lambda w to the gradient (PyTorch's weight_decay: lambda w).
- leakyRelu's slope is 0.3 in Keras's layer, 0.2 in keras.ops, 0.01 in PyTorch: vectors name it. Variance is biased, as in NumPy.
"""

import json
import math
import os

import numpy as np
import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(20261120)
torch.set_num_threads(1)


def exact(values):
    """float64 tensor of numbers that are exact in f32."""
    return torch.tensor(np.asarray(values, dtype=np.float32).astype(np.float64))


def draw(*shape, scale=1.0, offset=0.005):
    """Normal, with few digits; never at a multiple of 0.01, where kinks and ends of clips are put."""
    return exact(np.floor(rng.normal(size=shape) * scale * 100) / 100 + offset)


def distinct(*shape):
    """No two alike, for maxima; mixed signs."""
    size = math.prod(shape)
    return exact(((rng.permutation(size) - size // 2) / 8 + 0.0625).reshape(shape))


def positive(*shape):
    return exact(np.floor(rng.uniform(0.2, 3, size=shape) * 100) / 100 + 0.005)


def number(value):
    if np.isnan(value) or np.isinf(value):
        raise ValueError("JSON has no NaN and no infinity")
    value = np.float32(value)
    text = np.format_float_positional(value, unique=True, trim="-")
    short = np.format_float_scientific(value, unique=True, trim="-")
    return min(text, short, key=len)


def array(t):
    flat = t.detach().numpy().reshape(-1)
    data = ",".join(str(int(v)) if t.dtype == torch.int64 else number(v) for v in flat)
    dtype = ',"dtype":"u32"' if t.dtype == torch.int64 else ""
    return '{"shape":%s%s,"data":[%s]}' % (json.dumps(list(t.shape), separators=(",", ":")), dtype, data)


files = {}


def vector(operator, inputs, attrs, forward, differentiable=True, constants=()):
    """One call of an operator: forward, and its gradients for a fixed upstream gradient."""
    wants = lambda i, t: differentiable and t.dtype == torch.float64 and i not in constants
    leaves = [t.clone().requires_grad_(wants(i, t)) for i, t in enumerate(inputs)]
    output = forward(*leaves)
    parts = [
        '"operator":%s' % json.dumps(operator),
        '"attrs":%s' % json.dumps(attrs),
        '"inputs":[%s]' % ",".join(array(t) for t in inputs),
        '"output":%s' % array(output),
    ]
    if differentiable:
        dout = draw(*output.shape)
        output.backward(dout)
        grads = ",".join("null" if t.grad is None else array(t.grad) for t in leaves)
        parts += ['"dout":%s' % array(dout), '"grads":[%s]' % grads]
    files.setdefault(operator, []).append("{" + ",".join(parts) + "}")


def write(name, texts):
    with open(os.path.join(HERE, name + ".json"), "w", encoding="ascii") as file:
        file.write("[\n" + ",\n".join(texts) + "\n]\n")


# --- Images -----------------------------------------------------------------------------------------------------------


def pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def padded(x, window, strides, dilation, padding, value=0.0):
    """NHWC -> NCHW, padded as TensorFlow does."""
    x = x.permute(0, 3, 1, 2)
    if padding == "valid":
        return x
    cells = []
    for size, k, s, d in zip(x.shape[2:], window, strides, dilation):
        total = max((math.ceil(size / s) - 1) * s + (k - 1) * d + 1 - size, 0)
        cells.append((total // 2, total - total // 2))
    return F.pad(x, (*cells[1], *cells[0]), value=value)


def nhwc(y):
    return y.permute(0, 2, 3, 1)


def activate(z, activation):
    return F.relu(z) if activation == "relu" else z


def conv2d(x, filter, bias=None, strides=1, padding="valid", dilation=1, activation=None):
    s, d = pair(strides), pair(dilation)
    image = padded(x, filter.shape[:2], s, d, padding)
    return activate(nhwc(F.conv2d(image, filter.permute(3, 2, 0, 1), bias, stride=s, dilation=d)), activation)


def depthwise(x, filter, strides=1, padding="valid", dilation=1):
    kh, kw, c, m = filter.shape
    s, d = pair(strides), pair(dilation)
    weight = filter.permute(2, 3, 0, 1).reshape(c * m, 1, kh, kw)
    return nhwc(F.conv2d(padded(x, (kh, kw), s, d, padding), weight, stride=s, dilation=d, groups=c))


def max_pool(x, poolSize, strides=None, padding="valid"):
    p = pair(poolSize)
    s = pair(strides or poolSize)
    return nhwc(F.max_pool2d(padded(x, p, s, (1, 1), padding, -math.inf), p, s))


def average_pool(x, poolSize, strides=None, padding="valid"):
    p = pair(poolSize)
    s = pair(strides or poolSize)
    total = lambda image: F.avg_pool2d(padded(image, p, s, (1, 1), padding), p, s, divisor_override=1)
    return nhwc(total(x) / total(torch.ones_like(x)))


def image_vectors():
    for attrs, shape, kernel, bias in [
        ({}, (2, 5, 6, 2), (3, 3, 2, 3), True),
        ({"activation": "relu"}, (1, 5, 5, 1), (5, 5, 1, 4), True),
        ({"padding": "same"}, (1, 4, 5, 3), (3, 2, 3, 2), False),
        ({"padding": "same", "strides": 2}, (1, 6, 7, 2), (3, 3, 2, 3), True),
        ({"padding": "same", "strides": 2}, (1, 8, 6, 1), (5, 5, 1, 2), False),
        ({"strides": [2, 3]}, (1, 7, 8, 2), (3, 2, 2, 2), False),
        ({"dilation": 2}, (1, 7, 6, 2), (3, 3, 2, 2), False),
        ({"dilation": [2, 1], "padding": "same"}, (1, 5, 4, 1), (2, 3, 1, 2), True),
        ({"padding": "same", "activation": "relu"}, (2, 1, 1, 3), (3, 3, 3, 2), True),
    ]:
        inputs = [draw(*shape), draw(*kernel, scale=0.5)] + ([draw(kernel[3])] if bias else [])
        vector("conv2d", inputs, attrs, lambda *t: conv2d(*t, **attrs))
    for attrs, shape, kernel in [
        ({}, (2, 4, 5, 3), (3, 3, 3, 1)),
        ({"padding": "same"}, (1, 5, 4, 2), (3, 3, 2, 2)),
        ({"padding": "same", "strides": 2}, (1, 6, 7, 3), (3, 3, 3, 1)),
        ({"dilation": 2}, (1, 6, 5, 2), (3, 2, 2, 1)),
    ]:
        vector("depthwiseConv2d", [draw(*shape), draw(*kernel, scale=0.5)], attrs, lambda *t: depthwise(*t, **attrs))
    for attrs, shape in [
        ({"poolSize": 2}, (1, 4, 6, 3)),
        ({"poolSize": 2, "padding": "same"}, (1, 5, 3, 2)),
        ({"poolSize": [3, 2], "strides": [2, 1], "padding": "same"}, (1, 6, 5, 2)),
        ({"poolSize": 3, "strides": 1}, (2, 5, 4, 1)),
        ({"poolSize": 5, "strides": 5, "padding": "same"}, (1, 7, 6, 1)),
        ({"poolSize": 9, "strides": 2, "padding": "same"}, (1, 7, 5, 1)),
    ]:
        vector("maxPool2d", [distinct(*shape)], attrs, lambda x: max_pool(x, **attrs))
        vector("avgPool2d", [draw(*shape)], attrs, lambda x: average_pool(x, **attrs))
    vector("globalAveragePool2d", [draw(2, 3, 5, 4)], {}, lambda x: x.mean((1, 2)))
    for size in [(5, 6), (2, 3), (7, 2)]:
        for name, mode in [("bilinear", "bilinear"), ("nearest", "nearest-exact")]:
            how = {"align_corners": False} if name == "bilinear" else {}
            resize = lambda x: nhwc(F.interpolate(x.permute(0, 3, 1, 2), size=size, mode=mode, **how))
            vector("resize", [draw(1, 3, 4, 2)], {"size": list(size), "method": name}, resize)


# --- Dense ------------------------------------------------------------------------------------------------------------


def product(a, b, transposeA=False, transposeB=False):
    return (a.mT if transposeA else a) @ (b.mT if transposeB else b)


def dense_vectors():
    for ta in (False, True):
        for tb in (False, True):
            attrs = {"transposeA": ta, "transposeB": tb}
            a, b = ((7, 3) if ta else (3, 7)), ((5, 7) if tb else (7, 5))
            vector("matmul", [draw(*a), draw(*b)], attrs, lambda *t: product(*t, **attrs))
            vector("matmul", [draw(2, *a[:2]), draw(2, *b[:2])], attrs, lambda *t: product(*t, **attrs))
    vector("matmul", [draw(1, 1), draw(1, 1)], {}, product)
    for attrs, bias in [({}, False), ({}, True), ({"activation": "relu"}, True)]:
        inputs = [draw(4, 9), draw(9, 5)] + ([draw(5)] if bias else [])
        vector("linear", inputs, attrs, lambda *t: activate(F.linear(t[0], t[1].mT, *t[2:]), attrs.get("activation")))
    vector("biasAdd", [draw(3, 2, 4), draw(4)], {}, torch.add)


# --- Element by element -----------------------------------------------------------------------------------------------


def pointwise_vectors():
    x = lambda: draw(4, 11, scale=3)
    for name, f in [
        ("relu", F.relu),
        ("relu6", F.relu6),
        ("sigmoid", torch.sigmoid),
        ("tanh", torch.tanh),
        ("softplus", lambda t: torch.logaddexp(t, torch.zeros_like(t))),  # without PyTorch's threshold
        ("exp", torch.exp),
        ("square", torch.square),
        ("abs", torch.abs),
        ("neg", torch.neg),
    ]:
        vector(name, [x()], {}, f)
    vector("log", [positive(3, 7)], {}, torch.log)
    vector("sqrt", [positive(3, 7)], {}, torch.sqrt)
    vector("reciprocal", [x()], {}, torch.reciprocal)
    for slope in (0.01, 0.2):
        vector("leakyRelu", [x()], {"negativeSlope": slope}, lambda t: F.leaky_relu(t, slope))
    for alpha in (1.0, 0.5):
        vector("elu", [x()], {"alpha": alpha}, lambda t: F.elu(t, alpha))
    vector("gelu", [x()], {}, F.gelu)
    vector("gelu", [x()], {"approximate": True}, lambda t: F.gelu(t, approximate="tanh"))
    vector("clip", [x()], {"min": -1, "max": 2}, lambda t: t.clamp(-1, 2))
    for shape, axis in [((3, 7), -1), ((3, 7), 0), ((2, 5, 3), 1), ((2, 3, 2, 2), 1)]:
        vector("softmax", [draw(*shape, scale=3)], {"axis": axis}, lambda t: F.softmax(t, axis))
        vector("logSoftmax", [draw(*shape, scale=3)], {"axis": axis}, lambda t: F.log_softmax(t, axis))
    for exponent in (3, 2.5, -2):
        base = x() if exponent == 3 else positive(3, 5)
        vector("pow", [base], {"exponent": exponent}, lambda t: t**exponent)
    for a, b in [((3, 5), (3, 5)), ((2, 3, 4), (3, 1)), ((4, 1), (5,)), ((3,), (2, 1, 3)), ((2, 3), ())]:
        left, right = (lambda: draw(*a)), (lambda: draw(*b, offset=0.0025))
        for name, f in [
            ("add", torch.add),
            ("sub", torch.sub),
            ("mul", torch.mul),
            ("maximum", torch.maximum),
            ("minimum", torch.minimum),
        ]:
            vector(name, [left(), right()], {}, f)
        vector("div", [left(), positive(*b)], {}, torch.div)
        vector("pow", [positive(*a), right()], {}, torch.pow)
        few = lambda shape: exact(rng.integers(-1, 2, size=shape))
        for name, f in [
            ("equal", torch.eq),
            ("notEqual", torch.ne),
            ("less", torch.lt),
            ("lessEqual", torch.le),
            ("greater", torch.gt),
            ("greaterEqual", torch.ge),
        ]:
            vector(name, [few(a), few(b)], {}, lambda p, q: f(p, q).double(), differentiable=False)
        condition = exact(rng.integers(0, 2, size=b))
        vector("where", [condition, left(), right()], {}, lambda c, p, q: torch.where(c != 0, p, q), constants=(0,))


def sign_and_logic_vectors():
    vector("sign", [draw(4, 11, scale=3)], {}, torch.sign)
    vector("rsqrt", [positive(3, 7)], {}, torch.rsqrt)
    bits = lambda shape: exact(rng.integers(-1, 2, size=shape))
    for a, b in [((3, 5), (3, 5)), ((2, 3, 4), (3, 1)), ((4, 1), (5,))]:
        for name, f in [("logicalAnd", torch.logical_and), ("logicalOr", torch.logical_or)]:
            vector(name, [bits(a), bits(b)], {}, lambda p, q: f(p, q).double(), differentiable=False)
        vector("logicalNot", [bits(a)], {}, lambda p: torch.logical_not(p).double(), differentiable=False)


# --- Along axes, and the order of things ------------------------------------------------------------------------------


def axis_vectors():
    for shape, axis, keep in [
        ((3, 4, 5), None, False),
        ((3, 4, 5), 1, False),
        ((3, 4, 5), [0, 2], True),
        ((7, 3), -1, True),
        ((2, 3, 2, 3), [1, 2], False),
    ]:
        attrs = {**({} if axis is None else {"axis": axis}), **({"keepDims": True} if keep else {})}
        dims = tuple(range(len(shape))) if axis is None else axis
        for name, f in [
            ("sum", lambda t: t.sum(dims, keepdim=keep)),
            ("mean", lambda t: t.mean(dims, keepdim=keep)),
            ("variance", lambda t: t.var(dims, unbiased=False, keepdim=keep)),
        ]:
            vector(name, [draw(*shape)], attrs, f)
        vector("max", [distinct(*shape)], attrs, lambda t: t.amax(dims, keepdim=keep))
        vector("min", [distinct(*shape)], attrs, lambda t: t.amin(dims, keepdim=keep))
    for shape, axis in [((3, 7), -1), ((3, 7), 0), ((2, 5, 3), 1)]:
        vector("argmax", [distinct(*shape)], {"axis": axis}, lambda t: t.argmax(axis), differentiable=False)
    for shape, target in [((3, 4), (2, 6)), ((2, 3, 2), (12,))]:
        vector("reshape", [draw(*shape)], {"shape": list(target)}, lambda t: t.reshape(target))
    vector("expandDims", [draw(3, 4)], {"axis": 1}, lambda t: t.unsqueeze(1))
    vector("expandDims", [draw(3, 4)], {"axis": -1}, lambda t: t.unsqueeze(-1))
    vector("squeeze", [draw(3, 1, 4)], {"axis": 1}, lambda t: t.squeeze(1))
    vector("squeeze", [draw(1, 3, 1, 2)], {}, torch.squeeze)
    for shape, axes in [((3, 5), (1, 0)), ((2, 3, 4), (2, 0, 1)), ((2, 3, 2, 3), (0, 3, 1, 2))]:
        vector("transpose", [draw(*shape)], {"axes": list(axes)}, lambda t: t.permute(axes))
    for shape, paddings, value in [((3, 4), [[1, 2], [0, 1]], 0.0), ((2, 3, 2), [[0, 0], [2, 1], [1, 0]], 1.5)]:
        flat = [n for ends in reversed(paddings) for n in ends]
        vector("pad", [draw(*shape)], {"paddings": paddings, "value": value}, lambda t: F.pad(t, flat, value=value))
    vector("slice", [draw(5, 6)], {"begin": [1, 2], "size": [3, 3]}, lambda t: t[1:4, 2:5])
    vector("slice", [draw(2, 4, 3)], {"begin": [0, 1, 2], "size": [2, 2, 1]}, lambda t: t[0:2, 1:3, 2:3])
    vector("concat", [draw(2, 3), draw(4, 3), draw(1, 3)], {"axis": 0}, lambda *t: torch.cat(t, 0))
    vector("concat", [draw(2, 3, 2), draw(2, 3, 4)], {"axis": -1}, lambda *t: torch.cat(t, -1))
    vector("stack", [draw(3, 4), draw(3, 4)], {"axis": 0}, lambda *t: torch.stack(t, 0))
    vector("stack", [draw(3, 2), draw(3, 2), draw(3, 2)], {"axis": -1}, lambda *t: torch.stack(t, -1))
    for shape, axis, rows in [((5, 3), 0, [4, 0, 0, 2]), ((2, 4, 3), 1, [3, 3, 1])]:
        indices = torch.tensor(rows)
        vector("gather", [draw(*shape), indices], {"axis": axis}, lambda t, i: t.index_select(axis, i))
    labels = torch.tensor([2, 0, 3, 3])
    vector("oneHot", [labels], {"classes": 4}, lambda t: F.one_hot(t, 4).double(), differentiable=False)
    for shape, axis in [((3, 7), -1), ((3, 7), 0), ((2, 5, 3), 1)]:
        vector("argmin", [distinct(*shape)], {"axis": axis}, lambda t: t.argmin(axis), differentiable=False)


# --- Training ---------------------------------------------------------------------------------------------------------


def training_vectors():
    for rows, classes in [(4, 3), (1, 10), (3, 1)]:
        labels = torch.tensor(rng.integers(0, classes, size=rows))
        vector("softmaxCrossEntropy", [draw(rows, classes, scale=3), labels], {}, F.cross_entropy)
    # PyTorch normalises by mean and biased variance in training; the last axis is the channel axis here.
    channels_first = lambda x: x.movedim(-1, 1)
    for shape in [(4, 2, 3, 3), (6, 4)]:
        c = shape[-1]
        normal = lambda x, g, b: F.batch_norm(channels_first(x), None, None, g, b, True, 0.01, 1e-3).movedim(1, -1)
        vector("batchNorm", [draw(*shape), positive(c), draw(c)], {"epsilon": 1e-3}, normal)
        frozen = lambda x, g, b, m, v: F.batch_norm(channels_first(x), m, v, g, b, False, 0, 1e-3).movedim(1, -1)
        inputs = [draw(*shape), positive(c), draw(c), draw(c), positive(c)]
        vector("batchNormInference", inputs, {"epsilon": 1e-3}, frozen, constants=(3, 4))



EPSILON = 1e-3  # ten thousand times the default, so that its place shows


def update(kind, w, g, state, t, rate):
    """Keras's rules, on plain tensors."""
    zero = torch.zeros_like(w)
    if kind == "sgd":
        return w - rate * g
    if kind in ("momentum", "nesterov"):
        v = state.setdefault("v", zero)
        state["v"] = v = 0.9 * v - rate * g
        return w + (0.9 * v - rate * g if kind == "nesterov" else v)
    if kind == "rmsprop":
        state["v"] = v = 0.9 * state.get("v", zero) + 0.1 * g**2
        return w - rate * g / torch.sqrt(v + EPSILON)
    if kind == "adamw":
        w = w - w * 0.004 * rate
    state["m"] = m = 0.9 * state.get("m", zero) + 0.1 * g
    state["v"] = v = 0.999 * state.get("v", zero) + 0.001 * g**2
    return w - rate * math.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (torch.sqrt(v) + EPSILON)


def network_vectors():
    """Five steps of conv 3x3 with relu (-> batch norm) -> dense -> softmax cross-entropy, an L2 penalty on both kernels."""
    x = draw(6, 4, 4, 2)
    labels = torch.tensor(rng.integers(0, 3, size=6))
    start = {
        "filter": draw(3, 3, 2, 3, scale=0.3),
        "convBias": draw(3, scale=0.1),
        "gamma": positive(3),
        "beta": draw(3, scale=0.1),
        "kernel": draw(12, 3, scale=0.3),
        "bias": draw(3, scale=0.1),
    }
    rates = {"sgd": 0.05, "momentum": 0.05, "nesterov": 0.05, "adam": 0.01, "adamw": 0.01, "rmsprop": 0.01}
    runs = [five_steps(x, labels, start, kind, rates[kind], normed) for normed in (False, True) for kind in rates]
    group = ",\n".join('"%s":%s' % (name, array(values)) for name, values in start.items())
    text = '{"x":%s,\n"labels":%s,\n"start":{%s},\n"runs":[\n%s\n]}\n' % (array(x), array(labels), group, ",\n".join(runs))
    with open(os.path.join(HERE, "networks", "five-steps.json"), "w", encoding="ascii") as file:
        file.write(text)


def five_steps(x, labels, start, kind, rate, normed, penalty=0.01):
    w = {name: value.clone() for name, value in start.items() if normed or name not in ("gamma", "beta")}
    states = {name: {} for name in w}
    running = {"mean": torch.zeros(3, dtype=torch.float64), "variance": torch.ones(3, dtype=torch.float64)}
    losses = []
    for t in range(1, 6):
        w = {name: value.detach().requires_grad_(True) for name, value in w.items()}
        y = conv2d(x, w["filter"], w["convBias"], activation="relu")
        if normed:
            batch = {"mean": y.mean((0, 1, 2)), "variance": y.var((0, 1, 2), unbiased=False)}
            running = {name: (0.99 * running[name] + 0.01 * batch[name]).detach() for name in running}
            y = F.batch_norm(y.movedim(-1, 1), None, None, w["gamma"], w["beta"], True, 0, 1e-3).movedim(1, -1)
        logits = y.reshape(6, -1) @ w["kernel"] + w["bias"]
        penalties = penalty * ((w["filter"] ** 2).sum() + (w["kernel"] ** 2).sum())
        loss = F.cross_entropy(logits, labels) + penalties
        loss.backward()
        losses.append(loss.detach())
        w = {name: update(kind, value.detach(), value.grad, states[name], t, rate) for name, value in w.items()}
    end = {**w, **(running if normed else {})}
    return '{"optimizer":"%s","learningRate":%s,"epsilon":%s,"l2":%s,"batchNorm":%s,"losses":%s,"end":{%s}}' % (
        kind,
        rate,
        EPSILON,
        penalty,
        json.dumps(normed),
        array(torch.stack(losses)),
        ",".join('"%s":%s' % (name, array(values)) for name, values in end.items()),
    )


if __name__ == "__main__":
    os.makedirs(os.path.join(HERE, "networks"), exist_ok=True)
    groups = (image_vectors, dense_vectors, pointwise_vectors, sign_and_logic_vectors, axis_vectors, training_vectors)
    for make in (*groups, network_vectors):
        rng = np.random.default_rng(20261120)  # each from its own seed: one more vector leaves the other files alone
        make()
    for operator, texts in files.items():
        write(operator, texts)
