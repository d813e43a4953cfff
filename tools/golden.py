"""Records from PyTorch the numbers that crates/glassbox/tests/golden/*.json hold: python tools/golden.py

Every number is recorded twice: `f32` is what PyTorch computes in float32 on one CPU thread (its last bits may differ on
another processor), `f64` is the same PyTorch program in float64 on the same inputs, the truth to compare with. `scale`
says how much rounding the number can honestly carry: sum |a||b| over the products that make it, each factor taken as it
is in float64. A result r is right within t when |r - f64| <= t * scale; the contract is t = 1e-5.
Inputs and weights are integers from a hash, scaled by powers of two, so that Rust repeats them bit for bit.
"""

import json
import math
import pathlib

import numpy as np
import torch

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "crates/glassbox/tests/golden"
BATCH, INPUTS, HIDDEN, CLASSES, STEPS, RATE = 64, 784, 128, 10, 10, 0.1
COLUMNS = [0, 111, 222, 333, 444, 555, 666, 777]
FORMULA = {
    "hash(stream, i)": "all u32, wrapping: h = i + stream * 0x9E3779B9; h ^= h >> 16; h *= 0x85EBCA6B; h ^= h >> 13; "
    "h *= 0xC2B2AE35; h ^= h >> 16",
    "x[i]": "h = hash(1, i); k = if h % 5 == 0 { 1 + (h >> 8) % 255 } else { 0 }; k as f32 / 255 as f32; "
    "i = (step * 64 + row) * 784 + column",
    "n(stream, i)": "(hash(stream, i) >> 12) as i32 - 524288, so -2^19 <= n < 2^19",
    "w1[i]": "(9 * n(2, i)) as f32 / 2^27; i = unit * 784 + input",
    "b1[i]": "(9 * n(3, i)) as f32 / 2^27; i = unit",
    "w2[i]": "(11 * n(4, i)) as f32 / 2^26; i = class * 128 + unit",
    "b2[i]": "(11 * n(5, i)) as f32 / 2^26; i = class",
    "label[step][row]": "(7 * row + 3 * step) % 10",
}


def hash_u32(stream, count):
    # 64-bit arithmetic with an explicit mask: what u32 wrapping does, without NumPy's overflow warnings.
    mask = np.uint64(0xFFFFFFFF)
    h = (np.arange(count, dtype=np.uint64) + np.uint64(stream * 0x9E3779B9)) & mask
    for shift, factor in [(16, 0x85EBCA6B), (13, 0xC2B2AE35)]:
        h = ((h ^ (h >> np.uint64(shift))) * np.uint64(factor)) & mask
    return (h ^ (h >> np.uint64(16))).astype(np.int64)


def pixels(count):
    h = hash_u32(1, count)
    return np.where(h % 5 == 0, 1 + (h >> 8) % 255, 0)


def numerators(stream, count):
    return (hash_u32(stream, count) >> 12) - 524288


def weights(stream, factor, power, *shape):
    return ((factor * numerators(stream, math.prod(shape))).astype(np.float32) / np.float32(2.0**power)).reshape(shape)


def inputs():
    k = pixels(STEPS * BATCH * INPUTS).astype(np.float32)
    return (k / np.float32(255)).reshape(STEPS, BATCH, INPUTS)


def labels(step):
    return torch.tensor([(7 * row + 3 * step) % 10 for row in range(BATCH)])


def network(dtype):
    model = torch.nn.Sequential(torch.nn.Linear(INPUTS, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, CLASSES)).to(
        dtype
    )
    start = [
        weights(2, 9, 27, HIDDEN, INPUTS),
        weights(3, 9, 27, HIDDEN),
        weights(4, 11, 26, CLASSES, HIDDEN),
        weights(5, 11, 26, CLASSES),
    ]
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), start):
            parameter.copy_(torch.from_numpy(value))
    return model


# How a number is written down.


def shortest(value, digits=None):
    if digits:  # Scales need no more than three digits; rounding up keeps them bounds.
        value = float(value)
        step = 10.0 ** (math.floor(math.log10(value)) - 2) if value else 1.0
        return repr(float(f"{math.ceil(value / step) * step:.3g}"))
    text = np.format_float_positional if 1e-5 <= abs(value) < 1e16 or value == 0 else np.format_float_scientific
    return text(value, unique=True, trim="0")


def numbers(array, digits=None):
    return Raw("[" + ",".join(shortest(v, digits) for v in np.asarray(array).ravel()) + "]")


