"""The book: its commands are run, its pictures drawn, its pages built: python tools/book.py PATH_TO_GLASSBOX

Blocks of a page that begin with ```sh are run, in order, in a folder of the page's own under target/book-runs. After `sh`,
separated by commas, may stand `out=NAME`: what is printed is kept in book/src/drawn/PAGE, for the page to include; and
`exit=1`: how it ends, if not well. The pictures of a page are what its commands draw into the folder `pictures`, and stand
in its text as drawn/PAGE/NAME; a narrow window shows what `pictures/phone` has of that name. Screenshots are those of
docs, and stand in a text as docs/NAME. Code is included by anchors, and each anchor in the code is in a page.

mdBook is installed into target/tools where it is not there; where that cannot be done, the pages are not built, loudly.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

ROOT = pathlib.Path(__file__).resolve().parent.parent
BOOK, RUNS, BUILT, SKIPS = ROOT / "book", ROOT / "target/book-runs", ROOT / "target/book", ROOT / "target/skips"
SOURCE = BOOK / "src"
DRAWN, SHOTS = SOURCE / "drawn", SOURCE / "docs"
MDBOOK = "0.5.4"
# What a block may be, and what may be said of one whose commands are run.
LANGUAGES, WORDS = {"sh", "text", "rust", "cpp", "js", "python", "toml"}, {"out", "exit"}
CODE = {".rs", ".cu", ".cuh", ".js", ".py"}


def pages():
    """The pages, in order."""
    names = re.findall(r"\]\(([^)]+\.md)\)", (SOURCE / "SUMMARY.md").read_text(encoding="utf-8"))
    return [SOURCE / name for name in names]


def commands(text):
    """The blocks of commands, each with what its first line says. What is not understood is an error.

    >>> commands("```sh,out=a.txt,exit=1\\nglassbox doctor\\n```\\n```text\\nno\\n```\\n")
    [({'out': 'a.txt', 'exit': '1'}, 'glassbox doctor\\n')]
    >>> for first in ("sh, out=a", "shell", "sh,exti=1", " sh", "text,out=a"):
    ...     try:
    ...         print(commands(f"```{first}\\na\\n```\\n"))
    ...     except ValueError:
    ...         pass
    """
    blocks = re.findall(r"^```([^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    if 2 * len(blocks) != len(re.findall(r"^ *```", text, re.MULTILINE)):
        raise ValueError("a block begins or ends in the middle of a line, or does not end")
    found = []
    for first, body in blocks:
        language, *more = first.split(",")
        said = dict(word.partition("=")[::2] for word in more)
        if language not in LANGUAGES or not said.keys() <= (WORDS if language == "sh" else set()):
            raise ValueError(f"nobody knows what ```{first} means")
        if language == "sh":
            found.append((said, body))
    return found


def run(page, program):
    """Runs the commands of a page, and fetches what they draw."""
    runs, drawn = RUNS / page.stem, DRAWN / page.stem
    runs.mkdir(parents=True)
    drawn.mkdir(parents=True)
    paths = os.pathsep.join([str(program.parent), os.environ["PATH"]])
    try:
        blocks = commands(page.read_text(encoding="utf-8"))
    except ValueError as error:
        sys.exit(f"{page.name}: {error}")
    for said, body in blocks:
        print(f"{page.name}: {body.strip()}", flush=True)
        shell = ["bash", "-euo", "pipefail", "-c", body]
        done = subprocess.run(shell, cwd=runs, env=os.environ | {"PATH": paths}, capture_output=True, text=True)
        if done.returncode != int(said.get("exit", "0")):
            sys.exit(f"{page.name}: exit code {done.returncode}\n{body}{done.stdout}{done.stderr}")
        if "out" in said:
            (drawn / said["out"]).write_text(done.stdout, encoding="utf-8")
    if (runs / "pictures").is_dir():
        shutil.copytree(runs / "pictures", drawn, dirs_exist_ok=True)


def part(text, anchor):
    """What stands between the lines that begin and end an anchor; nothing if they are not there, once each, in order.

    >>> part("a\\n// ANCHOR: x\\nb\\n// ANCHOR_END: x\\n", "x")
    'b\\n'
    >>> [part(text, "x") for text in ("// ANCHOR: x\\nb\\n", "// ANCHOR: x\\n" * 2 + "b\\n// ANCHOR_END: x\\n")]
    ['', '']
    """
    lines = text.splitlines(keepends=True)
    places = lambda mark: [at for at, line in enumerate(lines) if line.rstrip().endswith(f" {mark}: {anchor}")]
    begins, ends = places("ANCHOR"), places("ANCHOR_END")
    return "".join(lines[begins[0] + 1 : ends[0]]) if len(begins) == len(ends) == 1 else ""


def check_anchors():
    """Code that pages include is there, and what is marked in the code is included. mdBook includes nothing, silently."""
    included, complaints = set(), []
    for page in pages():
        for path, anchor in re.findall(r"\{\{#include ([^:}]+):([^}]*)\}\}", page.read_text(encoding="utf-8")):
            file = (page.parent / path).resolve()
            if not file.is_file() or not part(file.read_text(encoding="utf-8"), anchor).strip():
                complaints.append(f"{page.name} includes {path}:{anchor}: nothing is there")
            included.add((file, anchor))
    for file in (ROOT / "crates").rglob("*"):
        if file.suffix in CODE and file.is_file():
            for anchor in re.findall(r" ANCHOR: (\w+)", file.read_text(encoding="utf-8")):
                if (file, anchor) not in included:
                    complaints.append(f"{file.relative_to(ROOT)}: no page includes the anchor {anchor}")
    if complaints:
        sys.exit("\n".join(complaints))


def mdbook():
    """mdBook, installed if need be. None, with the reason said, where that cannot be done."""
    program, log = ROOT / "target/tools/bin/mdbook", ROOT / "target/mdbook-install.log"
    if program.is_file():
        version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout.split()
        if version and version[-1].lstrip("v") == MDBOOK:
            return program
    print("installing mdBook into target/tools, once", flush=True)
    words = ["--locked", "--force", "--root", str(ROOT / "target/tools"), "--version", MDBOOK, "--no-default-features"]
    with open(log, "w", encoding="utf-8") as out:
        done = subprocess.run(["cargo", "install", "mdbook", *words], stdout=out, stderr=subprocess.STDOUT)
    if done.returncode == 0:
        return program
    skip("the book's pages were NOT BUILT: mdBook could not be installed (hint: read target/mdbook-install.log; is there a network?)")
    return None


def skip(why):
    """Says what was not done, now and at the end of `make check`."""
    print(why)
    (SKIPS / "book").write_text(why + "\n", encoding="utf-8")


def fit_phones(html):
    """The same page, whose pictures are those for a phone where there are such and the window is narrow. What mdBook
    shows of a picture that is clicked stays as it is."""

    def both(found):
        folder, name = found[3].rsplit("/", 1)
        narrow = f"{folder}/phone/{name}"
        if not (SOURCE / narrow).is_file():
            return found[0]
        return f'{found[1]}<picture><source media="(max-width: 700px)" srcset="{narrow}">{found[2]}</picture>'

    return re.sub(r'(<input class="checkbox-img"[^>]*>)(<img src="(drawn/[^"]+)"[^>]*>)', both, html)


class Links(HTMLParser):
    """What a page refers to, and whether it loads it by itself."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found += [(value, tag != "a") for name, value in attributes if name in ("src", "srcset", "href") and value]


