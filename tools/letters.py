"""Writes the outlines of the letters that PNG pictures are set in: tools/venv.sh letters tools/letters.py [FOLDER]

FOLDER holds DejaVuSansCondensed.ttf and DejaVuSansCondensed-Bold.ttf, version 2.37, as Debian's fonts-dejavu-extra
installs them. The same files give the same bytes.
"""

import pathlib
import sys

from fontTools.pens.basePen import BasePen
from fontTools.ttLib import TTFont

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "crates/glassbox-plot/src/paint"
FONTS = {"regular": "DejaVuSansCondensed.ttf", "bold": "DejaVuSansCondensed-Bold.ttf"}

# What our pictures say, and what names of runs, layers and folders are mostly made of.
LETTERS = (
    "".join(map(chr, [*range(0x20, 0x7F), *range(0xA0, 0x100)]))
    + "ΓΔΘΛΞΠΣΦΨΩαβγδεζηθικλμνξοπρςστυφχψω"
    + "‐‑–—‘’‚“”„•…‰′″\u2009\u202f€"
    + "⁰⁴⁵⁶⁷⁸⁹⁺⁻ⁿ₀₁₂₃₄₅₆₇₈₉←↑→↓↔∂∇∈∏∑−√∞∫≈≠≤≥⊙■□▲△▶▼◆◇●○✓✗\ufffd"
)
HEAD = """\
# Letters as paths, for PNG pictures; written by tools/letters.py from {name}, {version}.
# Licence: letters-licence.txt, beside this file. A line is a character's number, how far it moves on, and its outline,
# in {em}ths of the size, y upwards from the base line: M, L and Q as in SVG, each closed by the next M.
"""
LICENCE = """\
The outlines in letters.txt are those of {name} and its bold face, {version}, written as paths by tools/letters.py.
What follows is what these fonts say of their licence.

"""
# Where a font says its licence.
LICENCE_NAME = 13


class Path(BasePen):
    """The outline as text; points that TrueType leaves out, between two controls, are written."""

    def __init__(self, glyphs):
        super().__init__(glyphs)
        self.words = []

    def word(self, letter, *points):
        self.words.append(letter + " ".join(f"{round(x)} {round(y)}" for x, y in points))

    def _moveTo(self, point):
        self.word("M", point)

    def _lineTo(self, point):
        self.word("L", point)

    def _qCurveToOne(self, control, point):
        self.word("Q", control, point)

    def _closePath(self):
        pass


def lines(font):
    glyphs, names = font.getGlyphSet(), font.getBestCmap()
    for letter in sorted(set(LETTERS), key=ord):
        if ord(letter) not in names:
            sys.exit(f"the font has no {letter!r}")
        glyph, path = glyphs[names[ord(letter)]], Path(glyphs)
        glyph.draw(path)
        yield f"{ord(letter):x} {glyph.width} {''.join(path.words)}".rstrip()


def main(folder="/usr/share/fonts/truetype/dejavu"):
    fonts = {weight: TTFont(pathlib.Path(folder) / file) for weight, file in FONTS.items()}
    names = fonts["regular"]["name"]
    head = {"name": names.getDebugName(1), "version": names.getDebugName(5), "em": fonts["regular"]["head"].unitsPerEm}
    text = HEAD.format(**head)
    for weight, font in fonts.items():
        text += "\n".join([weight, *lines(font)]) + "\n"
    (OUT / "letters.txt").write_text(text, encoding="utf-8")
    licence = "\n".join(line.rstrip() for line in names.getDebugName(LICENCE_NAME).splitlines())
    (OUT / "letters-licence.txt").write_text(LICENCE.format(**head) + licence + "\n", encoding="utf-8")
    print(f"{OUT.relative_to(ROOT)}: {len(set(LETTERS))} letters twice, {len(text)} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
