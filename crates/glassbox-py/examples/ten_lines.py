"""MNIST in ten lines: the best settings that Glassbox knows for this network, judged by images it never saw."""

from glassbox import Network, datasets

X_train, y_train, X_test, y_test = datasets.mnist()
network = Network("784-128-relu-10")
network.fit(X_train, y_train)

evaluation = network.evaluate(X_test, y_test)
print(f"Test accuracy = {evaluation.accuracy:.2%}")
