"""Damaged and hostile copies of a file, by number, and what a reader may do with each.

A mutation is a function of the file, its form and a number, so that a failure can be repeated:
``mutate(content, form, number)``. Half of them know nothing of the form (bits, cuts, chunks,
encodings), the others change values, names and lines of what the file holds; of JSON, ``values``
are these alone.
"""

import gzip
import json
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from graphium.errors import GraphiumError

Form = Literal["bytes", "json", "values", "json lines", "yaml", "csv", "sdf", "safetensors"]

MOST_SECONDS = 1.0
"""Of processor time for one file."""
MOST_MEMORY = 100_000_000
"""Bytes that reading one file may add."""

_LONG = 30_000
_JSON_VALUES = (
    "null", "true", "false", "0", "-1", "1", "0.5", "1e308", "1e999", "-1e999", "NaN", "Infinity",
    "1" + "0" * 30, "1" + "0" * 400, "9" * 5_000, "-0", "18446744073709551616", '""', '"1"', '"x"',
    '"' + "x" * _LONG + '"', '"\\ud800"', '"\\u0000"', '"../../../../etc/passwd"', '"/dev/zero"',
    "[]", "{}", "[1]", "[[1], [2, 3]]", '{"a": 1}', "[" * 90 + "]" * 90, "[" * 5_000 + "]" * 5_000,
    '{"a":' * 3_000 + "1" + "}" * 3_000, "-", "01", "'x'",
)  # fmt: skip
_TOKENS = {
    "yaml": (
        "{", "[", "]", "}", "- ", "? ", ": ", "<<: ", "*a", "&a ", "!!python/object:os.system x",
        "!!int x", "|", ">", "%YAML 9.9", "---", "...", "#", "'", '"', "\t", "  ", "@", "`", ".inf",
        ".nan", "0x" + "f" * 5_000, "0o" + "7" * 6_000, "9" * 5_000, "1e999", "null", "~", "true",
        "-1", "0", "[" * 500, "{a: " * 500, "x" * _LONG, '"\\0"', '"\\ud83d"', "$HOME", "${", "$$",
        "$NOT_SET_HERE", "~", "~x/", "extends: x.yaml", "extends: .", 'extends: "a\\0b"', "kind: x",
        "&a [*a, *a]", "\x00", "\x85", "\u2028", "\ufeff", "-.5", "+", "no", "12:30", "2020-01-01",
    ),
    "csv": (
        '"', '""', '"""', ",", ",,", "\n", "\r", "\r\n", "\x00", "\t", ";", "=1+1", "-0.5", "nan",
        "inf", "1e999", "9" * 400, "[1, 2]", "[1, 2", "[" + "9" * 400 + "]", "[[1], [2, 3]]",
        "[" * 3_000, "[null]", '"[1, ""a""]"', "x" * _LONG, '"' + "x" * _LONG, "é", "\u2028",
        '"a\nb"', '"a\n', "None", "N/A", "#", "True", '{"a": 1}', "[{}]", "[true]", "[1e999]",
    ),
    "sdf": (
        "$$$$", "M  END", "M  V30 END CTAB", "> <y>", ">  <", "> <>", ">" + "<" * 20_000, "<", ">",
        "> <atom.dprop.q>\n[n/a] 0.1 x", "> <atom.dprop.q>\n1 2 3", "9" * 400, "x" * _LONG, "\x00",
        "999999  0  0  0  0  0  0  0  0  0999 V2000", "\r", "\x85", "é", "",
    ),
}  # fmt: skip
_ENCODINGS = ("utf-16", "utf-32", "utf-8-sig", "latin-1", "utf-16-le")
_CHUNK = 40


@dataclass(frozen=True, slots=True)
class Mutant:
    """One changed copy."""

    content: bytes
    how: str
    """What was done, in words."""


class HungError(Exception):
    """A reader took more processor time than it may."""


def mutate(content: bytes, form: Form, number: int) -> Mutant:
    """Return the changed copy of this number."""
    rng = random.Random(f"{form} {number}")
    if form == "values" or (form != "bytes" and rng.random() < 0.5):
        how, changed = _BY_FORM[form](content, rng)
    else:
        how, changed = _bytes(content, rng)
    return Mutant(changed, how)


