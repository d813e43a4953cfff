"""The dashboard in a real browser: run.py [--shots FOLDER] GLASSBOX [NAME…].

Curves grow, a training is paused and makes one step, another learning rate, a reload and a lost connection lose nothing,
eight tabs, a phone, a proxy, a hostile name, the keyboard; a digit is drawn, a unit picked, a step opened; with no error on
the console and no request to elsewhere.
"""

import argparse
import os
import re
import shlex
import signal
import sys
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

import network
import pictures
import readme
from proxy import PREFIX, Proxy
from world import World, chromium, eventually, is_drawn, picture, settled, step, tile


def curves_grow(world):
    """Numbers and pictures change while the training goes on, and say what they are."""
    with world.training() as training, world.context() as context:
        page = world.open(context, training.link)
        before = eventually(lambda: step(page))
        eventually(lambda: step(page) > before + 100)
        eventually(lambda: picture(page, "curves") >= 3)
        assert is_drawn(page, "curves") and "Learning curves" in page.get_attribute("[data-subject=curves] img", "alt")
        for name, unit in [("loss", r"^\d"), ("accuracy", r"%$"), ("validation", r"%$"), ("speed", r"\d"), ("left", r"\d"), ("time", r"s$"), ("cpu", r"%$"), ("memory", r"iB$")]:
            eventually(lambda: re.search(unit, tile(page, name)))
        assert "none: this run computes on cpu" in page.text_content("[data-tile=gpu]")
        assert 0 < page.eval_on_selector("progress", "bar => bar.value") < 1
        world.shoot(page, "overview")


def pauses_and_steps(world):
    """Paused, nothing moves; one step is one step."""
    with world.training() as training, world.context() as context:
        page = world.open(context, training.link)
        eventually(lambda: step(page) > 50)
        page.click("[data-do=pause]")
        page.wait_for_selector(".sign:has-text('paused')")
        at = settled(lambda: step(page))
        # That nothing happens shows only in time.
        page.wait_for_timeout(1500)
        assert step(page) == at, "it is paused"
        for more in (1, 2, 3):
            page.click("[data-do=step]")
            eventually(lambda: step(page) == at + more)
            assert settled(lambda: step(page)) == at + more, "one, and no other"
        assert "paused at step" in training.said()
        world.shoot(page, "paused")
        page.click("text=Go on")
        eventually(lambda: step(page) > at + 100)
        page.wait_for_selector(".sign:has-text('training')")


def rate_changes(world):
    """The learning rate is halved, doubled and set, and what was done is told."""
    with world.training() as training, world.context() as context:
        page = world.open(context, training.link)
        rate = lambda: page.text_content(".rate .now")
        eventually(lambda: rate() == "0.01")
        page.click("text=÷ 2")
        eventually(lambda: rate() == "0.005")
        page.click("text=× 2")
        eventually(lambda: rate() == "0.01")
        page.fill("#factor", "0.3")
        page.press("#factor", "Enter")
        eventually(lambda: rate() == "0.003")
        training.wait_for(r"the learning rate is 0\.3 of the schedule's")
        # While it is paused, what is to come is told.
        page.click("[data-do=pause]")
        page.wait_for_selector(".sign:has-text('paused')")
        page.fill("#factor", "0.5")
        page.press("#factor", "Enter")
        eventually(lambda: rate() == "0.003, then schedule × 0.5")
        page.click("[data-do=step]")
        eventually(lambda: rate() == "0.005")
        # One that makes most trainings fail is asked about.
        page.fill("#factor", "50")
        page.press("#factor", "Enter")
        page.wait_for_selector("dialog[open]")
        assert "--rate-factor 1" in page.text_content("dialog[open] code")
        world.shoot(page, "rate-asked")
        page.click("dialog[open] >> text=Keep the rate")
        assert page.input_value("#factor") == "0.5" and rate() == "0.005"
        page.fill("#factor", "50")
        page.press("#factor", "Enter")
        page.click("[data-do=really-set]")
        eventually(lambda: rate() == "0.005, then schedule × 50" and page.input_value("#factor") == "50")
        page.fill("#factor", "0.3")
        page.press("#factor", "Enter")
        eventually(lambda: "× 0.3" in rate())
        page.click("text=Go on")
        eventually(lambda: rate() == "0.003")
        page.click("[data-tab=settings]")
        page.wait_for_selector("td:has-text('0.3 of the schedule')")
        page.evaluate("document.querySelector('.rate').noValidate = true")
        context.allowed.append("422")
        page.fill("#factor", "-1")
        page.press("#factor", "Enter")
        page.wait_for_selector(".said:has-text('hint')")
        assert rate() == "0.003"


