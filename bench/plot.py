"""Draws the time of a training step per image, by width and by batch, into an SVG file, with what the machine allows.

Where a peer is faster than Glassbox its point has a ring and says so.
"""

import math

WIDTH, HEIGHT, LEFT, TOP, PANEL, TALL = 960, 420, 70, 50, 350, 290
COLOURS = {"glassbox": "#c2410c", "numpy": "#1d4ed8", "pytorch eager": "#15803d", "pytorch by hand": "#7e22ce"}
BOUNDS = {"multiplies_all": "6 4", "skips_zeros": "2 3"}


def bound(width, limit, share):
    """Seconds an image that no program can go below, if `share` of the pixels are multiplied.

    Forward and the gradient of the first weights take a multiply-add for each pixel and hidden unit; the second layer
    takes three, ten outputs wide. A pixel is a byte that is read from memory once.
    """
    flops = 2 * (2 * 784 * width * share + 3 * 10 * width)
    return max(flops / limit["gflops"], 784 / limit["gigabytes_per_second"]) * 1e-9


def ticks(lowest, highest, base):
    """The powers of a base from one to the other."""
    first, last = math.floor(math.log(lowest, base) + 1e-9), math.ceil(math.log(highest, base) - 1e-9)
    return [base**power for power in range(first, last + 1)]


def text(x, y, words, anchor="middle", more=""):
    """A text element."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{words}</text>'


def panel(left, title, key, rows, bounds):
    """One diagram: both axes logarithmic."""
    curves = {}
    for row in sorted(rows, key=lambda row: row[key]):
        for one in row["best"]:
            curves.setdefault(one["name"], []).append((row[key], 1e6 * one["median"]))
    lines = {name: [(x, 1e6 * y) for x, y in points] for name, points in bounds.items()}
    values = [y for points in [*curves.values(), *lines.values()] for _, y in points]
    across = [row[key] for row in rows]
    columns, levels = ticks(min(across), max(across), 4), ticks(min(values), max(values), 10)

    def place(value, ends, length):
        low, high = math.log(ends[0]), math.log(ends[-1])
        return (math.log(value) - low) / (high - low) * length

    def at(x, y):
        return f"{left + place(x, columns, PANEL):.1f},{TOP + TALL - place(y, levels, TALL):.1f}"

    parts = [text(left + PANEL / 2, TOP - 14, title, more='font-weight="bold"')]
    parts += [text(left + PANEL / 2, TOP + TALL + 36, key)]
    for x in columns:
        start, end = at(x, levels[0]), at(x, levels[-1])
        parts.append(f'<polyline points="{start} {end}" stroke="#ddd"/>')
        parts.append(text(float(start.split(",")[0]), TOP + TALL + 16, x))
    for y in levels:
        start, end = at(columns[0], y), at(columns[-1], y)
        parts.append(f'<polyline points="{start} {end}" stroke="#ddd"/>')
        parts.append(text(left - 6, float(start.split(",")[1]) + 4, f"{y:g} µs", "end"))
    for name, points in lines.items():
        path = " ".join(at(*point) for point in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="#444" stroke-dasharray="{BOUNDS[name]}"/>')
    for name, points in curves.items():
        path, colour = " ".join(at(*point) for point in points), COLOURS[name]
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for point in points:
            x, y = at(*point).split(",")
            parts.append(f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>')
    for row in rows:
        fastest = row["best"][0]
        if fastest["name"] != "glassbox":
            x, y = at(row[key], 1e6 * fastest["median"]).split(",")
            colour = COLOURS[fastest["name"]]
            parts.append(f'<circle cx="{x}" cy="{y}" r="7" fill="none" stroke="{colour}" stroke-width="1.5"/>')
            parts.append(text(float(x), float(y) + 20, "faster here", more=f'fill="{colour}"'))
    return parts


def legend():
    """Which line is which."""
    parts, x = [], LEFT
    names = {"multiplies_all": "bound, multiplying all", "skips_zeros": "bound, skipping zero pixels"}
    for name, colour, dashes in [
        *((name, colour, "") for name, colour in COLOURS.items()),
        *((names[name], "#444", dashes) for name, dashes in BOUNDS.items()),
    ]:
        y = HEIGHT - 18
        line = f'<line x1="{x}" y1="{y - 4}" x2="{x + 24}" y2="{y - 4}" stroke="{colour}" stroke-width="2"'
        parts += [f'{line} stroke-dasharray="{dashes}"/>', text(x + 30, y, name, "start")]
        x += 50 + 7 * len(name)
    return parts


def draw(path, rows, limits, share):
    """Writes the picture. The bound is that of as many threads as are allowed at all."""
    limit = max(limits, key=lambda limit: limit["gflops"])
    wide, batched = [row for row in rows if row["batch"] == 64], [row for row in rows if row["width"] == 128]
    shares = {"multiplies_all": 1, "skips_zeros": share}
    by_width, by_batch = (
        {name: [(row[key], bound(row["width"], limit, s)) for row in sorted(some, key=lambda row: row[key])]
         for name, s in shares.items()}
        for key, some in [("width", wide), ("batch", batched)]
    )  # fmt: skip
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">'
    parts = [head, f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>']
    parts += panel(LEFT, "time per image, batch 64", "width", wide, by_width)
    parts += panel(LEFT + PANEL + 110, "time per image, width 128", "batch", batched, by_batch)
    path.write_text("\n".join([*parts, *legend(), "</svg>"]) + "\n")
    return {"by_width": by_width, "by_batch": by_batch}
