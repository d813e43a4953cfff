"""The book: its commands are run, its pictures drawn, its pages built: python tools/book.py PATH_TO_GLASSBOX

A block ```sh of a page is run in target/book-runs, in which the pages find what those before them left. `out=NAME` keeps
what it prints in book/src/drawn, for a page to include, and `exit=1` says how it ends if not well. Pictures that pages
show come from there too: what a page calls drawn/NAME is the file NAME of the folder `pictures` that its commands write,
or else of docs; a narrow window shows what there is of that name in `pictures/phone`. Code is included by anchors, and each
anchor in the code is in the book.

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
DRAWN = BOOK / "src/drawn"
MDBOOK = "0.5.4"


def pages():
    """The pages, in order."""
    names = re.findall(r"\]\(([^)]+\.md)\)", (BOOK / "src/SUMMARY.md").read_text(encoding="utf-8"))
    return [BOOK / "src" / name for name in names]


def commands(text):
    """The blocks of commands, each with what its first line says.

    >>> commands("```sh,out=a.txt,exit=1\\nglassbox doctor\\n```\\n```text\\nno\\n```\\n")
    [({'out': 'a.txt', 'exit': '1'}, 'glassbox doctor\\n')]
    """
    blocks = re.findall(r"^```sh(\S*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [(dict(word.split("=") for word in words.split(",") if word), body) for words, body in blocks]


def run(page, program):
    """Runs the commands of a page."""
    paths = os.pathsep.join([str(program.parent), os.environ["PATH"]])
    for said, body in commands(page.read_text(encoding="utf-8")):
        print(f"{page.name}: {body.strip()}", flush=True)
        shell = ["bash", "-euo", "pipefail", "-c", body]
        done = subprocess.run(shell, cwd=RUNS, env=os.environ | {"PATH": paths}, capture_output=True, text=True)
        if done.returncode != int(said.get("exit", "0")):
            sys.exit(f"{page.name}: exit code {done.returncode}\n{body}{done.stdout}{done.stderr}")
        if "out" in said:
            (DRAWN / said["out"]).write_text(done.stdout, encoding="utf-8")


def gather(page):
    """Fetches the pictures that a page shows."""
    for name in re.findall(r"\]\(drawn/([^)]+)\)", page.read_text(encoding="utf-8")):
        found = [folder / name for folder in (RUNS / "pictures", ROOT / "docs") if (folder / name).is_file()]
        if not found:
            sys.exit(f"{page.name} shows drawn/{name}, which its commands do not draw and docs does not have")
        shutil.copyfile(found[0], DRAWN / name)
        phone = RUNS / "pictures/phone" / name
        if phone.is_file():
            (DRAWN / "phone").mkdir(exist_ok=True)
            shutil.copyfile(phone, DRAWN / "phone" / name)


def part(text, anchor):
    """What stands between the lines that begin and end an anchor; nothing if they are not there, once each, in order.

    >>> part("a\\n// ANCHOR: x\\nb\\n// ANCHOR_END: x\\n", "x")
    'b\\n'
    >>> part("// ANCHOR: x\\n// ANCHOR_END: x\\n", "y")
    ''
    """
    found = re.findall(rf"ANCHOR: {re.escape(anchor)}\n(.*?)^[^\n]*ANCHOR_END: {re.escape(anchor)}$", text, re.MULTILINE | re.DOTALL)
    return found[0] if len(found) == 1 else ""


def check_includes():
    """What pages include is there, and what is marked to be included is. mdBook includes nothing without a word."""
    included, complaints = set(), []
    for page in pages():
        for path, anchor in re.findall(r"\{\{#include ([^:}]+):?([^}]*)\}\}", page.read_text(encoding="utf-8")):
            file = (page.parent / path).resolve()
            text = file.read_text(encoding="utf-8") if file.is_file() else ""
            if not (part(text, anchor) if anchor else text).strip():
                complaints.append(f"{page.name} includes {path} {anchor}: nothing is there")
            included.add((file, anchor))
    for file in ROOT.glob("crates/**/*"):
        if file.suffix in {".rs", ".cu", ".cuh", ".js", ".py"} and "target" not in file.parts:
            for anchor in re.findall(r"ANCHOR: (\w+)", file.read_text(encoding="utf-8")):
                if (file, anchor) not in included:
                    complaints.append(f"{file.relative_to(ROOT)}: no page includes the anchor {anchor}")
    if complaints:
        sys.exit("\n".join(complaints))


def mdbook():
    """mdBook, installed if need be. None, with the reason said, where that cannot be done."""
    program, log = ROOT / "target/tools/bin/mdbook", ROOT / "target/mdbook-install.log"
    version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout if program.is_file() else ""
    if MDBOOK in version:
        return program
    print("installing mdBook into target/tools, once", flush=True)
    words = ["--locked", "--force", "--root", str(ROOT / "target/tools"), "--version", MDBOOK, "--no-default-features"]
    with open(log, "w", encoding="utf-8") as out:
        done = subprocess.run(["cargo", "install", "mdbook", *words], stdout=out, stderr=subprocess.STDOUT)
    if done.returncode == 0:
        return program
    why = "the book's pages were NOT BUILT: mdBook could not be installed (hint: read target/mdbook-install.log; is there a network?)"
    skip(why)
    return None


def skip(why):
    """Says what was not done, now and at the end of `make check`."""
    print(why)
    (SKIPS / "book").write_text(why + "\n", encoding="utf-8")


def fit_phones(html):
    """The same page, whose pictures are those for a phone where there are such and the window is narrow."""

    def both(image):
        narrow = f"drawn/phone/{image[1]}"
        if not (BOOK / "src" / narrow).is_file():
            return image[0]
        return f'<picture><source media="(max-width: 700px)" srcset="{narrow}">{image[0]}</picture>'

    return re.sub(r'<img src="drawn/([^"]+)"[^>]*>', both, html)


class Links(HTMLParser):
    """What a page refers to."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name in ("src", "srcset", "href") and value]