def reload_loses_nothing(world):
    """After a reload all is there again."""
    with world.training() as training, world.context() as context:
        page = world.open(context, training.link)
        page.click("[data-tab=inside]")
        eventually(lambda: step(page) > 50)
        page.click("[data-do=pause]")
        page.wait_for_selector(".sign:has-text('paused')")
        told = lambda: [step(page)] + [tile(page, name) for name in ("loss", "accuracy", "validation", "time")]
        before = settled(told)
        page.reload()
        eventually(lambda: told() == before)
        assert page.get_attribute("[data-tab=inside]", "aria-current") == "page", "the address says where one was"


def lost_connection_loses_nothing(world):
    """What happens while the stream is cut, and while a tab is hidden, is shown afterwards: all of it, and once."""
    with world.training() as training, world.context() as context:
        proxy = Proxy(int(training.link.split(":")[2].split("/")[0]))
        context.allowed += ["ERR_", "EventSource"]
        there = world.open(context, through(training, proxy))
        with world.context() as another:
            here = world.open(another, training.link)
            here.click("[data-do=pause]")
            for page in (here, there):
                page.wait_for_selector(".sign:has-text('paused')")
                page.click("[data-tab=settings]")
            for turn in range(3):
                proxy.cut()
                there.wait_for_selector("#link-state[data-state=lost]")
                before = step(here)
                here.click("[data-do=step]")
                eventually(lambda: step(here) == before + 1)
                here.fill("#factor", str(0.5 + turn))
                here.press("#factor", "Enter")
                here.click("[data-do=step]")
                eventually(lambda: step(here) == before + 2)
                proxy.mend()
                there.wait_for_selector("#link-state[data-state=here]")
                told = lambda page: [step(page), tile(page, "loss"), tile(page, "time"), page.text_content(".rate .now"), changes(page)]
                eventually(lambda: told(there) == told(here))
            # Beside the page as it reads all anew, nothing is missing and nothing there twice.
            before = settled(lambda: told(there))
            there.reload()
            there.wait_for_selector("caption:has-text('Changed on the way')")
            eventually(lambda: told(there) == before)
            here.click("text=Go on")
            eventually(lambda: step(there) > before[0] + 100)
        proxy.close()


def changes(page):
    return page.locator("table:has(caption:text-is('Changed on the way')) tr").all_inner_texts()


def through(training, proxy):
    """The link, as a proxy shows it."""
    port = training.link.split(":")[2].split("/")[0]
    return training.link.replace(f":{port}/", f":{proxy.port}{PREFIX.decode()}/")


def late_reading_takes_nothing_back(world):
    """A reading of the run that the stream overtakes on its way here hides nothing that was heard meanwhile."""
    with world.training() as training, world.context() as context:
        here, there = (world.open(context, training.link) for _ in range(2))
        for page in (here, there):
            page.click("[data-tab=settings]")
        here.click("[data-do=pause]")
        for page in (here, there):
            page.wait_for_selector(".sign:has-text('paused')")
        before = settled(lambda: step(here))
        held = []
        there.route(re.compile(r"/api/runs/[0-9a-f]+$"), lambda route: route.continue_() if held else held.append((route, route.fetch())))
        there.reload()
        eventually(lambda: there.wait_for_timeout(50) or held)
        here.fill("#factor", "0.5")
        here.press("#factor", "Enter")
        here.click("[data-do=step]")
        eventually(lambda: step(here) == step(there) == before + 1)
        [(route, answer)] = held
        route.fulfill(response=answer)
        there.wait_for_selector("td:has-text('0.5 of the schedule')")
        told = lambda page: [step(page), page.text_content(".rate .now"), changes(page)]
        assert settled(lambda: told(there)) == told(here)


def eight_tabs(world):
    """Eight tabs at once, though browsers open six connections: one stream is enough for all."""
    with world.training() as training, world.context() as context:
        pages = [world.open(context, training.link) for _ in range(8)]
        at = [eventually(lambda: step(page)) for page in pages]
        for page, before in zip(pages, at):
            eventually(lambda: step(page) > before + 50)
            eventually(lambda: is_drawn(page, "curves"))
        assert connections(training) <= 10, connections(training)
        # Whoever had the stream goes; another takes over.
        for page in pages[:4]:
            page.close()
        for page in pages[4:]:
            at = step(page)
            eventually(lambda: step(page) > at + 50)
        pages[4].click("[data-do=pause]")
        for page in pages[4:]:
            page.wait_for_selector(".sign:has-text('paused')")


def connections(training):
    """How many connections there are to the dashboard, as the system counts."""
    port = f":{int(training.link.split(':')[2].split('/')[0]):04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    return sum(line[1].endswith(port) and line[3] == "01" for line in lines)


# A panel, and what shows that it is there.
PANELS = {
    "overview": "[data-subject=curves] img:visible",
    "inside": "[data-subject=flow] img:visible",
    "learned": "[data-subject=first-layer] img:visible",
    "network": ".verdict:has-text('It reads')",
    "step": ".step-body h3",
    "settings": "caption:has-text('Settings')",
}


