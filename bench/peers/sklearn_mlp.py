"""The headline job in scikit-learn: MLPClassifier, one partial_fit an epoch, which shuffles by itself."""

import common
import numpy as np
import sklearn
from sklearn.neural_network import MLPClassifier


class Network:
    """Its loss is the mean of a batch, so its rate is the batch times the rate of the sum."""

    def __init__(self, x, y, width, batch, rate, rng):
        self.x, self.y = x, y
        self.model = MLPClassifier(
            [width], solver="sgd", alpha=0, batch_size=batch, learning_rate_init=rate * batch, momentum=0,
            nesterovs_momentum=False, random_state=0,
        )  # fmt: skip

    def epoch(self, order):
        self.model.partial_fit(self.x, self.y, classes=np.arange(10))

    def classes(self, x):
        return self.model.predict(x)


if __name__ == "__main__":
    common.run(Network, f"scikit-learn {sklearn.__version__}")
