"""Small faults to plant in the text of a kernel: barriers dropped, bounds weakened, indices swapped, zero tests left out.

A fault that no test finds is a hole in the tests, or changes nothing. Where it changes nothing, the line says why, in
a comment `// mutant: ...`.
"""

import dataclasses
import re

# A factor or a term of an index: a name, a member, a call, an element, or something in brackets.
ATOM = r"(?:[\w.]*\([^()]*\)|[\w.]+(?:\[[^\[\]]*\])?)"
CONSTANT = re.compile(r"[A-Z0-9_ +*/]+")


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One fault: where it is, what kind it is of, and what stands there instead of what."""

    path: str
    start: int
    line: int
    kind: str
    before: str
    after: str
    around: tuple
    excuse: str

    def planted_in(self, text):
        return text[: self.start] + self.after + text[self.start + len(self.before) :]

    def __str__(self):
        left, right = self.around
        was, became = ((left + middle + right).strip() for middle in (self.before, self.after))
        return f"{self.path}:{self.line}: {self.kind}: `{was}` became `{became}`"


def mutants(path, text):
    """All faults of a text, in order."""
    code = without_comments(text)
    found = [fault for kind in KINDS for fault in kind(code)]
    return [mutant(path, text, *fault) for fault in sorted(set(found), key=lambda fault: (fault[1], fault[0], fault[3]))]


def mutant(path, text, kind, start, before, after):
    line = text.count("\n", 0, start) + 1
    # Enough of what stands around it to tell it from its neighbours.
    end = start + len(before)
    around = re.search(r"[^\s;(&|?:]* ?$", text[:start])[0], re.match(r" ?[^\s;)&|?:]*", text[end:])[0]
    excuse = re.search(r"// mutant: (.*)", text.splitlines()[line - 1])
    return Mutant(path, start, line, kind, before, after, around, excuse[1].strip() if excuse else "")


def without_comments(text):
    """The text with blanks for comments, strings and directives, so that places stay what they are."""
    pattern = r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|^[ \t]*#[^\n]*"
    return re.sub(pattern, lambda match: re.sub(r"[^\n]", " ", match[0]), text, flags=re.DOTALL | re.MULTILINE)


def dropped(kind, pattern, code):
    for match in re.finditer(pattern, code):
        yield kind, match.start(), match[0], ";"


def barriers(code):
    yield from dropped("barrier dropped", r"__sync(?:threads|warp)\([^;{]*\);", code)


def waits(code):
    names = r"(?:cp_async_\w*(?:wait|commit)\w*|wait_for_kernel_ahead|take_over|take)"
    yield from dropped("wait dropped", rf"(?<!::)\b{names}(?:<[^;{{]*>)?\([^;{{]*\);", code)
    for match in re.finditer(r"(wait_for_kernel_ahead\(\);)(\s*)(let_kernel_behind_start\(\);)", code):
        wait, space, start = match.groups()
        yield "wait too late", match.start(), match[0], start + space + wait


def bounds(code):
    """`<` in guards and loops lets one too many in, and so does `>=` where it turns away. What is compared with a number
    with a point is no index, and the smaller of two is the same either way."""
    for match in re.finditer(r"([\w.]*\S) (<|>=) (-?[\w.]*)( \? [\w.]+ : [\w.]+)?", code):
        left, sign, right, choice = match.groups()
        is_number = any(re.fullmatch(r"-?\d*\.\d*f?", side) for side in (left, right))
        if not is_number and choice != f" ? {left} : {right}":
            yield "bound weakened", match.start(2), sign, "<=" if sign == "<" else ">"


def transposed_indices(code):
    """row * width + column, and [row][column]."""
    overlapping = rf"(?<![\w.)\]])(?=(({ATOM}) \* ({ATOM}) \+ ({ATOM})))"
    for match in re.finditer(overlapping, code):
        whole, row, width, column = match.groups()
        if row != column and not re.search(r"\d\.", whole):
            yield "index transposed", match.start(), whole, f"{column} * {width} + {row}"
    for match in re.finditer(r"\[([^\[\]]+)\]\[([^\[\]]+)\]", code):
        row, column = match.groups()
        if row != column and not (CONSTANT.fullmatch(row) and CONSTANT.fullmatch(column)):
            yield "index transposed", match.start(), match[0], f"[{column}][{row}]"


def transposed_threads(code):
    """threadIdx.x for threadIdx.y and so on, in functions that use both."""
    for start, end in bodies(code):
        body = code[start:end]
        for name in ("threadIdx", "blockIdx"):
            if f"{name}.x" in body and f"{name}.y" in body:
                for match in re.finditer(rf"\b{name}\.([xy])\b", body):
                    other = {"x": "y", "y": "x"}[match[1]]
                    yield "threads transposed", start + match.start(), match[0], f"{name}.{other}"


def zero_tests(code):
    """The definition's care for zeros and for what is not finite."""
    for match in re.finditer(r"(?<!float )\bend_of_chain\(", code):
        call = code[match.start() : closing(code, match.end())]
        yield "end of chain dropped", match.start(), call, call.removeprefix("end_of_chain")
    for match in re.finditer(r"(?<!bool )\bis_finite\(", code):
        yield "test dropped", match.start(), code[match.start() : closing(code, match.end())], "true"
    for match in re.finditer(rf"(?<![\w.)\]]){ATOM} (!=|==) 0\.0f", code):
        yield "test dropped", match.start(), match[0], "true" if match[1] == "!=" else "false"


KINDS = [barriers, waits, bounds, transposed_indices, transposed_threads, zero_tests]


def bodies(code):
    """Where the outermost braces begin and end: the functions."""
    depth, start = 0, 0
    for match in re.finditer(r"[{}]", code):
        depth += 1 if match[0] == "{" else -1
        if depth == 1 and match[0] == "{":
            start = match.start()
        elif depth == 0:
            yield start, match.end()


def closing(code, start):
    """The place behind the bracket that closes the one before `start`."""
    depth = 1
    for match in re.finditer(r"[()]", code[start:]):
        depth += 1 if match[0] == "(" else -1
        if depth == 0:
            return start + match.end()
    return len(code)