class Raw(str):
    """Text that is JSON already."""


def record(f32, f64, scale):
    f32, f64 = (t.detach().numpy() if torch.is_tensor(t) else np.asarray(t) for t in (f32, f64))
    assert f32.dtype == np.float32 and f64.dtype == np.float64 and f32.shape == f64.shape
    scale = np.broadcast_to(np.asarray(scale, np.float64), f64.shape)
    worst = float((np.abs(f32.astype(np.float64) - f64) / np.maximum(scale, 1e-300)).max())
    assert worst < 1e-5, f"PyTorch itself misses the contract: {worst}"
    shape = list(f64.shape)
    worst = Raw(f"{worst:.1e}")
    return {"shape": shape, "f32_worst": worst, "f32": numbers(f32), "f64": numbers(f64), "scale": numbers(scale, 3)}


def write(name, about, content):
    def text(value, indent):
        if isinstance(value, Raw):
            return value
        if isinstance(value, dict):
            pad = "\n" + " " * indent
            return "{" + ",".join(pad + f"{json.dumps(k)}: {text(v, indent + 1)}" for k, v in value.items()) + "}"
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return "[" + ",\n".join(text(v, indent + 1) for v in value) + "]"
        return json.dumps(value)

    made_by = f"tools/golden.py, PyTorch {torch.__version__.split('+')[0]}, CPU, one thread. {about}"
    whole = text({"made_by": made_by, "contract": "|r - f64| <= 1e-5 * scale", **content}, 1) + "\n"
    json.loads(whole)
    (FOLDER / name).write_text(whole)
    print(f"{name:16} {len(whole):7} bytes")


# mlp.json: the headline network, one step in detail and ten in outline.


def first_step(dtype, x):
    """Everything one step of training computes, before the update."""
    model = network(dtype)
    z1 = model[0](torch.from_numpy(x[0]).to(dtype))
    h = model[1](z1)
    logits = model[2](h)
    z1.retain_grad(), logits.retain_grad()
    loss = torch.nn.functional.cross_entropy(logits, labels(0))
    loss.backward()
    total = torch.nn.functional.cross_entropy(logits, labels(0), reduction="sum")
    return model, z1, h, logits, loss, total


def gradient_scales(x, z1, h, logits):
    """sum |a||b| of the four gradients, from the factors of their products."""
    dz1, dlogits = np.abs(z1.grad.numpy()), np.abs(logits.grad.numpy())
    return dz1.T @ np.abs(x), dz1.sum(0), dlogits.T @ np.abs(h.detach().numpy()), dlogits.sum(0)


def train(dtype, x):
    """Ten steps of plain SGD, and the scale of each weight: |start| + rate * the sum of its gradients' scales."""
    model = network(dtype)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    scales = [np.abs(p.detach().numpy()).astype(np.float64) for p in model.parameters()]
    losses = []
    for step in range(STEPS):
        batch = torch.from_numpy(x[step]).to(dtype)
        z1 = model[0](batch)
        h = model[1](z1)
        logits = model[2](h)
        z1.retain_grad(), logits.retain_grad()
        loss = torch.nn.functional.cross_entropy(logits, labels(step))
        optimizer.zero_grad()
        loss.backward()
        scales = [s + RATE * g for s, g in zip(scales, gradient_scales(x[step], z1, h, logits))]
        optimizer.step()
        losses.append(loss.item())
    return (model, np.array(losses, dtype=np.float32 if dtype == torch.float32 else np.float64), scales)


