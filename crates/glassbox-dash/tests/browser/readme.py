"""The pictures of the README, drawn anew: make dashboard-pictures."""

from network import SEVEN, draw, middle, wires
from world import eventually, picture, settled, step


def draw_pictures(world, folder):
    """The README's pictures: a training on the built-in digits after some epochs, and what its network makes of one."""
    with world.training("--epochs", "24", "--lr", "0.05", run="runs/digits-1") as training, world.context() as context:
        page = world.open(context, training.link, "digits-1")
        eventually(lambda: step(page) > 8 * 844, seconds=300)
        page.click("[data-do=pause]")
        page.wait_for_selector(".sign:has-text('paused')")
        settled(lambda: [picture(page, subject) for subject in ("curves", "rate", "throughput")], 3)
        page.screenshot(path=f"{folder}/dashboard.png")
        draw_network(page, f"{folder}/network.png")


def draw_network(page, file):
    """A digit that is drawn, the unit that it excites most, and the template that it meets."""
    page.click("[data-tab=network]")
    page.get_by_role("button", name="Draw", exact=True).click()
    answers = []
    page.on("response", lambda answer: "/network/drawing" in answer.url and answers.append(answer))
    draw(page, SEVEN)
    page.locator(".verdict", has_text="It reads").wait_for()
    settled(lambda: len(answers))
    outputs = answers[-1].json()["layers"][1]["outputs"]
    units = page.locator("canvas.units")
    units.click(position=middle(units, outputs.index(max(outputs))))
    page.locator(".unit h3").wait_for()
    eventually(lambda: wires(page) > 8)
    page.mouse.move(2, 2)
    # The tab alone: its head is on the other picture.
    left, top, width = page.evaluate("(() => { const box = document.querySelector('[data-tab]').parentElement.getBoundingClientRect(); return [box.left, box.top + scrollY, box.width]; })()")
    height = page.evaluate("document.documentElement.scrollHeight") - top
    clip = {"x": left - 16, "y": top - 8, "width": width + 32, "height": height + 8}
    page.screenshot(path=file, full_page=True, clip=clip)
