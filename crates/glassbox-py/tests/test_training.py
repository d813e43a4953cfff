"""Training: the bits of the command line, listeners, interrupts."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import textwrap
import threading
import time
import types

import numpy as np
import pytest

import glassbox
from glassbox import Network


def test_fit_is_the_command_line_to_the_bit(digits, command_line, tmp_path):
    arguments = "train --data digits --model 784-16-relu-10 --seed 5 --max-steps 300 --json --quiet --device cpu"
    report = json.loads(command_line(*arguments.split(), "--out", str(tmp_path / "run"), cwd=tmp_path).stdout)
    network = Network("784-16-relu-10", seed=5, device="cpu")
    history = network.fit(digits.X_train, digits.y_train, max_steps=300, verbose=False)
    assert network.sha256 == report["model_sha256"] and history.ending == "max-steps"
    found = network.evaluate(digits.X_test, digits.y_test)
    assert (found.accuracy, found.loss) == (report["test_accuracy"], report["test_loss"])
    assert Network.load(tmp_path / "run").sha256 == network.sha256
    # The same images as numbers: float64, of quotients.
    other = Network("784-16-relu-10", seed=5, device="cpu")
    assert other.fit(digits.X_train / 255.0, digits.y_train, max_steps=300, verbose=False).plan == "fused"
    assert other.sha256 == network.sha256
    # Python's own files are the command line's.
    network.save(tmp_path / "net.safetensors")
    again = command_line("eval", str(tmp_path / "net.safetensors"), "--data", "digits", "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["test_accuracy"] == found.accuracy


@pytest.mark.parametrize("words, options", [
    ("--optimizer adam", {"optimizer": "adam"}),
    ("--optimizer adamw --weight-decay 0.1", {"optimizer": glassbox.AdamW(weight_decay=0.1)}),
    ("--optimizer nesterov --lr 0.1", {"optimizer": "nesterov", "lr": 0.1}),
    ("--optimizer momentum --weight-decay 0", {"optimizer": glassbox.SGD(momentum=0.9)}),
    ("--recipe brief --init xavier", {"recipe": "brief", "loss": "cross-entropy"}),
    ("--reduction sum --lr 0.001", {"loss": glassbox.CrossEntropy("sum"), "lr": 0.001}),
    ("--schedule warmup:10:cosine --clip 0.5", {"schedule": glassbox.schedules.WarmUp(10, glassbox.schedules.Cosine()), "clip": 0.5}),
    ("--validation 0.1 --batch 50", {"validation": 0.1, "batch_size": 50}),
])  # fmt: skip
def test_options_are_those_of_the_command_line(digits, command_line, tmp_path, words, options):
    arguments = f"train --data digits --model 784-8-relu-10 {words} --max-steps 60 --json --quiet --device cpu"
    report = json.loads(command_line(*arguments.split(), "--out", str(tmp_path / "run"), cwd=tmp_path).stdout)
    network = Network("784-8-relu-10", device="cpu", init="xavier" if "xavier" in words else "he")
    network.fit(digits.X_train, digits.y_train, max_steps=60, verbose=False, **options)
    assert network.sha256 == report["model_sha256"]


@pytest.mark.parametrize("model", ["784-16-relu-10", "784-9-tanh-dropout0.3-10"])
def test_batch_by_batch_is_the_command_line_to_the_bit(digits, command_line, tmp_path, model):
    arguments = f"train --data digits --recipe brief --model {model} --seed 3 --max-steps 70 --batch 50 --json --quiet --device cpu"
    report = json.loads(command_line(*arguments.split(), "--out", str(tmp_path / "run"), cwd=tmp_path).stdout)
    order = glassbox.shuffled(60_000, seed=3, epoch=0)
    sum_of_losses = glassbox.CrossEntropy("sum")
    by_batch = Network(model, init="xavier", seed=3, device="cpu")
    for first in range(0, 70 * 50, 50):
        rows = order[first : first + 50]
        by_batch.train_batch(digits.X_train[rows] / 255.0, np.eye(10)[digits.y_train[rows]], 0.01, loss=sum_of_losses)
    assert by_batch.sha256 == report["model_sha256"]


def test_results_depend_on_nothing_but_the_seed(digits):
    X, y = digits.X_train[:2000], digits.y_train[:2000]
    ways = [{"threads": 1}, {"threads": 2}, {"threads": 5}, {"plan": "layered"}, {"device": "reference"}]
    networks = [Network("784-8-relu-10", **{"device": "cpu", **way}) for way in ways]
    for network in networks:
        network.fit(X, y, epochs=1, verbose=False)
    assert len({network.sha256 for network in networks}) == 1
    assert Network("784-8-relu-10", seed=1).sha256 != Network("784-8-relu-10", seed=2).sha256


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov", "adam", "adamw", glassbox.AdamW(weight_decay=0.1)])
def test_every_optimizer_learns_and_keeps_its_memory(batch, optimizer):
    one, other = Network("4-8-tanh-3"), Network("4-8-tanh-3")
    losses = [one.train_batch(*batch, 0.01, optimizer=optimizer) for _ in range(30)]
    assert losses[-1] < losses[0]
    # With the memory thrown away before each step, all but plain steps go elsewhere.
    for _ in range(30):
        other.train_batch(*batch, 0.01, optimizer=optimizer)
        other.train_batch(batch[0], batch[1], 1e-30, optimizer="adam" if optimizer == "sgd" else "sgd")
    assert (one.sha256 == other.sha256) == (optimizer == "sgd")


@pytest.mark.parametrize("schedule", [
    "cosine", glassbox.schedules.Constant(), glassbox.schedules.Step(10, 0.5), glassbox.schedules.Cosine(0.1),
    glassbox.schedules.WarmUp(5, glassbox.schedules.Cosine()), glassbox.schedules.OneCycle(),
])  # fmt: skip
def test_every_schedule_gives_the_rates_that_it_says(batch, schedule):
    heard = []
    Network("4-3").fit(*batch, epochs=3, batch_size=6, lr=0.5, schedule=schedule, callbacks=[heard.append], verbose=False)
    rates = [event["rate"] for event in heard if event["event"] == "step"]
    if not isinstance(schedule, str):
        np.testing.assert_array_equal(np.float32(rates), schedule.rates(0.5, len(rates)))
    assert len(rates) == 12


def test_listeners_hear_what_the_command_line_writes(batch, tmp_path):
    heard, log = [], glassbox.callbacks.EventLog(tmp_path / "events.jsonl")
    network = Network("4-8-relu-3")
    history = network.fit(*batch, epochs=3, validation=0.2, callbacks=[heard.append, log], verbose=False)
    kinds = [event["event"] for event in heard]
    assert kinds[0] == "started" and kinds[-1] == "finished" and kinds.count("epoch") == 3 == len(history)
    assert [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()] == heard
    # Once more, it is the log of the second training.
    Network("4-8-relu-3").fit(*batch, epochs=1, callbacks=[log], verbose=False)
    assert (tmp_path / "events.jsonl").read_text().count('"epoch"') < 10
    assert history is network.history and history.ending == "complete"
    assert history[0].validation_loss is not None and history.train_loss == [epoch.train_loss for epoch in history]
    assert "validation accuracy" in history._repr_html_() and "History(3 epochs, complete" in repr(history)


def test_what_is_no_number_is_heard_and_written(batch, tmp_path):
    heard, log = [], glassbox.callbacks.EventLog(tmp_path / "events.jsonl")
    with pytest.raises(Exception, match="the loss became"):
        Network("4-8-relu-3").fit(*batch, lr=1e30, optimizer="sgd", schedule="constant", callbacks=[heard.append, log], verbose=True)
    kinds = [event["event"] for event in heard]
    assert kinds[-2:] == ["step", "warning"] and heard[-1]["code"] == "not-finite"
    loss = heard[-2]["loss"]
    assert isinstance(loss, float) and not np.isfinite(loss)
    # JSON as everybody reads it, and Rust and JavaScript know the words.
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    written = json.loads(lines[-2], parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert written["loss"] in ("NaN", "Infinity") and str(glassbox.callbacks.event_of(lines[-2])) == str(heard[-2])


def test_a_listener_may_ask_the_network_and_stop(batch):
    network, seen = Network("4-8-relu-3"), []

    def stop_after_two(event):
        if event["event"] == "epoch":
            seen.append((network.sha256, network.evaluate(*batch).loss))
            # What changes the network has to wait.
            with pytest.raises(ValueError, match="being trained"):
                network.train_batch(*batch)
            with pytest.raises(ValueError, match="being trained"):
                network.fit(*batch, verbose=False)
            if len(seen) == 2:
                raise glassbox.StopTraining

    heard = []
    history = network.fit(*batch, callbacks=[stop_after_two, heard.append], verbose=False)
    assert history.ending == "interrupted" and len(history) == 2 and network.history is history
    assert [event["event"] for event in heard].count("epoch") == 2
    assert seen[1][0] == network.sha256 != seen[0][0]
    network.train_batch(*batch)


def test_what_a_listener_raises_ends_the_training_and_is_passed_on(batch):
    network = Network("4-8-relu-3")

    def fail(event):
        if event["event"] == "epoch" and event["epoch"] == 2:
            raise KeyError("of the listener's own")

    with pytest.raises(KeyError, match="own"):
        network.fit(*batch, callbacks=[fail], verbose=False)
    assert len(network.history) == 2 and network.history.ending is None
    # A training that is refused leaves the history of the one before.
    with pytest.raises(ValueError):
        network.fit(*batch, lr=-1, verbose=False)
    assert len(network.history) == 2
    network.fit(*batch, epochs=1, verbose=False)
    assert len(network.history) == 1


def test_validation_keeps_the_best_network_and_patience_ends(digits):
    X, y = digits.X_train[:600], digits.y_train[:600]
    network = Network("784-16-relu-10")
    history = network.fit(X, y, epochs=60, validation=0.25, patience=2, schedule="constant", lr=0.3, verbose=False)
    assert history.ending == "early-stop" and len(history) < 60
    best = max(history, key=lambda epoch: epoch.validation_accuracy)
    assert history[-1].epoch == best.epoch + 2


def test_values_are_learned():
    X = np.random.default_rng(0).uniform(-1, 1, size=(500, 2))
    y = np.stack([X[:, 0] + 2 * X[:, 1], X[:, 0] * X[:, 1]], axis=1)
    network = Network("2-32-tanh-2")
    history = network.fit(X, y, loss="mean-squared-error", optimizer="adam", lr=0.01, epochs=150, verbose=False)
    assert network.evaluate(X, y, loss="mean-squared-error").loss < 0.005
    assert history[0].train_accuracy is None


def test_a_training_that_diverges_says_so_and_leaves_a_sound_network(batch):
    network = Network("4-8-relu-3")
    with pytest.raises(glassbox.DivergedError, match="smaller") as caught:
        network.fit(*batch, batch_size=5, lr=1e30, verbose=False)
    assert "--" not in str(caught.value) and isinstance(caught.value, ArithmeticError)
    assert all(np.isfinite(value).all() for value in network.parameters.values())
    with pytest.raises(glassbox.DivergedError):
        for _ in range(10):
            network.train_batch(*batch, 1e38)


@pytest.mark.parametrize("is_terminal, expected", [(False, "epoch  1/2  loss"), (True, "\x1b[K")])
def test_progress_is_lines_in_a_pipe_and_one_line_in_a_terminal(batch, is_terminal, expected):
    class Stream(io.StringIO):
        def isatty(self):
            return is_terminal

    stream = Stream()
    progress = glassbox.callbacks.Progress(stream)
    Network("4-8-relu-3").fit(*batch, epochs=2, callbacks=[progress], verbose=False)
    progress.close()
    text = stream.getvalue()
    assert expected in text and text.count("\n") == 2
    assert is_terminal or ("\r" not in text and "\x1b" not in text)


def test_progress_in_a_notebook_is_one_output_that_is_drawn_anew(batch, monkeypatch):
    drawn = []

    class Handle:
        def update(self, text):
            drawn.append(repr(text))

    class ZMQInteractiveShell:
        pass

    def display(text, display_id):
        assert display_id is True
        return Handle()

    notebook = types.ModuleType("IPython")
    notebook.get_ipython = ZMQInteractiveShell
    notebook.display = types.ModuleType("IPython.display")
    notebook.display.display = display
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    monkeypatch.setitem(sys.modules, "IPython.display", notebook.display)
    Network("4-8-relu-3").fit(*batch, epochs=3)
    assert [line[:11] for line in drawn[-1].split("\n")] == ["epoch  1/3 ", "epoch  2/3 ", "epoch  3/3 "]
    assert "\r" not in "".join(drawn) and "\x1b" not in "".join(drawn)


def test_nobody_reading_the_progress_does_not_end_the_training(batch, monkeypatch):
    class Broken(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    closed = io.StringIO()
    closed.close()
    for stream in [Broken(), closed]:
        history = Network("4-8-relu-3").fit(*batch, epochs=2, callbacks=[glassbox.callbacks.Progress(stream)], verbose=False)
        assert len(history) == 2
    # A program without a console has none at all.
    monkeypatch.setattr(sys, "stderr", None)
    assert len(Network("4-8-relu-3").fit(*batch, epochs=2)) == 2


LONG = """
    import time, numpy, glassbox
    X = numpy.random.default_rng(0).integers(0, 256, (60000, 784), dtype=numpy.uint8)
    network = glassbox.Network("784-128-relu-10", device="cpu")
    times = []
    def heard(event):
        if event["event"] == "epoch" and event["epoch"] == 1:
            print("started", flush=True)
    try:
        network.fit(X, numpy.arange(60000) % 10, epochs=100000, callbacks=[heard], verbose=False)
    except KeyboardInterrupt:
        now = time.monotonic()
        print("interrupted", now, len(network.history), network.history.ending, flush=True)
        print(numpy.isfinite(network.parameters["0.weight"]).all())
        print(network.train_batch(X[:10], numpy.arange(10)) > 0)
"""


def test_an_interrupt_is_heeded_at_once_and_nothing_is_lost():
    """The clock of both processes is the same one. Five tries, of which the median counts: the machine may be busy."""
    waits = []
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(LONG)], stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "started\n"
        time.sleep(0.2)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        word, when, epochs, ending = process.stdout.readline().split()
        waits.append(float(when) - sent)
        assert word == "interrupted" and int(epochs) >= 1 and ending == "None"
        assert process.stdout.read() == "True\nTrue\n" and process.wait() == 0
    assert sorted(waits)[2] < 0.1, waits


def test_other_threads_run_while_a_network_learns(digits):
    counted, stop = [0], threading.Event()

    def count():
        while not stop.is_set():
            counted[0] += 1
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    Network("784-128-relu-10", device="cpu").fit(digits.X_train, digits.y_train, epochs=3, verbose=False)
    before = counted[0]
    stop.set()
    thread.join()
    assert before > 10
