"""Suggests what a misspelt word was meant to be."""

from collections.abc import Iterable
from difflib import get_close_matches

_LEAST = 3
"""Letters that are the beginning of a word rather than of any."""


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"``, or nothing when no choice is near.

    Letters in another order come first, then similar words, then longer ones that begin with it;
    case does not count.
    """
    by_lower: dict[str, str] = {}
    for choice in choices:
        by_lower.setdefault(choice.lower(), choice)
    word = word.lower()
    swapped = [choice for choice in by_lower if sorted(choice) == sorted(word)]
    near = swapped or get_close_matches(word, by_lower, n=1, cutoff=0.6)
    if not near and len(word) >= _LEAST:
        near = [choice for choice in by_lower if choice.startswith(word)]
    return f" (did you mean '{by_lower[near[0]]}'?)" if near else ""