def mlp():
    x = inputs()
    single, _, _, logits32, loss32, total32 = first_step(torch.float32, x)
    model, z1, h, logits, loss, total = first_step(torch.float64, x)
    w1, b1, w2, b2 = (np.abs(p.detach().numpy()) for p in model.parameters())
    # A hidden unit at the kink would switch on or off with the rounding and change whole gradients: there must be none.
    kink = float((np.abs(z1.detach().numpy()) / (np.abs(x[0]) @ w1.T + b1)).min())
    assert kink > 2e-6, f"a unit sits on the kink: {kink}"
    row = logits.detach()
    loss_scale = (torch.logsumexp(row, 1).abs() + row[torch.arange(BATCH), labels(0)].abs()).sum().item()
    g32, g64 = ([p.grad for p in m.parameters()] for m in (single, model))
    scales = gradient_scales(x[0], z1, h, logits)
    sums = [s.sum(axis) for s in scales[:1] for axis in (1, 0)]
    trained32, losses32, _ = train(torch.float32, x)
    trained, losses, final = train(torch.float64, x)
    end32, end64 = (list(m.parameters()) for m in (trained32, trained))
    k = pixels(STEPS * BATCH * INPUTS)
    check = {
        "x_nonzero": int((k > 0).sum()),
        "x_sum_of_k": int(k.sum()),
        "x_first_100_k": k[:100].tolist(),
        **{
            f"{name}_sum_of_n": int(numerators(stream, count).sum())
            for name, stream, count in [
                ("w1", 2, HIDDEN * INPUTS),
                ("b1", 3, HIDDEN),
                ("w2", 4, CLASSES * HIDDEN),
                ("b2", 5, CLASSES),
            ]
        },
    }
    logits_scale = np.abs(h.detach().numpy()) @ w2.T + b2
    write(
        "mlp.json",
        "torch.nn.Sequential(Linear(784, 128), ReLU(), Linear(128, 10)), batch 64, mean cross-entropy",
        {
            "scales": {
                "logits": "sum over units |h||w2| + |b2|",
                "loss": "mean (or sum) over rows of |logsumexp| + |logit of the label|",
                "dw1 dw2": "sum over rows |dz||input|",
                "db1 db2": "sum over rows |dz|",
                "dw1_sum": "the sum of dw1's scales; its f32 is summed in float64 and rounded once",
                "losses": "the loss",
                "final": "|start| + 0.1 * the sum over the ten steps of the gradient's scale",
            },
            "formula": FORMULA,
            "check_of_the_formula": check,
            "nearest_to_the_kink": Raw(f"{kink:.1e}"),
            "columns": COLUMNS,
            "logits": record(logits32, logits, logits_scale),
            "loss_mean": record(loss32, loss, loss_scale / BATCH),
            "loss_sum": record(total32, total, loss_scale),
            # In these names the columns of w1 (out, in) are listed one after another: shape (8 columns, 128 units).
            "dw1_columns": record(g32[0].T[COLUMNS], g64[0].T[COLUMNS], scales[0].T[COLUMNS]),
            "dw1_sum_over_inputs": record(g32[0].double().sum(1).float(), g64[0].sum(1), sums[0]),
            "dw1_sum_over_units": record(g32[0].double().sum(0).float(), g64[0].sum(0), sums[1]),
            "db1": record(g32[1], g64[1], scales[1]),
            "dw2": record(g32[2], g64[2], scales[2]),
            "db2": record(g32[3], g64[3], scales[3]),
            "ten_steps": {
                "rate": RATE,
                "losses": record(losses32, losses, losses),
                "final_w1_columns": record(end32[0].T[COLUMNS], end64[0].T[COLUMNS], final[0].T[COLUMNS]),
                "final_b1": record(end32[1], end64[1], final[1]),
                "final_w2_class_0": record(end32[2][0], end64[2][0], final[2][0]),
                "final_b2": record(end32[3], end64[3], final[3]),
            },
        },
    )


# The small ones. Every input is a short binary fraction, so that float32 holds exactly what the JSON says.


def both(f, *arrays):
    """Runs f on the same float32 inputs in float32 and in float64."""
    return [
        f(*(torch.tensor(a, dtype=torch.float32).to(d).requires_grad_() for a in arrays))
        for d in (torch.float32, torch.float64)
    ]


