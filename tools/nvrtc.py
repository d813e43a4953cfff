"""NVRTC through ctypes: the text of kernels in, PTX out. It needs no GPU, no driver and no toolkit."""

import ctypes
import pathlib
import re
import sysconfig

LIBRARIES = ["libnvrtc-builtins.so.12.0", "libnvrtc.so.12"]


class Refused(Exception):
    """What the compiler says of a text that it does not take."""


def packages():
    """Where pip puts packages for the Python that runs this."""
    return pathlib.Path(sysconfig.get_paths()["purelib"])


def load():
    """The library. What it needs itself goes first, for everyone to see: it does not look beside itself for it."""
    folder = packages() / "nvidia/cuda_nvrtc/lib"
    *_, library = [ctypes.CDLL(str(folder / name), mode=ctypes.RTLD_GLOBAL) for name in LIBRARIES]
    return library


def compile_text(text, path, headers, options):
    """The PTX of a text. `path` is what messages call it; `headers` are {name: (path, text)}.

    A warning refuses the text too: nobody would see it later.
    """
    library, program = load(), ctypes.c_void_p()
    bodies = array(body for _, body in headers.values())
    status = library.nvrtcCreateProgram(
        ctypes.byref(program), text.encode(), path.encode(), len(headers), bodies, array(headers)
    )
    if status != 0:
        raise Refused(f"{path}: nvrtcCreateProgram returned {status}")
    try:
        status = library.nvrtcCompileProgram(program, len(options), array(options))
        log = output(library, program, "ProgramLog").strip()
        if status != 0 or log:
            raise Refused(readable(log, headers) or f"{path}: nvrtcCompileProgram returned {status}")
        return output(library, program, "PTX")
    finally:
        library.nvrtcDestroyProgram(ctypes.byref(program))


def array(texts):
    """An array of C strings."""
    texts = [text.encode() for text in texts]
    return (ctypes.c_char_p * len(texts))(*texts)


def output(library, program, what):
    """The log or the PTX of a program, without the zero that ends it."""
    size = ctypes.c_size_t()
    getattr(library, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
    text = ctypes.create_string_buffer(max(1, size.value))
    getattr(library, f"nvrtcGet{what}")(program, text)
    return text.value.decode()


def readable(log, headers):
    """The log with places as editors know them, path:line, and headers by their paths."""

    def place(match):
        name, line = match.groups()
        return f"{headers[name][0] if name in headers else name}:{line}:"

    return re.sub(r"^([^\s(]+)\((\d+)\):", place, log, flags=re.MULTILINE)
