"""The headline job in PyTorch with a backward written by hand: no autograd, and every large result goes to a tensor
that was allocated once."""

import common

torch = common.torch_with_threads(common.arguments().threads)


class Network:
    """Weights are (in, out). The update of a weight is part of the product that makes its gradient."""

    def __init__(self, x, y, width, batch, rate, rng):
        self.images, self.labels = torch.from_numpy(x), torch.from_numpy(y)
        self.batch, self.rate = batch, rate
        self.w1, self.b1 = torch.from_numpy(common.xavier(rng, 784, width)), torch.zeros(width)
        self.w2, self.b2 = torch.from_numpy(common.xavier(rng, width, 10)), torch.zeros(10)
        self.x, self.h, self.z = torch.empty(batch, 784), torch.empty(batch, width), torch.empty(batch, 10)
        self.p, self.dh = torch.empty(batch, 10), torch.empty(batch, width)
        self.mask = torch.empty(batch, width, dtype=torch.bool)
        self.minus_one = -torch.ones(batch, 1)

    @torch.inference_mode()
    def epoch(self, order):
        for picked in torch.from_numpy(order).split(self.batch):
            self.step(picked)

    def step(self, picked):
        b = len(picked)
        x, h, z, p, dh, mask = (a[:b] for a in (self.x, self.h, self.z, self.p, self.dh, self.mask))
        torch.index_select(self.images, 0, picked, out=x)
        torch.addmm(self.b1, x, self.w1, out=h)
        h.relu_()
        torch.addmm(self.b2, h, self.w2, out=z)
        torch.softmax(z, dim=1, out=p)
        p.scatter_add_(1, self.labels[picked].unsqueeze(1), self.minus_one[:b])
        torch.mm(p, self.w2.t(), out=dh)
        torch.gt(h, 0, out=mask)
        dh.mul_(mask)
        self.w2.addmm_(h.t(), p, alpha=-self.rate)
        self.b2.sub_(p.sum(0), alpha=self.rate)
        self.w1.addmm_(x.t(), dh, alpha=-self.rate)
        self.b1.sub_(dh.sum(0), alpha=self.rate)

    def classes(self, x):
        hidden = torch.addmm(self.b1, torch.from_numpy(x), self.w1).relu_()
        return torch.addmm(self.b2, hidden, self.w2).argmax(dim=1).numpy()


if __name__ == "__main__":
    common.run(Network, f"torch {torch.__version__}")