def hunt(
    content: bytes,
    form: Form,
    read: Callable[[bytes], object],
    count: int,
    *,
    protected: bool = False,
    first: int = 0,
) -> dict[str, int]:
    """Read changed copies of a file; fail on anything but a value or a ``GraphiumError``.

    Args:
        content: The file as it should be; ``read`` must take it.
        form: What it is.
        read: Writes the bytes where they belong and reads them as a user's command does.
        count: Copies.
        protected: Whether a checksum protects the file: what is read must then be what it was.
        first: Number of the first copy.

    Returns:
        How many copies were read and how many were refused.
    """
    right = read(content)
    found = {"read": 0, "refused": 0}
    before = _reset_peak()
    for number in range(first, first + count):
        mutant = mutate(content, form, number)
        here = f"mutate(content, {form!r}, {number}), which does: {mutant.how}"
        try:
            with _at_most(MOST_SECONDS):
                value = read(mutant.content)
        except GraphiumError as refusal:
            if not str(refusal).strip():
                raise AssertionError(f"no message for {here}") from refusal
            found["refused"] += 1
        except Exception as error:
            raise AssertionError(f"{type(error).__name__} ({error}) for {here}") from error
        else:
            found["read"] += 1
            assert not protected or value == right, f"a wrong value was taken for {here}"
        grown = _peak() - before
        assert grown < MOST_MEMORY, f"{grown >> 20} MB more memory for {here}"
    return found


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Stop what takes longer, in time of the processor: a busy machine changes nothing."""

    def stop(*_: object) -> None:
        raise HungError(f"more than {seconds} s")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _reset_peak() -> int:
    """Let the peak of this process's memory begin anew; return what it holds now."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:  # not Linux, or not allowed: the peak so far counts
        return _peak()
    return _peak()


