"""Week 8, the checkpoint: native results are those of Python within 1e-5, in products and in inference.

What differs from the course, and why:
- The native half is Rust, not C. ``matrix_multiply`` takes lists and gives lists, as the course has it.
- Native numbers are float32 and Python's are float64, so the difference is not zero. It is printed.
"""

import random

import glassbox
from glassbox.ladder import pure


def largest_difference(native: list[list[float]], python: list[list[float]]) -> float:
    """Over all elements. Shapes that differ are an error, since zip would skip what one of them lacks."""
    difference = pure.Matrix(native) - pure.Matrix(python)
    return max(abs(value) for row in difference.data for value in row)


rng = random.Random(0)


def random_matrix(rows: int, columns: int) -> list[list[float]]:
    return [[rng.uniform(-1.0, 1.0) for _ in range(columns)] for _ in range(rows)]


# Products, of odd shapes too
for m, k, n in [(1, 1, 1), (2, 3, 4), (17, 31, 13), (64, 100, 10)]:
    A, B = random_matrix(m, k), random_matrix(k, n)
    difference = largest_difference(glassbox.matrix_multiply(A, B), pure.Matrix(A).dot(pure.Matrix(B)).data)
    print(f"({m}, {k}) · ({k}, {n}): largest difference {difference:.1e}")
    assert difference < 1e-5

# Inference: the same weights in both. A native weight is (outputs, inputs), as PyTorch has it; in the course it is
# (inputs, outputs). The relu between the two dense layers has number 1, and no weights.
nn = pure.NeuralNetwork(20, 16, 5)
nn.layer1.b, nn.layer2.b = pure.Matrix(random_matrix(1, 16)), pure.Matrix(random_matrix(1, 5))
network = glassbox.Network("20-16-relu-5", device="cpu")
network.load_parameters(
    {
        "0.weight": nn.layer1.W.T().data,
        "0.bias": nn.layer1.b.data[0],
        "2.weight": nn.layer2.W.T().data,
        "2.bias": nn.layer2.b.data[0],
    }
)
X = random_matrix(32, 20)
scores = largest_difference(network.forward(X).tolist(), nn.forward(pure.Matrix(X)).data)
probabilities = largest_difference(network.predict_proba(X).tolist(), nn.predict(pure.Matrix(X)).data)
print(f"20-16-relu-5 on 32 samples: largest difference of scores {scores:.1e}, of probabilities {probabilities:.1e}")
assert scores < 1e-5 and probabilities < 1e-5
print("native and Python agree within 1e-5")
