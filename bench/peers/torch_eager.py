"""The headline job in PyTorch as its users write it: nn.Sequential, autograd, torch.optim.SGD, eager."""

import common

torch = common.torch_with_threads(common.arguments().threads)
from torch import nn


class Network:
    """Batches are picked from tensors that were loaded once."""

    def __init__(self, x, y, width, batch, rate, rng):
        self.x, self.y, self.batch = torch.from_numpy(x), torch.from_numpy(y), batch
        self.model = nn.Sequential(nn.Linear(784, width), nn.ReLU(), nn.Linear(width, 10))
        for layer in (self.model[0], self.model[2]):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.loss = nn.CrossEntropyLoss(reduction="sum")
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=rate)

    def epoch(self, order):
        for picked in torch.from_numpy(order).split(self.batch):
            loss = self.loss(self.model(self.x[picked]), self.y[picked])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()

    def classes(self, x):
        with torch.inference_mode():
            return self.model(torch.from_numpy(x)).argmax(dim=1).numpy()


if __name__ == "__main__":
    common.run(Network, f"torch {torch.__version__}")