def phone(world):
    """On a phone nothing is cut off, and fingers can press what there is."""
    with world.training() as training, world.context(390, 844, has_touch=True, is_mobile=True) as context:
        page = world.open(context, training.link)
        eventually(lambda: is_drawn(page, "curves"))
        world.shoot(page, "phone")
        eventually(lambda: re.search("%", tile(page, "validation")))
        page.tap("[data-do=pause]")
        page.wait_for_selector(".sign:has-text('paused')")
        for tab, sign in PANELS.items():
            page.tap(f"[data-tab={tab}]")
            page.wait_for_selector(sign)
            if tab == "network":
                page.tap(".template summary")
            wide = settled(lambda: page.evaluate("document.documentElement.scrollWidth"))
            assert wide <= 390, f"{tab} is {wide} wide"
            for button in page.query_selector_all("button:visible"):
                height = button.bounding_box()["height"]
                assert height >= 36, f"{tab}: {button.text_content()} is {height} high"
            world.shoot(page, f"phone-{tab}")
        page.tap("aside summary")
        page.tap(".runs a")
        assert not page.is_visible(".runs a"), "the list makes room for the run"


def keyboard(world):
    """All of it without a mouse."""
    with world.training() as training, world.context() as context:
        page = world.open(context, training.link)
        eventually(lambda: step(page) > 10)
        seen = []
        for _ in range(40):
            page.keyboard.press("Tab")
            seen.append(page.evaluate("document.activeElement.dataset.do ?? document.activeElement.dataset.tab ?? document.activeElement.tagName"))
            if seen[-1] == "pause" and seen.count("pause") == 1:
                page.keyboard.press("Enter")
        page.wait_for_selector(".sign:has-text('paused')")
        assert {"pause", "step", "stop", "inside", "learned", "settings"} <= set(seen), seen
        page.focus("[data-tab=settings]")
        page.keyboard.press("Enter")
        page.wait_for_selector("caption:has-text('Settings')")
        page.focus("[data-do=stop]")
        page.keyboard.press("Enter")
        page.wait_for_selector("dialog[open]")
        page.keyboard.press("Escape")
        page.wait_for_selector("dialog[open]", state="detached")
        assert training.process.poll() is None


def warnings_show(world):
    """What the doctor finds stands above the pictures, with its cause and its cure."""
    with world.training("--init", "zero") as training, world.context() as context:
        page = world.open(context, training.link)
        page.wait_for_selector(".warnings details dd:visible")
        assert page.text_content(".warnings dl").startswith("cause")
        page.reload()
        page.wait_for_selector(".warnings details dd:visible")
        world.shoot(page, "warnings")


def stops(world):
    """Stopped from the page, the training keeps a checkpoint, and the page says that it is over; lines can be pasted."""
    name = "it's x; rm -rf ~"
    with world.training(run=f"runs/{name}") as training, world.context() as context:
        page = context.new_page()
        page.goto(training.link)
        page.wait_for_selector(f'h2:text-is("{name}")')
        eventually(lambda: step(page) > 50)
        words = lambda line: shlex.split(line)[-2:]
        page.click("[data-do=stop]")
        assert words(page.text_content("dialog code"))[0] == "--resume"
        assert words(page.text_content("dialog code"))[1].endswith(f"runs/{name}")
        page.click("[data-do=really-stop]")
        assert training.process.wait(30) == 130, training.said()
        page.wait_for_selector("#link-state[data-state=over]")
        again = page.text_content(".note:has-text('glassbox dashboard')").split("To look again: ")[1]
        assert words(again)[0] == "dashboard" and words(again)[1].endswith(f"runs/{name}")
        printed = [line for line in training.said().splitlines() if "--resume" in line]
        assert any(words(line)[1].endswith(f"runs/{name}") for line in printed), printed
        page.wait_for_selector(".sign:has-text('stopped')")
        assert list((training.folder / training.run / "checkpoints").iterdir())
        world.shoot(page, "over")


def compares(world):
    """Runs beside each other, live and finished, and in the address."""
    words = ["--epochs", "2", "--max-steps", "60"]
    with world.training(*words, "--seed", "1", "--lr", "0.05") as done:
        done.process.wait(60)
        with world.training(folder=done.folder, run="runs/two") as training, world.context() as context:
            page = world.open(context, training.link, "two")
            page.check("input[aria-label='Compare one']")
            page.wait_for_selector("caption:has-text('2 runs compared')")
            assert {"lr", "seed"} <= set(page.locator("th[scope=col]").all_text_contents())
            eventually(lambda: "2 runs" in (page.get_attribute("[data-subject=curves] img", "alt") or ""))
            page.reload()
            page.wait_for_selector("caption:has-text('2 runs compared')")
            world.shoot(page, "compared")
            page.click(".runs a:has-text('one')")
            page.wait_for_selector("h2:text-is('one')")
            page.wait_for_selector(".sign:has-text('done')")
            page.go_back()
            page.wait_for_selector("h2:text-is('two')")


