"""The network in a browser: a digit is drawn and read, a unit picked, a template's sum shown, a step opened."""

import contextlib
import os
import re
from pathlib import Path
from urllib.parse import parse_qs

from world import eventually, settled

SEVEN = [(0.25, 0.2), (0.5, 0.2), (0.78, 0.2), (0.65, 0.45), (0.52, 0.7), (0.45, 0.88)]


@contextlib.contextmanager
def trained(world, *words):
    """A dashboard of a run that is over."""
    with world.training("--max-steps", "400", *words, stays=True) as training:
        training.wait_for("until Ctrl-C")
        yield training


def show(world, context, training, state):
    """The page at a state, which its address names."""
    page = world.open(context, training.link)
    base = page.url.partition("#")[0]
    page.goto("about:blank")
    page.goto(f"{base}#{state}")
    return page


def at(page):
    """The state in the address, as the page has it now: Playwright's own copy is as old as its last answer."""
    return {name: values[0] for name, values in parse_qs(page.evaluate("location.hash.slice(1)")).items()}


def places(page, points):
    pad = page.locator("canvas.pad")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]


def draw(page, points):
    first, *rest = places(page, points)
    page.mouse.move(*first)
    page.mouse.down()
    for place in rest:
        page.mouse.move(*place, steps=5)
    page.mouse.up()


def draw_with_a_finger(page, points):
    session = page.context.new_cdp_session(page)
    touch = lambda kind, *place: session.send(
        "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [dict(zip("xy", place))] if place else []}
    )
    found = places(page, points)
    touch("touchStart", *found[0])
    for before, after in zip(found, found[1:]):
        for share in (0.25, 0.5, 0.75, 1.0):
            touch("touchMove", *(a + share * (b - a) for a, b in zip(before, after)))
    touch("touchEnd")


def ink(page):
    """How many pixels of the network's input are not paper."""
    return page.evaluate(
        """() => { const image = document.querySelector("canvas.input");
        const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
        context.drawImage(image, 0, 0);
        const { data } = context.getImageData(0, 0, image.width, image.height);
        const colours = Array.from({ length: data.length / 4 }, (_, at) => data.slice(4 * at, 4 * at + 3).join());
        return colours.filter((colour) => colour !== colours[0]).length; }"""
    )


def number(text):
    return float(text.replace("−", "-"))


def cells(page, selector):
    return [number(text) for text in page.locator(selector).all_inner_texts()]


def wires(page):
    return page.locator(".wires path").count()


def a_seven_is_read(world):
    """A 7 that is drawn with a mouse, or with a finger on a phone, is read by a network that learned from MNIST."""
    if not os.environ.get("GLASSBOX_DATA"):
        why = "drawing a 7 for a network that learned from MNIST was SKIPPED: GLASSBOX_DATA is not set"
        print(why)
        Path("target/skips").mkdir(parents=True, exist_ok=True)
        Path("target/skips/browser-mnist").write_text(f"{why}\n", encoding="utf-8")
        return
    with trained(world, "--data", "mnist", "--epochs", "3", "--max-steps", "2400", "--lr", "0.1") as training:
        for width, touch, how in [(1280, False, draw), (390, True, draw_with_a_finger)]:
            with world.context(width, has_touch=touch, color_scheme="light") as context:
                seven(world, show(world, context, training, "tab=network"), width, how)


def seven(world, page, width, how):
    page.get_by_role("button", name="Draw", exact=True).click()
    page.get_by_text("Nothing is drawn yet").wait_for()
    assert ink(page) == 0
    how(page, SEVEN)
    page.locator(".verdict", has_text="It reads 7").wait_for()
    eventually(lambda: ink(page) > 30)
    # The sum of the template is what the network says, and the page says so.
    notes = page.locator(".template table.sum td.note").all_inner_texts()
    assert [note[:7] for note in notes if note] == ["agrees:"] * 2, notes
    units = page.locator("canvas.units")
    units.focus()
    page.keyboard.press("ArrowRight")
    eventually(lambda: wires(page) > 4)
    world.shoot(page, f"network-{width}")
    # A reload loses nothing; another light changes the colours and nothing else.
    before = page.locator(".template table.sum").inner_text()
    page.reload()
    page.locator(".verdict", has_text="It reads 7").wait_for()
    assert page.locator(".template table.sum").inner_text() == before
    page.emulate_media(color_scheme="dark")
    eventually(lambda: page.evaluate("document.documentElement.dataset.theme") == "dark")
    world.shoot(page, f"network-{width}-dark")
    page.get_by_role("button", name="Clear").focus()
    page.keyboard.press("Enter")
    page.get_by_text("Nothing is drawn yet").wait_for()
    assert ink(page) == 0 and "ink" not in at(page)


