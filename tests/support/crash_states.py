"""What may stand on a disk after the power was cut.

The model. A file has a content, and what of it was there at its last fsync. A folder has names, and
those that were there when it was last fsynced. When the power goes,

* of a file whose content is newer than its last fsync there is the new content, the old one, the
  first half of the new one, or as many zeros (space that was given to it and never written);
* of the names that were made, replaced or removed since the folder's last fsync any may have lasted
  and any not, in whatever order they were done; but a rename happens as a whole;
* all else is as it was. A folder whose name is lost is lost with all that it holds.

A journalling file system does less harm. Of the many combinations there are these, for every prefix
of the operations: nothing lost; all contents lost in each way; all names lost; the names of one
folder or of all after some moment lost; each of the last few names, or contents in each way, lost
alone or left alone; all subsets where there are at most four names; and some at random.
"""

import itertools
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from recorded_disk import Operation

Tree = dict[str, bytes | None]
"""Path -> content of a file; None is a folder."""
Loss = Literal["old", "half", "zeros"]
LOSSES: tuple[Loss, ...] = ("old", "half", "zeros")
_LAST = 5
"""Names and contents that are lost alone: the last ones."""
_ALL_SUBSETS = 4
_AT_RANDOM = 6


@dataclass(eq=False, slots=True)
class File:
    durable: bytes = b""
    content: bytes = b""

    def after(self, loss: Loss | None) -> bytes:
        match loss:
            case "old":
                return self.durable
            case "half":
                return self.content[: len(self.content) // 2]
            case "zeros":
                return bytes(len(self.content))
            case _:
                return self.content


@dataclass(eq=False, slots=True)
class Change:
    """What one operation did to the names of a folder."""

    names: "dict[str, Node | None]"


@dataclass(eq=False, slots=True)
class Folder:
    durable: "dict[str, Node]" = field(default_factory=dict)
    pending: list[Change] = field(default_factory=list)

    def names(self, lost: frozenset[Change] = frozenset()) -> "dict[str, Node]":
        found: dict[str, Node | None] = dict(self.durable)
        for change in self.pending:
            if change not in lost:
                found |= change.names
        return {name: node for name, node in found.items() if node is not None}


Node = File | Folder


@dataclass(frozen=True, slots=True)
class Cut:
    """What is lost when the power goes."""

    names: frozenset[Change] = frozenset()
    contents: Mapping[File, Loss] = field(default_factory=dict)


class Disk:
    """The folder after some operations, and what of it is durable."""

    def __init__(self) -> None:
        self.root = Folder()
        self.pending: list[tuple[Folder, Change]] = []
        self.unsynced: dict[File, None] = {}

    def apply(self, operation: Operation) -> None:
        folder, name = self._place(operation.path)
        node = folder.names().get(name) if operation.path else self.root
        match operation.kind:
            case "mkdir":
                self._change(folder, {name: Folder()})
            case "create":
                self._change(folder, {name: File()})
            case "unlink" | "rmdir":
                self._change(folder, {name: None})
            case "rename" | "link":
                into, new = self._place(operation.other)
                assert into is folder, "names move inside one folder only"
                gone = {name: None} if operation.kind == "rename" else {}
                self._change(folder, {**gone, new: node})
            case "fsync":
                self._sync(node)
            case "truncate" | "write":
                assert isinstance(node, File)
                node.content = (
                    operation.content
                    if operation.kind == "truncate"
                    else (node.content + operation.content)
                )
                self.unsynced.pop(node, None)
                self.unsynced[node] = None

    def tree(self, cut: Cut = Cut()) -> Tree:
        """Return what is there after a cut."""
        found: Tree = {}

        def walk(folder: Folder, path: str) -> None:
            for name, node in folder.names(cut.names).items():
                if isinstance(node, File):
                    found[path + name] = node.after(cut.contents.get(node))
                else:
                    found[path + name] = None
                    walk(node, f"{path}{name}/")

        walk(self.root, "")
        return found

    def cuts(self, choose: random.Random) -> Iterator[Cut]:
        """Return the cuts of the model's bounded choice."""
        names = [change for _, change in self.pending]
        files = list(self.unsynced)
        yield from _cuts_of_names(names)
        for folder in dict.fromkeys(folder for folder, _ in self.pending):
            yield Cut(frozenset(folder.pending))
            yield Cut(frozenset(names) - set(folder.pending))
        for loss in LOSSES:
            lost = dict.fromkeys(files, loss)
            for last in range(_LAST):
                yield Cut(frozenset(names[len(names) - last :]), lost)
            for file in files[-_LAST:]:
                yield Cut(contents={file: loss})
        if len(names) <= _ALL_SUBSETS:
            yield from _all_subsets(names, files)
        for _ in range(_AT_RANDOM):
            yield Cut(
                frozenset(change for change in names if choose.random() < 0.5),
                {file: choose.choice(LOSSES) for file in files if choose.random() < 0.5},
            )

    def _place(self, path: str) -> tuple[Folder, str]:
        *folders, name = path.split("/")
        folder = self.root
        for one in folders:
            inner = folder.names()[one]
            assert isinstance(inner, Folder)
            folder = inner
        return folder, name

    def _change(self, folder: Folder, names: "dict[str, Node | None]") -> None:
        change = Change(names)
        folder.pending.append(change)
        self.pending.append((folder, change))

    def _sync(self, node: Node | None) -> None:
        if isinstance(node, File):
            node.durable = node.content
            self.unsynced.pop(node, None)
        elif isinstance(node, Folder):
            node.durable, node.pending = node.names(), []
            self.pending = [one for one in self.pending if one[0] is not node]


def _cuts_of_names(names: Sequence[Change]) -> Iterator[Cut]:
    every = frozenset(names)
    yield Cut()
    yield Cut(every)
    for last in range(1, _LAST):
        yield Cut(frozenset(names[-last:]))
    for change in names[-_LAST:]:
        yield Cut(frozenset([change]))
        yield Cut(every - {change})


def _all_subsets(names: Sequence[Change], files: Sequence[File]) -> Iterator[Cut]:
    for choice in itertools.product((True, False), repeat=len(names)):
        lost = frozenset(itertools.compress(names, choice))
        yield Cut(lost)
        for loss in LOSSES:
            yield Cut(lost, dict.fromkeys(files, loss))


def crash_states(
    operations: Sequence[Operation], seed: int, skip: int = 0
) -> Iterator[tuple[int, Tree]]:
    """Yield the distinct states after each prefix, and the length of the prefix.

    Args:
        operations: What was done, from an empty folder on.
        seed: Of the cuts at random.
        skip: Prefixes that are shorter are left out.
    """
    choose = random.Random(seed)
    disk = Disk()
    seen: dict[int, None] = {}
    for count, operation in enumerate([None, *operations]):
        if operation is not None:
            disk.apply(operation)
        if count < skip:
            continue
        for cut in disk.cuts(choose):
            tree = disk.tree(cut)
            key = hash(tuple(sorted(tree.items(), key=lambda item: item[0])))
            if key not in seen:
                seen[key] = None
                yield count, tree


def show(tree: Tree, root: Path) -> None:
    """Write a tree into a folder."""
    for path, content in tree.items():
        if content is None:
            (root / path).mkdir(parents=True, exist_ok=True)
        else:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)


def tree_of(root: Path) -> Tree:
    """Return what is below a folder."""
    found: Iterable[Path] = root.rglob("*")
    return {
        path.relative_to(root).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in found
    }
