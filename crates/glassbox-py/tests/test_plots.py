"""Pictures: of what fit returned, of runs in their folders, as SVG and as PNG."""

from __future__ import annotations

import copy
import pickle
import struct
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import glassbox
from glassbox import History, Network, plots

SVG = "{http://www.w3.org/2000/svg}"
RESULTS = Path(__file__).resolve().parents[3] / "bench/results"
HOSTILE = ["<script>alert(1)</script>", "\" onload=\"alert(1)", "]]>&amp;'", "\x1b[31m\x00\u202e", "層" * 90, ""]


def parsed(svg: str) -> ElementTree.Element:
    """The picture, if it is one that fetches and runs nothing."""
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    for node in root.iter():
        assert node.tag in {SVG + tag for tag in "svg title desc rect line path circle text image".split()}
        for name, value in node.attrib.items():
            assert not name.startswith("on") and name not in ("style", "id")
            assert name != "href" or value.startswith("data:image/png;base64,")
    return root


def texts(svg: str) -> str:
    return " | ".join(node.text or "" for node in parsed(svg).iter(f"{SVG}text"))


def sides(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n") and png.endswith(b"IEND\xaeB`\x82")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


@pytest.fixture
def history(batch) -> History:
    network = Network("4-8-relu-3", device="cpu", threads=1)
    return network.fit(*batch, epochs=3, validation=0.25, verbose=False)


def write_images(folder: Path, name: str, count: int) -> None:
    """Images of ten classes that tell of themselves by a bright row, and of chance by another, as IDX files."""
    random = np.random.default_rng(count)
    labels = np.arange(count, dtype=np.uint8) % 10
    images = random.integers(0, 40, (count, 28, 28), dtype=np.uint8)
    for rows, brightness in [(2 * labels, 160), (random.integers(0, 28, count), 255)]:
        images[np.arange(count), rows] = brightness
    (folder / f"{name}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 0x803, count, 28, 28) + images.tobytes())
    (folder / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, count) + labels.tobytes())


@pytest.fixture(scope="module")
def run(command_line, tmp_path_factory) -> Path:
    """The folder of a run whose steps were looked into."""
    folder = tmp_path_factory.mktemp("runs")
    write_images(folder, "train", 1280)
    write_images(folder, "t10k", 300)
    words = f"--data {folder} --model 784-8-relu-10 --epochs 2 --threads 1 --inside --quiet --out run".split()
    command_line("train", *words, cwd=folder)
    return folder / "run"


def test_a_history_is_a_picture(history):
    svg = history._repr_svg_()
    assert svg == plots.curves(history).svg == plots.curves([history])._repr_svg_()
    found = texts(svg)
    assert "Learning curves: 4-8-relu-3" in found and "15 images" in found and "Mean loss of each epoch." in found
    lines = [node for node in parsed(svg).iter(f"{SVG}path") if node.get("class") == "line"]
    assert [line.get("data-series") for line in lines] == ["train", "validation"] * 2
    assert all(line.get("d").count("L") == 2 for line in lines), "three epochs"
    # The table is there as well, and what a history is has not changed.
    assert "<table>" in history._repr_html_()
    assert copy.deepcopy(history) == pickle.loads(pickle.dumps(history)) == history
    assert pickle.loads(pickle.dumps(history))._repr_svg_() == svg
    assert "_started" not in repr(history)
    assert "No step has been made yet" in texts(History()._repr_svg_())


def test_a_history_of_values_has_no_accuracy():
    X = np.linspace(-1, 1, 40, dtype=np.float32).reshape(-1, 1)
    network = Network("1-4-tanh-1", device="cpu", threads=1)
    network.fit(X, X, loss="mean-squared-error", epochs=2, lr=0.01, verbose=False)
    assert "accuracy" not in network.history._repr_svg_()


def test_histories_are_compared(history, run):
    svg = plots.curves({"one": history, "other & <b>": history, "third": run}, width=390, theme="dark", log=True).svg
    found = texts(svg)
    assert "3 runs compared" in found and "other & <b>" in found and "#14171c" in svg
    assert "history 1" in texts(plots.curves([history, history, run]).svg)
    assert plots.curves(run).svg == plots.picture(run, "curves").svg
    assert plots.curves(iter([run])).svg == plots.curves(str(run)).svg


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_texts(history, name):
    svg = plots.curves({name: history}).svg
    parsed(svg)
    assert "<script" not in svg and '" onload' not in svg and "\x1b" not in svg and "\u202e" not in svg
    assert sides(plots.Picture(svg).png(1))[0] == 900
    repr(plots.Picture(svg))


@pytest.mark.parametrize("name", plots.NAMES)
def test_every_picture_of_a_run(run, name, tmp_path):
    for width, theme in [(390, "dark"), (1280, "light")]:
        picture = plots.picture(run, name, width=width, theme=theme)
        assert parsed(picture.svg).get("width") == str(width)
        assert picture.svg == plots.picture(str(run), name, width=width, theme=theme).svg
        assert sides(picture.png())[0] == 2 * width
    picture.save(tmp_path / "x.svg")
    assert (tmp_path / "x.svg").read_text(encoding="utf-8") == picture.svg == picture._repr_svg_()
    picture.save(str(tmp_path / "x.PNG"), scale=0.5)
    assert sides((tmp_path / "x.PNG").read_bytes())[0] == 640
    assert repr(picture).startswith("Picture('") and "&" not in repr(picture)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.PNG", "x.svg"]


def test_pictures_are_those_of_the_command_line(run, command_line):
    command_line("plot", "run", "--what", "all", "-o", "plots", "--width", "390", cwd=run.parent)
    for name in plots.NAMES:
        assert plots.picture(run, name, width=390).svg == (run.parent / f"plots/{name}.svg").read_text(encoding="utf-8")
    command_line("plot", "run", "--what", "flow", "-o", "flow.png", "--theme", "dark", cwd=run.parent)
    assert plots.picture(run, "flow", theme="dark").png() == (run.parent / "flow.png").read_bytes()


def test_recorded_benchmarks():
    for file in ["cpu-bench.json", "gpu-nvidia-h100-80gb-hbm3.json"]:
        assert "Roofline: " in texts(plots.roofline(RESULTS / file, width=390).svg)
    with pytest.raises(ValueError, match="hint"):
        plots.roofline(RESULTS / "python.json")


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda run, history: plots.picture(run, "everything"), ValueError),
        (lambda run, history: plots.picture(run, 3), TypeError),
        (lambda run, history: plots.picture(run, "weights", theme="blue"), ValueError),
        (lambda run, history: plots.picture(run, "weights", width=10), ValueError),
        (lambda run, history: plots.picture(run, "weights", width="wide"), TypeError),
        (lambda run, history: plots.picture(run, "image", row=10**6), ValueError),
        (lambda run, history: plots.picture(run, "image", row=-1), ValueError),
        (lambda run, history: plots.picture([run, run], "weights"), ValueError),
        (lambda run, history: plots.picture([], "curves"), ValueError),
        (lambda run, history: plots.picture([history], "curves"), TypeError),
        (lambda run, history: plots.picture(run / "nowhere", "curves"), ValueError),
        (lambda run, history: plots.curves(3), TypeError),
        (lambda run, history: plots.curves([history, 3]), TypeError),
        (lambda run, history: plots.curves([]), ValueError),
        (lambda run, history: plots.curves({}), ValueError),
        (lambda run, history: plots.curves({3: history}), TypeError),
        (lambda run, history: plots.curves(history, smooth=1), ValueError),
        (lambda run, history: plots.curves(History(epochs=[glassbox.Epoch("x", 0, 0, 0, 0, 0, 0)])), ValueError),
        (lambda run, history: plots.curves(history).png(9), ValueError),
        (lambda run, history: plots.curves(history).png(float("nan")), ValueError),
        (lambda run, history: plots.curves(history).png("big"), TypeError),
        (lambda run, history: plots.curves(history, width=4000).png(8), ValueError),
        (lambda run, history: plots.Picture("<svg/>").png(), ValueError),
        (lambda run, history: plots.curves(history).save("x.pdf"), ValueError),
        (lambda run, history: plots.curves(history).save("x.svg", scale=2), ValueError),
        (lambda run, history: plots.curves(history).save(run / "no" / "x.svg"), OSError),
    ],
)
def test_what_cannot_be_is_an_error(run, history, call, error, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error) as raised:
        call(run, history)
    assert type(raised.value) in (error, FileNotFoundError)
    assert "--data-dir" not in str(raised.value) and len(str(raised.value)) > 10
    assert not list(tmp_path.iterdir())


def test_what_is_missing_has_a_hint(run, tmp_path):
    for name in ["events.jsonl", "model.safetensors"]:
        (tmp_path / name).write_bytes((run / name).read_bytes())
    with pytest.raises(ValueError, match=r"or others by now \(hint: data_dir says"):
        plots.picture(tmp_path, "confusion")
    assert "◆" in plots.curves(run).svg
    assert "◆" not in plots.curves(tmp_path).svg
    parsed(plots.picture(tmp_path, "first-layer").svg)
    text = (run / "events.jsonl").read_text()
    (tmp_path / "events.jsonl").write_text("".join(line for line in text.splitlines(True) if "inside" not in line))
    with pytest.raises(ValueError, match="hint: train with --inside"):
        plots.picture(tmp_path, "flow")