def finish(page):
    """Makes a built page fit phones. What it refers to is there, and nothing is loaded from elsewhere."""
    built = BUILT / page.relative_to(SOURCE).with_suffix(".html")
    html = fit_phones(built.read_text(encoding="utf-8"))
    built.write_text(html, encoding="utf-8")
    links = Links()
    links.feed(html)
    for link, is_loaded in links.found:
        path = link.split("#")[0].split("?")[0]
        is_elsewhere = re.match(r"\w+:|//", path) is not None
        if is_elsewhere and is_loaded or not is_elsewhere and not (built.parent / path).exists():
            sys.exit(f"{page.name}, as it is built, refers to {link}, which is not there")
    if "{{#" in html:
        sys.exit(f"{page.name}: mdBook did not understand an include")


def main():
    program = pathlib.Path(sys.argv[1]).resolve()
    SKIPS.mkdir(parents=True, exist_ok=True)
    (SKIPS / "book").unlink(missing_ok=True)
    check_anchors()
    if not os.environ.get("GLASSBOX_DATA"):
        skip("the book was SKIPPED: its commands need MNIST (hint: GLASSBOX_DATA=DIR make book)")
        return
    for folder in (RUNS, DRAWN, SHOTS):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", SHOTS, ignore=lambda _, names: [name for name in names if not name.endswith(".png")])
    for page in pages():
        run(page, program)
    builder = mdbook()
    if builder is None:
        return
    shutil.rmtree(BUILT, ignore_errors=True)
    done = subprocess.run([builder, "build", BOOK], capture_output=True, text=True)
    if done.returncode != 0 or "ERROR" in done.stderr:
        sys.exit(done.stdout + done.stderr)
    for page in pages():
        finish(page)
    print(f"the book: {len(pages())} pages in {BUILT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