def runs_appear(world):
    """A run that another process begins appears by itself, and tells how far it is."""
    with world.training("--epochs", "1", "--max-steps", "30", stays=True) as training, world.context() as context:
        training.wait_for("until Ctrl-C")
        page = world.open(context, training.link)
        page.wait_for_selector(".sign:has-text('done')")
        assert page.locator(".runs li").count() == 1
        with world.training(folder=training.folder, run="runs/two") as other:
            two = page.locator(".runs li", has_text="two")
            two.wait_for()
            two.locator("a").click()
            page.wait_for_selector("h2:text-is('two')")
            before = eventually(lambda: step(page))
            eventually(lambda: step(page) > before + 100)
            other.end(signal.SIGINT)
            page.wait_for_selector(".sign:has-text('stopped')")
            two.locator(".word", has_text="stopped").wait_for()


def proxied(world):
    """Under a prefix, as notebooks' proxies have it."""
    with world.training() as training, world.context() as context:
        proxy = Proxy(int(training.link.split(":")[2].split("/")[0]))
        page = world.open(context, through(training, proxy))
        assert PREFIX.decode() in page.url
        before = eventually(lambda: step(page))
        eventually(lambda: step(page) > before + 50)
        eventually(lambda: is_drawn(page, "curves"))
        page.click("[data-do=pause]")
        page.wait_for_selector(".sign:has-text('paused')")
        proxy.close()


def hostile_names(world):
    """A name that is a script is a name."""
    name = "<img src=x onerror=alert(1)>\"'&"
    with world.training(run=f"runs/{name}") as training, world.context() as context:
        page = context.new_page()
        page.goto(training.link)
        eventually(lambda: page.text_content("h2") == name)
        eventually(lambda: is_drawn(page, "curves"))
        assert page.locator("img[src=x]").count() == 0
        context.allowed.append("403")
        stranger = context.browser.new_context().new_page()
        stranger.goto(training.link.split("?")[0])
        assert "has a key" in stranger.text_content("body")
        stranger.context.close()


def stays(world):
    """A dashboard of folders, and one that stays."""
    with world.training("--epochs", "1", "--max-steps", "30", stays=True) as training, world.context() as context:
        training.wait_for("until Ctrl-C")
        page = world.open(context, training.link)
        page.wait_for_selector(".sign:has-text('done')")
        assert training.end(signal.SIGINT) == 0
        page.wait_for_selector("#link-state[data-state=over]")
        training.start([world.program, "dashboard", "runs", "--port", "0"])
        page = world.open(context, training.link)
        page.wait_for_selector(".sign:has-text('done')")
        eventually(lambda: is_drawn(page, "curves"))
        assert training.end(signal.SIGINT) == 0


TESTS = [curves_grow, pauses_and_steps, rate_changes, reload_loses_nothing, lost_connection_loses_nothing, late_reading_takes_nothing_back, eight_tabs, phone, keyboard, warnings_show, stops, compares, runs_appear, proxied, hostile_names, stays, *pictures.TESTS, *network.TESTS]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--shots", help="a folder for pictures of the pages")
    parser.add_argument("--pictures", help="draw the README's pictures into this folder, and nothing else")
    arguments = parser.parse_args()
    path = chromium()
    if not path:
        why = "the browser's tests were SKIPPED: there is no Chromium (hint: apt-get install chromium)"
        print(why)
        Path("target/skips").mkdir(parents=True, exist_ok=True)
        Path("target/skips/browser").write_text(f"{why}\n", encoding="utf-8")
        return
    failed = []
    with sync_playwright() as playwright:
        # Containers have no sandbox for root; the pages are our own.
        words = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=words)
        world = World(browser, str(arguments.program.resolve()), arguments.shots)
        if arguments.pictures:
            return readme.draw_pictures(world, arguments.pictures)
        tests = [test for test in TESTS if not arguments.names or test.__name__ in arguments.names]
        for test in tests:
            begun = time.monotonic()
            try:
                test(world)
                print(f"ok      {test.__name__} ({time.monotonic() - begun:.1f} s)", flush=True)
            except Exception as error:  # noqa: BLE001, since one that fails must not hide the others
                failed.append(test.__name__)
                print(f"FAILED  {test.__name__}: {type(error).__name__}: {error}", flush=True)
        browser.close()
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")
    print(f"the dashboard in a browser: {len(tests)} tests passed")


if __name__ == "__main__":
    main()
