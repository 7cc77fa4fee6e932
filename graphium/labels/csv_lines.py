"""Writes csv with line feeds at the ends of rows, in which every cell comes back as it was."""

import csv
from collections.abc import Iterable
from typing import Any, Protocol


class TextSink(Protocol):
    """What text can be written into."""

    def write(self, text: str, /) -> Any:
        """Take the text."""


class RowWriter(Protocol):
    """What ``csv.writer`` returns."""

    def writerow(self, row: Iterable[Any], /) -> Any:
        """Write one row."""

    def writerows(self, rows: Iterable[Iterable[Any]], /) -> None:
        """Write several rows."""


def csv_writer(sink: TextSink, delimiter: str = ",") -> RowWriter:
    """Return a writer of rows that end with a line feed.

    Before Python 3.13 ``csv.writer`` leaves a carriage return without quotes unless rows end with
    one, and readers take it for the end of a row.
    """
    return csv.writer(_LineFeeds(sink), delimiter=delimiter, lineterminator="\r\n")


class _LineFeeds:
    """Takes whole rows that end with a carriage return and a line feed."""

    def __init__(self, sink: TextSink) -> None:
        self._sink = sink

    def write(self, text: str) -> None:
        self._sink.write(text[:-2] + "\n")
