"""Makes tests/torch_reference.json: what PyTorch's optimizers and schedules compute, in float64.

Run in an environment of its own: ``pip install torch numpy``, ``python tests/torch_reference.py``. The tests read the
file alone.
"""

import json
from pathlib import Path

import torch

STEPS = 100
SHOWN = (1, 2, 3, 10, 50, 100)
OPTIMIZERS = {
    "sgd nesterov": lambda p: torch.optim.SGD(p, lr=0.03, momentum=0.9, nesterov=True),
    "sgd decay": lambda p: torch.optim.SGD(p, lr=0.03, momentum=0.9, weight_decay=0.1),
    "adam": lambda p: torch.optim.Adam(p, lr=0.03, betas=(0.8, 0.99), eps=1e-7),
    "adam decay": lambda p: torch.optim.Adam(p, lr=0.03, weight_decay=0.1),
    "amsgrad": lambda p: torch.optim.Adam(p, lr=0.03, amsgrad=True),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.03, weight_decay=0.1),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01),
    "rmsprop momentum": lambda p: torch.optim.RMSprop(p, lr=0.001, momentum=0.9),
    "rmsprop centered": lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.9, centered=True),
    "rmsprop both": lambda p: torch.optim.RMSprop(p, lr=0.001, momentum=0.9, centered=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.1),
    "clip norm": lambda p: torch.optim.SGD(p, lr=0.03, momentum=0.9),
    "clip value": lambda p: torch.optim.SGD(p, lr=0.03, momentum=0.9),
}
SCHEDULES = {
    "constant warmup": lambda o: torch.optim.lr_scheduler.LinearLR(o, 1 / 11, 1.0, total_iters=10),
    "step": lambda o: torch.optim.lr_scheduler.StepLR(o, 7, gamma=0.3),
    "linear": lambda o: torch.optim.lr_scheduler.LinearLR(o, 0.1, 1.0, total_iters=60),
    "cosine": lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, STEPS, eta_min=0.0005),
    "cosine warmup": lambda o: torch.optim.lr_scheduler.SequentialLR(
        o,
        [
            torch.optim.lr_scheduler.LinearLR(o, 1 / 11, 1.0, total_iters=10),
            torch.optim.lr_scheduler.CosineAnnealingLR(o, STEPS - 10),
        ],
        [10],
    ),
    "one cycle": lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.05, total_steps=STEPS),
    "one cycle early": lambda o: torch.optim.lr_scheduler.OneCycleLR(
        o, 0.05, total_steps=STEPS, pct_start=0.123, div_factor=10, final_div_factor=100
    ),
}
LOSSES = [3.0, 2.0, 2.0, 2.5, 1.9, 1.95, 1.87, 1.95, 1.95, 1.95, 1.95, 1.5, 1.5, 1.5, 1.5, 1.5]


def start():
    """Two parameters, and by what the fourth powers of their numbers are multiplied in the loss."""
    p = torch.tensor([[0.7, -1.3], [0.1, 2.0], [-0.4, 0.9]], dtype=torch.float64, requires_grad=True)
    q = torch.tensor([1.1, -0.2], dtype=torch.float64, requires_grad=True)
    return p, q, torch.linspace(0.1, 1.0, 6, dtype=torch.float64).reshape(3, 2)


def run(name):
    p, q, scale = start()
    rule = OPTIMIZERS[name]([p, q])
    shown = {}
    for t in range(1, STEPS + 1):
        rule.zero_grad()
        (torch.sum(p**4 * scale) + torch.sum((q - 1) ** 2)).backward()
        if name == "clip norm":
            torch.nn.utils.clip_grad_norm_([p, q], 2.0)
        if name == "clip value":
            torch.nn.utils.clip_grad_value_([p, q], 0.5)
        rule.step()
        if t in SHOWN:
            shown[t] = [p.detach().flatten().tolist(), q.detach().tolist()]
    return shown


def rates(name):
    p, _, _ = start()
    rule = torch.optim.SGD([p], lr=0.05)
    schedule = SCHEDULES[name](rule)
    found = []
    for _ in range(STEPS):
        found.append(rule.param_groups[0]["lr"])
        rule.step()
        schedule.step()
    return found


def plateau():
    """PyTorch waits one epoch longer than Keras and OurDL: its patience of 2 is a patience of 3."""
    p, _, _ = start()
    rule = torch.optim.SGD([p], lr=0.05)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        rule, factor=0.3, patience=2, threshold=0.06, threshold_mode="abs", eps=0.0
    )
    found = []
    for loss in LOSSES:
        schedule.step(loss)
        found.append(rule.param_groups[0]["lr"])
    return found


def averages():
    """The exponential moving average of a line of values, kept by AveragedModel."""
    model = torch.nn.Linear(1, 1, bias=False, dtype=torch.float64)
    kept = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9))
    found = []
    for t in range(1, 21):
        with torch.no_grad():
            model.weight.fill_(float(t * t))
        kept.update_parameters(model)
        found.append(kept.module.weight.item())
    return found


if __name__ == "__main__":
    found = {
        "made by": f"tests/torch_reference.py with PyTorch {torch.__version__}",
        "optimizers": {name: run(name) for name in OPTIMIZERS},
        "schedules": {name: rates(name) for name in SCHEDULES},
        "plateau": {"losses": LOSSES, "rates": plateau()},
        "average": averages(),
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(found) + "\n", encoding="utf-8")