def strokes_flow(world):
    """What is shown follows each stroke, and what was shown before comes back with the stroke undone."""
    with trained(world) as training, world.context() as context:
        page = show(world, context, training, "tab=network&from=draw")
        page.get_by_text("Nothing is drawn yet").wait_for()
        shown = lambda: (ink(page), page.locator(".bars").inner_text())
        seen, length = [], page.evaluate("history.length")
        for stroke in ([(0.3, 0.2), (0.3, 0.8)], [(0.3, 0.5), (0.7, 0.5)], [(0.7, 0.2), (0.7, 0.8)]):
            draw(page, stroke)
            seen.append(settled(shown))
        assert len(set(seen)) == 3 and seen[0][0] > 0, seen
        page.get_by_role("button", name="Undo").click()
        eventually(lambda: shown() == seen[1])
        assert page.evaluate("history.length") == length, "strokes are no steps back"


def unit_is_picked(world):
    """A unit is picked, by keys and by mouse; its numbers are the network's; its step is opened, and back."""
    with trained(world) as training:
        for width in (1280, 390):
            with world.context(width) as context:
                pick(show(world, context, training, "tab=network"))


def pick(page):
    page.locator(".verdict", has_text="It reads").wait_for()
    units = page.locator("canvas.units")
    assert wires(page) == 0
    units.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    eventually(lambda: wires(page) > 8)
    picked = lambda: at(page).get("unit")
    kept = picked()
    for key, name in [("End", "1.127"), ("Home", "1.0"), ("Home", "1.0"), ("PageUp", "1.0"), ("Escape", None), ("Escape", None)]:
        page.keyboard.press(key)
        eventually(lambda: picked() == name)
    page.keyboard.press("PageDown")
    eventually(lambda: picked() == "1.0")
    for key in ("ArrowRight", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    eventually(lambda: picked() == kept)
    eventually(lambda: wires(page) > 8)
    layer, unit = map(int, kept.split("."))
    assert layer == 1 and unit in (10, 18), "one to the right, one down, one to the right"
    base = f"api/runs/{at(page)['run']}/network"
    ask = lambda path: page.evaluate(f"fetch('{base}{path}').then((answer) => answer.json())")
    told, looked = ask(f"/unit?layer=1&unit={unit}"), ask("/image?row=0")
    z = sum(weight * pixel / 255 for weight, pixel in zip(told["weights"], looked["pixels"])) + told["bias"]
    assert abs(z - looked["layers"][0]["outputs"][unit]) < 1e-4
    page.locator(".unit h3", has_text=f"Unit {unit} of layer 1, relu").wait_for()
    assert abs(cells(page, ".unit table.sum tr:has-text('= z1') td:nth-child(2)")[0] - z) < 1e-4
    # A click on it lets go of it.
    units.click(position=middle(units, unit))
    eventually(lambda: wires(page) == 0)
    assert "unit" not in at(page)
    units.click(position=middle(units, unit))
    eventually(lambda: wires(page) > 8)
    # Its number is opened for this very image.
    page.get_by_role("button", name=f"z1[0,{unit}]").click()
    page.locator(".step-body h3", has_text=f"z1[0,{unit}] =").wait_for()
    assert abs(cells(page, ".step table.sum tr:has-text('f32') td:nth-child(2)")[0] - z) < 1e-4
    page.go_back()
    page.locator(".unit h3", has_text=f"Unit {unit} of").wait_for()


def middle(units, unit):
    """Where a unit lies on its canvas, whose cells are squares."""
    box, count = units.bounding_box(), int(units.get_attribute("aria-valuemax")) + 1
    fits = lambda columns: abs(box["width"] / columns - box["height"] / -(-count // columns))
    columns = min((8, 16, 32, 64), key=fits)
    cell = box["width"] / columns
    return {"x": (unit % columns + 0.5) * cell, "y": (unit // columns + 0.5) * cell}


def images_are_chosen(world):
    """Test images by number, by class, and the next mistake."""
    with trained(world) as training, world.context() as context:
        page = show(world, context, training, "tab=network&row=12")
        page.locator(".input-stage .note", has_text="Test image 12, a ").wait_for()
        page.get_by_label("only mistakes").check()
        page.locator(".verdict.is-wrong").wait_for()
        first = int(at(page)["row"])
        assert first > 12 and at(page)["mistakes"] == "1"
        page.get_by_role("button", name="The next test image").click()
        eventually(lambda: int(at(page)["row"]) > first)
        page.get_by_label("only mistakes").uncheck()
        page.locator(".choice select").select_option("4")
        page.locator(".input-stage .note", has_text=re.compile(r"Test image \d+, a 4")).wait_for()
        context.allowed.append("422")
        row = page.get_by_label("Number of the test image")
        row.fill("99999999")
        row.press("Enter")
        page.locator(".network > .why", has_text="has test images 0 to").wait_for()


def templates_agree(world):
    """A template for each class, whose sum is what the network says; and a reason where there is none."""
    with trained(world) as training, world.context() as context:
        page = show(world, context, training, "tab=network&output=3")
        page.get_by_role("heading", name="Template of class 3").wait_for()
        page.get_by_text("The sums of all classes").click()
        rows = page.locator(".template table.figures tbody tr")
        assert rows.count() == 10
        for row in range(10):
            product, constant, total, logit = map(number, rows.nth(row).locator("td").all_inner_texts())
            assert abs(product + constant - total) < 3e-5 and abs(total - logit) < 1e-4
        page.locator(".bars button").nth(8).click()
        page.get_by_role("heading", name="Template of class 8").wait_for()
        assert at(page)["output"] == "8"
    with trained(world, "--model", "784-24-sigmoid-16-relu-10") as training, world.context() as context:
        page = show(world, context, training, "tab=network")
        page.locator(".template .note", has_text="layer 1, sigmoid, is not linear").wait_for()
        # A unit of the second hidden layer hears the first.
        page.locator("canvas.units").nth(1).click(position={"x": 10, "y": 10})
        page.locator(".unit h3", has_text="Unit 0 of layer 3, relu").wait_for()
        eventually(lambda: wires(page) > 4)


def step_is_opened(world):
    """A gradient with its 64 products, whose running sum ends in it; what there is not is refused, as text."""
    with trained(world) as training:
        for width in (1280, 390):
            with world.context(width) as context:
                context.allowed.append("422")
                open_step(world, show(world, context, training, "tab=step"), width)


def open_step(world, page, width):
    page.locator(".step-body h3", has_text="dL/dW2[17,3] = Σ_b a1[b,17] · dL/dz2[b,3]").wait_for()
    rows = page.locator(".terms tbody tr")
    assert rows.count() == 64
    value, truth, difference = cells(page, ".step table.sum td:nth-child(2)")
    last = number(rows.last.locator("td").last.inner_text())
    assert abs(last - value) <= 1e-6 * abs(value) + 1e-12
    assert abs(value - truth) < 1e-5 and abs(difference - truth) < 1e-7
    world.shoot(page, f"step-{width}")
    what = page.locator("#what")
    what.fill("dL/db1[5]")
    page.get_by_label("how many").fill("7")
    page.get_by_role("button", name="Open", exact=True).click()
    page.locator(".step-body h3", has_text="dL/db1[5] = Σ_b").wait_for()
    assert rows.count() == 7 and at(page)["what"] == "dL/db1[5]"
    page.reload()
    page.locator(".step-body h3", has_text="dL/db1[5] = Σ_b").wait_for()
    assert rows.count() == 7
    what.fill("<img src=x onerror=alert(1)>[0]")
    page.get_by_role("button", name="Open", exact=True).click()
    page.locator(".step .note[role=status]", has_text="(hint: ").wait_for()
    assert page.locator(".step img").count() == 0


def training_is_watched(world):
    """The network of a training that goes on is shown as it is at a pause, and is another after a step."""
    with world.training() as training, world.context() as context:
        # Before the first epoch ends there is no network to be shown, and no error.
        page = show(world, context, training, "tab=step")
        page = show(world, context, training, "tab=network")
        page.locator("[data-do=pause]").click()
        page.wait_for_selector(".sign:has-text('paused')")
        page.locator(".verdict", has_text="It reads").wait_for()
        before = settled(page.locator(".template table.sum").inner_text)
        page.locator("[data-do=step]").click()
        eventually(lambda: page.locator(".template table.sum").inner_text() != before)
        # Whoever leaves while a newer network is waited for asks for none.
        page.locator("text=Go on").click()
        for tab in ("settings", "network") * 3:
            page.wait_for_timeout(400)
            page.locator(f"[data-tab={tab}]").click()
        page.locator("[data-tab=settings]").click()
        page.wait_for_timeout(1500)


def network_fits(world):
    """Nothing is wider than the page."""
    with trained(world) as training:
        for tab in ("network", "step"):
            for width in (1280, 900, 768, 390, 320):
                with world.context(width) as context:
                    page = show(world, context, training, f"tab={tab}&unit=1.3")
                    page.locator(".bars button, .step-body h3").first.wait_for()
                    wide = settled(lambda: page.evaluate("document.documentElement.scrollWidth"), 0.3)
                    assert wide <= width, f"{tab} is {wide} wide at {width}"


TESTS = [a_seven_is_read, strokes_flow, unit_is_picked, images_are_chosen, templates_agree, step_is_opened, training_is_watched, network_fits]