def _peak() -> int:
    """Return the most bytes that this process has held; 0 where the system does not say."""
    try:
        with open("/proc/self/status", "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(b"VmHWM"))


def _bytes(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    """Change what any file has."""
    at = rng.randrange(len(content))
    end = min(len(content), at + rng.randint(1, _CHUNK))
    other = rng.randrange(len(content))
    piece = content[at:end]
    noise = rng.randbytes(rng.randint(1, _CHUNK))
    bit = 1 << rng.randrange(8)
    flipped = bytes([content[at] ^ bit])
    encoding = rng.choice(_ENCODINGS)
    ways: list[tuple[str, Callable[[], bytes]]] = [
        ("flip a bit", lambda: content[:at] + flipped + content[at + 1 :]),
        ("flip a bit", lambda: content[:at] + flipped + content[at + 1 :]),
        ("cut the end off", lambda: content[:at]),
        ("cut the beginning off", lambda: content[at:]),
        ("delete a chunk", lambda: content[:at] + content[end:]),
        ("insert noise", lambda: content[:at] + noise + content[at:]),
        ("overwrite with noise", lambda: content[:at] + noise + content[at + len(noise) :]),
        ("overwrite with zeros", lambda: content[:at] + bytes(end - at) + content[end:]),
        ("overwrite with ones", lambda: content[:at] + b"\xff" * (end - at) + content[end:]),
        ("repeat a chunk", lambda: content[:at] + piece * rng.randint(2, 50) + content[end:]),
        ("move a chunk", lambda: _moved(content, at, end, other)),
        ("write it twice", lambda: content + content),
        (f"encode as {encoding}", lambda: _encoded(content, encoding)),
        ("compress", lambda: gzip.compress(content, 1, mtime=0)),
    ]
    how, change = rng.choice(ways)
    return f"{how} at byte {at}", change()


def _moved(content: bytes, at: int, end: int, to: int) -> bytes:
    rest = content[:at] + content[end:]
    return rest[:to] + content[at:end] + rest[to:]


def _encoded(content: bytes, encoding: str) -> bytes:
    return content.decode("utf-8", "replace").encode(encoding, "replace")


def _json(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    """Change a value or a name inside a JSON document."""
    tree = json.loads(content)
    holders = list(_holders(tree))
    holder, key = rng.choice(holders)
    value = rng.choice(_JSON_VALUES)
    raw: dict[str, str] = {}

    def put(text: str) -> str:
        raw[f'"<raw {len(raw)}>"'] = text
        return f"<raw {len(raw) - 1}>"

    way = rng.choice(("value", "value", "value", "remove", "rename", "repeat", "swap", "add"))
    if way == "value" or isinstance(holder, list):
        holder[key] = put(value)
        how = f"write {value[:40]} for {key!r}"
    elif way == "remove":
        del holder[key]
        how = f"remove {key!r}"
    elif way == "rename":
        holder[rng.choice(("", "x", key.upper(), key + " "))] = holder.pop(key)
        how = f"rename {key!r}"
    elif way == "repeat":
        was = json.dumps(holder[key])
        pair = f"{was}, {json.dumps(key)}: {value}"
        holder[key] = put(pair if rng.random() < 0.5 else f"{value}, {json.dumps(key)}: {was}")
        how = f"write {key!r} twice, also as {value[:40]}"
    elif way == "swap":
        other, there = rng.choice(holders)
        holder[key], other[there] = put(json.dumps(other[there])), put(json.dumps(holder[key]))
        how = f"swap {key!r} with {there!r}"
    else:
        holder["added"] = put(value)
        how = f"add a key beside {key!r}"
    text = json.dumps(tree)
    for mark, text_of in raw.items():
        text = text.replace(mark, text_of)
    return how, text.encode()


def _holders(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place of a tree: a list or a mapping, and the position or key in it."""
    if isinstance(tree, dict | list):
        for key, value in list(tree.items() if isinstance(tree, dict) else enumerate(tree)):
            yield tree, key
            yield from _holders(value)


def _json_lines(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    """Change one of several lines of JSON, or their order."""
    lines = content.splitlines(keepends=True)
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    way = rng.choice(("json", "json", "json", "swap", "remove", "repeat"))
    if way == "json":
        how, changed = _json(lines[at], rng)
        lines[at] = changed + b"\n"
        return f"in line {at} {how}", b"".join(lines)
    if way == "swap":
        lines[at], lines[other] = lines[other], lines[at]
    elif way == "remove":
        del lines[at]
    else:
        lines.insert(other, lines[at])
    return f"{way} line {at}", b"".join(lines)


def _text(form: str) -> Callable[[bytes, random.Random], tuple[str, bytes]]:
    """Return changes of lines and words of a text."""

    def change(content: bytes, rng: random.Random) -> tuple[str, bytes]:
        lines = content.decode().splitlines(keepends=True)
        at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
        token = rng.choice(_TOKENS[form])
        way = rng.choice(("value", "value", "insert", "insert", "swap", "remove", "repeat", "line"))
        line = lines[at]
        if way == "value":
            cells = line.rstrip("\n").split("," if form == "csv" else " ")
            cells[rng.randrange(len(cells))] = token
            lines[at] = ("," if form == "csv" else " ").join(cells) + "\n"
        elif way == "insert":
            place = rng.randrange(len(line))
            lines[at] = line[:place] + token + line[place:]
        elif way == "swap":
            lines[at], lines[other] = lines[other], line
        elif way == "remove":
            del lines[at]
        elif way == "repeat":
            lines.insert(other, line)
        else:
            indent = line[: len(line) - len(line.lstrip())]
            lines.insert(at, f"{indent}{token}\n")
        return f"{way} of line {at + 1} with {token[:40]!r}", "".join(lines).encode()

    return change


def _safetensors(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    """Change the header of a safetensors file, or what it says of its own length."""
    length = int.from_bytes(content[:8], "little")
    header, data = content[8 : 8 + length], content[8 + length :]
    if rng.random() < 0.2:
        stated = rng.choice((0, 1, length - 1, length + 1, 2**31, 2**40, 2**63, 2**64 - 1))
        return f"state {stated} bytes of header", stated.to_bytes(8, "little") + header + data
    if rng.random() < 0.3:
        kind = rng.choice(("F8_E4M3", "F4", "U16", "BOOL", "I64", "C64", "BF16", "X", "F8_E8M0"))
        changed = header.replace(b'"F32"', f'"{kind}"'.encode(), rng.randint(1, 2))
        return f"say {kind} for F32", len(changed).to_bytes(8, "little") + changed + data
    how, changed = _json(header, rng)
    return f"in the header {how}", len(changed).to_bytes(8, "little") + changed + data


_BY_FORM: dict[Form, Callable[[bytes, random.Random], tuple[str, bytes]]] = {
    "json": _json,
    "values": _json,
    "json lines": _json_lines,
    "yaml": _text("yaml"),
    "csv": _text("csv"),
    "sdf": _text("sdf"),
    "safetensors": _safetensors,
}
