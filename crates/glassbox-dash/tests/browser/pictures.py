"""Pictures in a real browser: each is drawn, none is asked for in vain; for run.py."""

import re
import time

from world import eventually, is_drawn, settled, step, tile

OF_THE_INSIDE = ["flow", "weights", "activations", "gradients", "stuck"]
OF_THE_NETWORK = ["first-layer", "classes", "dead", "image", "confusion", "errors"]


IN_SIGHT = """() => [...document.querySelectorAll(".picture")]
    .filter((picture) => picture.getBoundingClientRect().top < innerHeight).map((picture) => picture.dataset.subject)"""


def are_fetched_when_seen(world):
    """While a training needs the processors, what lies below the window is neither fetched nor drawn; at its end it is."""
    for width, height in [(1280, 800), (390, 844)]:
        with world.training() as training, world.context(width, height) as context:
            page, asked = context.new_page(), set()
            page.on("request", lambda request: "/pictures/" in request.url and asked.add(re.search(r"pictures/(\w+)", request.url)[1]))
            page.goto(training.link)
            eventually(lambda: step(page) > 500)
            page.wait_for_timeout(1000)
            assert asked == set(page.evaluate(IN_SIGHT)) < {"curves", "rate"}, (width, asked)
            page.locator("[data-subject=curves]").scroll_into_view_if_needed()
            eventually(lambda: is_drawn(page, "curves"))
            assert "throughput" not in asked, (width, asked)
            assert training.end() == 130
            # Whoever comes to it later finds it, though nobody answers any more.
            page.wait_for_selector("[data-subject=throughput] img:not([hidden])", state="attached")
            assert is_drawn(page, "rate") and is_drawn(page, "throughput")
            assert page.locator(".to-come").count() == 0


def rests(world):
    """Pictures of a panel that was left are fetched no more, whatever the server said of newer ones."""
    with world.training() as training, world.context(height=1400) as context:
        page = world.open(context, training.link)
        held = []
        page.route("**/api/pictures/**", lambda route: held.append(route))
        page.click("[data-tab=inside]")
        eventually(lambda: page.wait_for_timeout(50) or len(held) > 1)
        page.click("[data-tab=settings]")
        page.wait_for_selector("caption:has-text('Settings')")
        # What was under way arrives, and is old by then; and there is silence, though the training goes on.
        asked, late = [], list(held)
        page.on("request", lambda request: "/pictures/" in request.url and asked.append(request.url))
        for route in late:
            answer = route.fetch()
            route.fulfill(response=answer, headers={**answer.headers, "glassbox-stale": "100"})
        before = step(page)
        page.wait_for_timeout(2500)
        eventually(lambda: step(page) > before + 50)
        assert asked == [], asked


def waits(world):
    """What the server says of how long a picture stays the newest is kept to, for that picture and no other."""
    with world.training() as training, world.context() as context:
        page = world.open(context, training.link)
        asked, told = [], []

        def answer(route):
            found = route.fetch()
            asked.append((time.monotonic(), route.request.url))
            told.append(found.headers.get("glassbox-fresh") or found.headers.get("glassbox-stale"))
            route.fulfill(response=found, headers={**found.headers, "glassbox-fresh": "60000"})

        # Routes are heard of only while the page is asked something.
        count = lambda: page.wait_for_timeout(50) or len(asked)
        page.route("**/api/pictures/curves*", answer)
        eventually(count)
        assert 0 < int(told[-1]) < 60000, told
        at, before = settled(count), step(page)
        page.wait_for_timeout(2500)
        eventually(lambda: step(page) > before + 50)
        assert count() == at, asked
        # Another look is not waited for, nor is a training that rests.
        for change in (lambda: page.fill("#smooth", "0.3"), lambda: page.click("[data-do=pause]")):
            at, begun = settled(count), time.monotonic()
            change()
            eventually(lambda: count() > at)
            assert asked[at][0] - begun < 20, asked


def every_picture(world):
    """All pictures, light and dark, and the reason where there is none."""
    for scheme in ("light", "dark"):
        with world.training() as training, world.context(color_scheme=scheme) as context:
            page = world.open(context, training.link)
            eventually(lambda: re.search("%", tile(page, "validation")))
            for tab, subjects in [("overview", ["curves", "rate", "throughput"]), ("inside", OF_THE_INSIDE), ("learned", OF_THE_NETWORK)]:
                page.click(f"[data-tab={tab}]")
                for subject in subjects:
                    eventually(lambda: is_drawn(page, subject))
                page.evaluate("scrollTo(0, 0)")
                world.shoot(page, f"{tab}-{scheme}")
            page.fill("#row", "7")
            page.press("#row", "Enter")
            eventually(lambda: "row=7" in page.url)
            # While it trains, another look of a picture waits for its turn; paused, it has the processors.
            page.click("[data-do=pause]")
            page.wait_for_selector(".sign:has-text('paused')")
            page.fill("#row", "99999999")
            page.press("#row", "Enter")
            page.wait_for_selector("[data-subject=image] .why:has-text('test images')")
    with world.training("--model", "784-16-tanh-10", "--validation", "0") as training, world.context() as context:
        page = world.open(context, training.link)
        assert "no validation set" in page.text_content("[data-tile=validation]")


TESTS = [are_fetched_when_seen, rests, waits, every_picture]
