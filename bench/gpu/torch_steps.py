"""A training step of 784-128-10 at batch 64 in PyTorch: eager as its users write it, and captured as a CUDA graph.

The images are on the GPU before the clock starts; a step picks its batch there. Prints an object of JSON a line.
"""

import json
import statistics
import time

import torch
from torch import nn

IMAGES, BATCH, STEPS, ROUNDS = 60000, 64, 500, 7


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)).cuda()


class Eager:
    def __init__(self, x, y):
        self.x, self.y, self.model = x, y, network()
        self.loss = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)

    def step(self, picked):
        loss = self.loss(self.model(self.x[picked]), self.y[picked])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()


class Graph:
    """The same step, captured once; a replay reads the numbers of its images from a fixed place."""

    def __init__(self, x, y):
        self.eager, self.picked = Eager(x, y), torch.zeros(BATCH, dtype=torch.long, device="cuda")
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(5):
                self.eager.step(self.picked)
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.eager.step(self.picked)

    def step(self, picked):
        self.picked.copy_(picked)
        self.graph.replay()


def seconds(way, order):
    """The wall time of a step, as the median of several rounds."""
    rounds = []
    for _ in range(ROUNDS + 1):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for picked in order:
            way.step(picked)
        torch.cuda.synchronize()
        rounds.append((time.perf_counter() - start) / len(order))
    return statistics.median(rounds[1:])


def main():
    x = torch.rand((IMAGES, 784), device="cuda")
    y = torch.randint(10, (IMAGES,), device="cuda")
    order = torch.randperm(IMAGES, device="cuda")[: STEPS * BATCH].split(BATCH)
    for name, way in {"eager": Eager, "CUDA graph": Graph}.items():
        took = seconds(way(x, y), order)
        print(json.dumps({"name": f"PyTorch {torch.__version__}, {name}", "seconds": took}), flush=True)


if __name__ == "__main__":
    main()