def finish():
    """Whatever the built pages refer to is there, and nothing comes from elsewhere."""
    for page in sorted(BUILT.rglob("*.html")):
        page.write_text(fit_phones(page.read_text(encoding="utf-8")), encoding="utf-8")
    built = [BUILT / page.relative_to(BOOK / "src").with_suffix(".html") for page in pages()]
    for page in built:
        links = Links()
        links.feed(page.read_text(encoding="utf-8"))
        for link in links.found:
            path = link.split("#")[0].split("?")[0]
            if "{{#" in link or re.match(r"\w+:|//", path) or not (page.parent / path).exists():
                sys.exit(f"{page.relative_to(ROOT)} refers to {link}, which is not there")
    return built


def main():
    program = pathlib.Path(sys.argv[1]).resolve()
    SKIPS.mkdir(parents=True, exist_ok=True)
    (SKIPS / "book").unlink(missing_ok=True)
    for folder in (RUNS, DRAWN, BUILT):
        shutil.rmtree(folder, ignore_errors=True)
    if not os.environ.get("GLASSBOX_DATA"):
        return skip("the book was SKIPPED: its commands need MNIST (hint: GLASSBOX_DATA=DIR make book)")
    for folder in (RUNS, DRAWN):
        folder.mkdir(parents=True)
    for page in pages():
        run(page, program)
        gather(page)
    check_includes()
    builder = mdbook()
    if builder is None:
        return None
    done = subprocess.run([builder, "build", BOOK], capture_output=True, text=True)
    if done.returncode != 0 or "ERROR" in done.stderr:
        sys.exit(done.stdout + done.stderr)
    print(f"the book: {len(finish())} pages in {BUILT.relative_to(ROOT)}")
    return None


if __name__ == "__main__":
    main()
