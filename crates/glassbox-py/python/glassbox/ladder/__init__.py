"""The ladder: the same small network, written so that each rung can be read in one sitting.

A rung repeats the one below it with a single thing changed, so that comparing two of them shows what that thing is.

- ``glassbox.ladder.pure``: lists and loops, the standard library alone. Every multiplication is in sight.
- ``glassbox.ladder.numpy_``: the same names with NumPy. The loops are gone, and so is most of the time.

Both hold ``NeuralNetwork(input_size, hidden_size, output_size, seed)``, dense → ReLU → dense, trained by gradient
descent on the summed cross-entropy. ``glassbox.NeuralNetwork`` is the rung above them: the same network, native.
The rungs import nothing from this package, so that each can be copied, changed and broken on its own.

    python -m glassbox.ladder.pure                       learns XOR
    python -m glassbox.ladder.pure --data DIR            and then some of MNIST, whose four IDX files DIR holds
    python -m glassbox.ladder.numpy_ --data DIR          and then all of it
"""
