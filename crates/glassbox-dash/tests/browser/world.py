"""What the browser's tests share: a Chromium, trainings with dashboards, and pages in which nothing may go wrong."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

BROWSERS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]


def chromium():
    """The path of a Chromium, installed if there is none and that can be done; or None."""
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if found or not shutil.which("apt-get"):
        return found
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    print("installing chromium, once")
    for words in (["update", "-qq"], ["install", "-qq", "--yes", "--no-install-recommends", "chromium"]):
        subprocess.run([*sudo, "apt-get", *words], stdout=subprocess.DEVNULL, check=False)
    return next((path for path in map(shutil.which, BROWSERS) if path), None)


# A training that goes on until it is stopped.
USUAL = {
    "--data": "digits",
    "--port": "0",
    "--validation": "0.1",
    "--epochs": "100000",
    "--lr": "0.01",
    "--schedule": "constant",
}


class Training:
    """A training with a dashboard, in a folder of its own."""

    def __init__(self, program, *words, run="runs/one", folder=None, stays=False):
        self.folder = Path(folder or tempfile.mkdtemp(prefix="glassbox-browser-"))
        self.run = run
        (self.folder / run).parent.mkdir(parents=True, exist_ok=True)
        given = dict(zip(words[::2], words[1::2]))
        settings = {**USUAL, "--out": run, **given}
        stay = ["--stay"] if stays else []
        self.start([program, "train", "--dashboard", *stay, *(word for pair in settings.items() for word in pair)])

    def start(self, command):
        self.log = open(self.folder / f"log-{time.monotonic_ns()}", "w+", encoding="utf-8")
        # Whoever runs the tests may have signals ignored, which children inherit.
        listen = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)
        self.process = subprocess.Popen(
            command, cwd=self.folder, stdout=self.log, stderr=self.log, preexec_fn=listen
        )
        self.link = self.wait_for(r"http://\S+\?token=\S+")

    def said(self):
        self.log.flush()
        return Path(self.log.name).read_text(encoding="utf-8")

    def wait_for(self, pattern, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := re.search(pattern, self.said()):
                return found.group(0)
            assert self.process.poll() is None or re.search(pattern, self.said()), self.said()
            time.sleep(0.05)
        raise AssertionError(f"no {pattern} in {self.said()}")

    def end(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(30)


class World:
    """A browser, and the program."""

    def __init__(self, browser, program, shots=None):
        self.browser, self.program, self.shots = browser, program, shots

    @contextlib.contextmanager
    def training(self, *words, **more):
        training = Training(self.program, *words, **more)
        try:
            yield training
        finally:
            training.end(signal.SIGKILL)
            if "folder" not in more:
                shutil.rmtree(training.folder, ignore_errors=True)

    @contextlib.contextmanager
    def context(self, width=1280, height=900, **more):
        """Pages in which there is no error on the console, no request to elsewhere, and no dialog of the browser."""
        context = self.browser.new_context(viewport={"width": width, "height": height}, **more)
        context.set_default_timeout(20_000)
        wrong, hosts = [], set()
        context.allowed = []

        def watch(page):
            page.on("pageerror", lambda error: wrong.append(f"{error}"))
            page.on("dialog", lambda dialog: wrong.append(f"dialog {dialog.message}") or dialog.dismiss())
            page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
            page.on("console", lambda m: m.type in ("error", "warning") and wrong.append(m.text))

        context.on("page", watch)
        try:
            yield context
        finally:
            context.close()
        wrong = [text for text in wrong if not any(allowed in text for allowed in context.allowed)]
        assert not wrong, wrong
        names = {host.rsplit(":", 1)[0] for host in hosts if host}
        assert names <= {"127.0.0.1", "localhost"}, hosts

    def open(self, context, link, run="one"):
        page = context.new_page()
        page.goto(link)
        page.wait_for_selector(f"h2:text-is('{run}')")
        assert "token" not in page.url, page.url
        return page

    def shoot(self, page, name):
        if self.shots:
            page.screenshot(path=f"{self.shots}/{name}.png", full_page=True)


def eventually(what, seconds=20):
    """Waits until something is true, and returns it."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it did not become true in time"
        time.sleep(0.05)
    return found


def settled(what, seconds=0.6):
    """Waits until something has stayed the same for a while, and returns it."""
    before, since = what(), time.monotonic()
    end = since + 20
    while time.monotonic() - since < seconds:
        assert time.monotonic() < end, "it does not come to rest"
        time.sleep(0.05)
        if (now := what()) != before:
            before, since = now, time.monotonic()
    return before


def step(page):
    """The step that the page shows."""
    text = page.text_content(".far")
    found = re.match(r"step ([\d\u202f]+) of", text)
    return int(found.group(1).replace("\u202f", "")) if found else 0


def tile(page, name):
    return page.text_content(f"[data-tile={name}] .value")


def picture(page, subject):
    """How often a picture was shown anew; 0 if it is not shown."""
    return int(page.get_attribute(f"[data-subject={subject}]", "data-version") or 0)


def is_drawn(page, subject):
    """Whether a picture is shown, with a size and a description, where somebody looks at it."""
    page.locator(f"[data-subject={subject}]").scroll_into_view_if_needed()
    return page.eval_on_selector(
        f"[data-subject={subject}] img",
        "image => !image.hidden && image.naturalWidth > 200 && image.alt.length > 10",
    )