def optimizers():
    start = [0.5, -1.25, 2.0, 0.0, -0.0078125, 100.0, 1.0]
    g = 2.0**-27  # So small that Adam's eps decides the step; the last element moves by weight decay alone.
    gradients = [
        [0.25, -0.5, 1.0, 0.0, g, -8.0, 0.0],
        [0.125, 0.5, 1.0, 0.0, -g, -16.0, 0.0],
        [-0.25, 0.75, 1.0, 2.0, 2 * g, 32.0, 0.0],
        [0.0, -0.5, 1.0, 0.0, 0.0, -4.0, 0.0],
        [1.5, -0.0625, 1.0, -2.0, g, 64.0, 0.0],
    ]

    def run(make):
        def steps(p):
            p = p.detach().requires_grad_()
            optimizer, after = make([p]), [p.detach().clone()]
            for g in gradients:
                p.grad = torch.tensor(g).to(p.dtype)
                optimizer.step()
                after.append(p.detach().clone())
            return torch.stack(after)

        f32, f64 = both(steps, start)
        moved = (f64[1:] - f64[:-1]).abs().cumsum(0)
        return record(f32[1:], f64[1:], f64[0].abs() + moved)

    sgd, adam = torch.optim.SGD, {"lr": 0.001, "betas": (0.9, 0.999), "eps": 1e-8}
    kinds = [
        ("sgd", sgd, {"lr": 0.1}),
        ("momentum", sgd, {"lr": 0.1, "momentum": 0.9}),
        ("nesterov", sgd, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
        ("adam", torch.optim.Adam, adam),
        ("adamw", torch.optim.AdamW, {**adam, "weight_decay": 0.01}),
    ]
    write(
        "optimizers.json",
        "torch.optim, foreach=False: five steps on one vector with the gradients given",
        {
            # Tighter than elsewhere: five AdamW steps decay a weight by 5e-5 of itself, and that must show.
            "contract": "|r - f64| <= 1e-6 * scale",
            "scales": "|start| + the sum of the distances moved so far",
            "start": start,
            "gradients": Raw(json.dumps(gradients)),
            "optimizers": [
                {
                    "name": name,
                    "settings": Raw(json.dumps(settings)),
                    "after": run(lambda p: kind(p, foreach=False, **settings)),
                }
                for name, kind, settings in kinds
            ],
        },
    )


def forward_and_backward(f, x, dy):
    def run(x, dy):
        y = f(x)
        y.backward(dy.detach())
        return y.detach(), x.grad

    (y32, dx32), (y64, dx64) = both(run, x, dy)
    return y32, y64, dx32, dx64


def activations():
    F, tiny = torch.nn.functional, 2.0**-126
    positive = [2.0**-100, 2.0**-20, 0.0009765625, 0.125, 0.5, 0.875, 1.0, 1.5, 2.0, 3.0, 5.0, 9.0, 17.0, 60.0, 1000.0]
    x = [-v for v in reversed(positive)] + [0.0] + positive
    dy = [((i * 5) % 11 - 5) / 4 for i in range(len(x))]
    size, up = np.abs(x), np.abs(dy)
    cases = [
        ("relu", F.relu, lambda y: (np.abs(y), up)),
        ("leaky_relu", lambda v: F.leaky_relu(v, 0.01), lambda y: (np.abs(y), up)),
        ("sigmoid", torch.sigmoid, lambda y: (np.abs(y), up * y)),
        ("tanh", torch.tanh, lambda y: (np.abs(y), up)),
        ("gelu_tanh", lambda v: F.gelu(v, approximate="tanh"), lambda y: (size, up * (1 + size))),
    ]
    out = []
    for name, f, scales in cases:
        y32, y64, dx32, dx64 = forward_and_backward(f, x, dy)
        y_scale, dx_scale = scales(y64.numpy())
        out.append({"name": name, "y": record(y32, y64, y_scale + tiny), "dx": record(dx32, dx64, dx_scale + tiny)})
    rows = [
        [0.0, 0.5, -0.5, 1.0, -1.0, 0.25, 2.0],
        [0.0] * 7,
        [1000.0, 999.0, 0.0, -1000.0, 996.5, 1000.0, 10.0],
        [-1000.0, -1000.5, -1001.0, -1002.0, -1003.0, -1010.0, -1040.0],
        [0.0, -10.0, -20.0, -40.0, -60.0, -80.0, 3.0],
    ]
    d_rows = [[((i * 7 + j * 3) % 11 - 5) / 4 for j in range(7)] for i in range(5)]
    r, up = np.array(rows), np.abs(d_rows)
    below = 1 + np.abs(r - r.max(1, keepdims=True))
    p = np.exp(r - r.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    lse = np.log(np.exp(r - r.max(1, keepdims=True)).sum(1, keepdims=True)) + r.max(1, keepdims=True)
    by_row = [
        ("softmax", lambda v: torch.softmax(v, 1), p * below, p * below * (up + (p * up).sum(1, keepdims=True))),
        (
            "log_softmax",
            lambda v: torch.log_softmax(v, 1),
            np.abs(r) + np.abs(lse),
            up + p * below * up.sum(1, keepdims=True),
        ),
    ]
    out_rows = []
    for name, f, y_scale, dx_scale in by_row:
        y32, y64, dx32, dx64 = forward_and_backward(f, rows, d_rows)
        out_rows.append(
            {"name": name, "y": record(y32, y64, y_scale + tiny), "dx": record(dx32, dx64, dx_scale + tiny)}
        )
    write(
        "activations.json",
        "y = f(x) and dx = dy * f'(x); leaky_relu 0.01; gelu approximate='tanh'; softmax by row",
        {
            "scales": {
                "relu leaky_relu tanh": "|y|; |dy|",
                "sigmoid": "|y|; |dy| y",
                "gelu_tanh": "|x|; |dy| (1 + |x|)",
                "softmax": "y below; y below (|dy| + sum |dy| y); below = 1 + |x - max|, exp's argument",
                "log_softmax": "|x| + |logsumexp|; |dy| + softmax below sum |dy|",
                "all": "+ 2^-126: below it f32 loses digits",
            },
            "x": Raw(json.dumps(x)),
            "dy": Raw(json.dumps(dy)),
            "elementwise": out,
            "rows_x": Raw(json.dumps(rows)),
            "rows_dy": Raw(json.dumps(d_rows)),
            "by_row": out_rows,
        },
    )


def losses():
    F = torch.nn.functional
    z = [[((i * 13 + j * 17 + i * j) % 29 - 14) / 4 for j in range(7)] for i in range(5)]
    z[4] = [100.0, -100.0, 0.0, 50.0, 99.5, -3.0, 1.0]
    target = [[((i * 11 + j * 5) % 13 - 6) / 8 for j in range(7)] for i in range(5)]
    label = [3, 0, 6, 2, 4]
    a, t = np.array(z), np.array(target)
    p = np.exp(a - a.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    lse = np.log(np.exp(a - a.max(1, keepdims=True)).sum(1)) + a.max(1)
    hot = np.eye(7)[label]
    cases = [
        (
            "cross_entropy",
            lambda v, how: F.cross_entropy(v, torch.tensor(label), reduction=how),
            (np.abs(lse) + np.abs(a[range(5), label])).sum(),
            p * (1 + np.abs(a - a.max(1, keepdims=True))) + hot,
            5,
        ),
        (
            "mse",
            lambda v, how: F.mse_loss(v, torch.tensor(target).to(v.dtype), reduction=how),
            ((np.abs(a) + np.abs(t)) ** 2).sum(),
            2 * (np.abs(a) + np.abs(t)),
            35,
        ),
    ]
    out = []
    for name, f, scale, d_scale, count in cases:
        for how, n in [("mean", count), ("sum", 1)]:

            def run(v):
                value = f(v, how)
                value.backward()
                return value.detach(), v.grad

            (l32, d32), (l64, d64) = both(run, z)
            out.append(
                {
                    "name": name,
                    "reduction": how,
                    "loss": record(l32, l64, scale / n),
                    "dx": record(d32, d64, d_scale / n + 2.0**-126),
                }
            )
    write(
        "losses.json",
        "x (5, 7); cross_entropy takes labels, mse takes target; mse's mean divides by 35",
        {
            "scales": {
                "cross_entropy": "sum (|logsumexp| + |x of the label|); softmax (1 + |x - max|) + one-hot",
                "mse": "sum (|x| + |target|)^2; 2 (|x| + |target|)",
                "mean": "divided like the loss, by 5 or 35",
            },
            "x": Raw(json.dumps(z)),
            "target": Raw(json.dumps(target)),
            "labels": label,
            "losses": out,
        },
    )


def schedules():
    def rates(make):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
        schedule, seen = make(optimizer), []
        for _ in range(20):
            seen.append(float(optimizer.param_groups[0]["lr"]))
            optimizer.step()
            schedule.step()
        return seen

    lr = torch.optim.lr_scheduler
    kinds = [
        ("StepLR", lr.StepLR, {"step_size": 6, "gamma": 0.5}),
        ("CosineAnnealingLR", lr.CosineAnnealingLR, {"T_max": 20, "eta_min": 0.001}),
        ("OneCycleLR", lr.OneCycleLR, {"max_lr": 0.1, "total_steps": 20, "cycle_momentum": False}),
    ]
    write(
        "schedules.json",
        "torch.optim.lr_scheduler from lr 0.1: the rate that steps 0 to 19 use, in float64",
        {
            "note": "OneCycleLR's defaults: pct_start 0.3, cosine, div_factor 25, final_div_factor 1e4",
            "contract": "|r - rate| <= 1e-12 * 0.1",
            "schedules": [
                {
                    "name": name,
                    "settings": Raw(json.dumps(settings)),
                    "rates": numbers(rates(lambda o: kind(o, **settings))),
                }
                for name, kind, settings in kinds
            ],
        },
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    FOLDER.mkdir(parents=True, exist_ok=True)
    mlp()
    optimizers()
    activations()
    losses()
    schedules()
