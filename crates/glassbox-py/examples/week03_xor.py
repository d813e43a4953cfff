"""Week 3, the checkpoint: XOR with a network of two layers, made of lists.

What differs from the course, and why:
- ``backward`` keeps the gradients and ``update`` takes the step, so that the gradients can be looked at in between.
- The seed is fixed and the hidden layer has 16 units. With two units, correct code fails for most seeds, since a relu
  that is off for all four inputs never learns again; the end of this file counts it.
"""

from glassbox.ladder.pure import (
    DenseLayer,
    Matrix,
    NeuralNetwork,
    cross_entropy_loss,
    one_hot,
    relu,
    relu_derivative,
    softmax,
)
from random import Random

X = Matrix([[0, 0], [0, 1], [1, 0], [1, 1]])
labels = [0, 1, 1, 0]
y = one_hot(labels, classes=2)

rng = Random(0)
layer1, layer2 = DenseLayer(2, 16, rng), DenseLayer(16, 2, rng)
for step in range(1001):
    # Forward pass
    z1 = layer1.forward(X)
    predictions = softmax(layer2.forward(z1.apply(relu)))
    if step % 200 == 0:
        print(f"step {step:>4}  loss {cross_entropy_loss(y, predictions):.4f}")

    # Backward pass
    grad = predictions - y  # Softmax + cross-entropy derivative
    grad = layer2.backward(grad)
    layer1.backward(grad * z1.apply(relu_derivative))

    # Update weights
    for layer in (layer1, layer2):
        layer.update(learning_rate=0.1)

for inputs, probabilities in zip(X.data, predictions.data):
    answer = probabilities.index(max(probabilities))
    print(f"{inputs[0]:.0f} xor {inputs[1]:.0f} = {answer}  (the probability of 1 is {probabilities[1]:.3f})")

for hidden_size in (2, 4, 8, 16):
    solved = 0
    for seed in range(10):
        nn = NeuralNetwork(2, hidden_size, 2, seed)
        for _ in range(500):
            nn.train_batch(X, labels, learning_rate=0.1)
        solved += nn.evaluate(X, labels) == 1.0
    print(f"{hidden_size:>2} hidden units: {solved} of 10 seeds solve it")
