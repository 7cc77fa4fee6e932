"""Names that files extended side by side give to different things."""

from collections.abc import Iterator

from graphium.config.explain import plain, show
from graphium.config.mistakes import Mistake
from graphium.config.yaml_nodes import YamlNode


def two_of_a_name(one: YamlNode, other: YamlNode) -> Iterator[Mistake]:
    """Yield names that two files, extended side by side, give to different tasks or tables.

    Merging would mix the two without a word. What is written by the file that extends them, or on
    the command line, is a choice.
    """
    for section, option in (("tasks", "dataset"), ("datasets", "table")):
        first, _ = one.find((section,))
        second, _ = other.find((section,))
        for name in first.children:
            ours, absent = one.find((section, name, option))
            theirs, lacking = other.find((section, name, option))
            if name not in second.children or absent or lacking or plain(ours) == plain(theirs):
                continue
            yield Mistake(
                theirs.place,
                f"{section}.{name}.{option}",
                f"is {show(theirs)} here and {show(ours)} at {ours.place}: two files that are "
                f"extended side by side give one name to different {section}; rename one of them",
            )
