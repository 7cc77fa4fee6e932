"""Where the files of a mix come from: ``sources.yaml`` beside its ``mix.yaml``."""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import Field, StringConstraints, model_validator

from graphium.config.addresses import why_refused, without_secrets
from graphium.config.base import Section
from graphium.config.single_file import read_section
from graphium.errors import FieldError, GroupedFieldError

SOURCES = "sources.yaml"
"""Name of the file in the folder of a mix."""
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
"""Endings of files that can be unpacked."""

_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,199}")
_OURS = (".part", ".part.json", ".lock.json")
"""Endings of what a download keeps beside its files."""

DatasetName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]*$")]


class SourceFile(Section):
    """One file to download."""

    url: str
    """Address: `https`, or `http` where `sha256` is known. No user name, no password."""
    file: str | None = None
    """Name that the file gets; by default the last part of the address."""
    size: int | None = Field(default=None, gt=0)
    """Bytes, where known."""
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    """SHA-256 in hex, where known; otherwise the first download decides it for later ones."""
    md5: str | None = Field(default=None, pattern="^[0-9a-f]{32}$")
    """MD5 in hex, where that is what the source publishes; checked besides SHA-256."""
    unpack: bool = False
    """Whether it is an archive (.zip, .tar, .tar.gz, .tgz) to unpack into a folder of its name."""

    @property
    def name(self) -> str:
        """Name that the file gets."""
        return self.file or unquote(PurePosixPath(urlsplit(self.url).path).name)

    @property
    def folder(self) -> str:
        """Name of the folder that an archive is unpacked into."""
        return next(self.name[: -len(end)] for end in ARCHIVES if self.name.endswith(end))

    @model_validator(mode="after")
    def _address_and_name_are_safe(self) -> "SourceFile":
        if reason := why_refused(self.url, is_checked=self.sha256 is not None):
            raise FieldError(("url",), f"{reason}, got '{without_secrets(self.url)}'")
        key = "url" if self.file is None else "file"
        if not _FILE_NAME.fullmatch(self.name):
            wanted = "a file's name is of letters, digits and . _ + -"
            raise FieldError((key,), f"{wanted}, got '{self.name}'; give another as `file`")
        if self.name.endswith(_OURS):
            raise FieldError((key,), f"names that end in {', '.join(_OURS)} are taken")
        if self.unpack and not self.name.endswith(ARCHIVES):
            raise FieldError(("unpack",), f"only {', '.join(ARCHIVES)} can be unpacked")
        return self


class DatasetSource(Section):
    """The files of one dataset."""

    licence: str
    """Under which the files are published, in words."""
    files: list[SourceFile] = Field(default_factory=list)
    """What to download; none where no public address is known, which `note` then says."""
    homepage: str | None = None
    """Where a reader finds more."""
    note: str | None = None
    """What a user should know, above all what is not known."""
    on_request: bool = False
    """Downloaded only when `--only` names it; for copies of files that stand elsewhere too."""

    @model_validator(mode="after")
    def _no_files_are_explained(self) -> "DatasetSource":
        if not self.files and not self.note:
            raise FieldError(("files",), "needs a file, or a `note` that says why there is none")
        return self


class Sources(Section):
    """All files of a mix, by dataset."""

    datasets: dict[DatasetName, DatasetSource] = Field(min_length=1)
    """A name of your choice for each dataset, best that of the mix."""

    @model_validator(mode="after")
    def _names_differ(self) -> "Sources":
        taken: dict[str, str] = {}
        errors = []
        for keys, name in self._kept_names():
            first = taken.setdefault(name.lower(), ".".join(map(str, keys)))
            if first != ".".join(map(str, keys)):
                errors.append(FieldError(keys, f"the name '{name}' is taken by {first}"))
        if errors:
            raise GroupedFieldError(errors)
        return self

    def _kept_names(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        for dataset, source in self.datasets.items():
            for number, file in enumerate(source.files):
                keys = ("datasets", dataset, "files", number)
                yield keys, file.name
                if file.unpack:
                    yield (*keys, "unpack"), file.folder


def load_sources(path: Path) -> Sources:
    """Read a file of sources.

    Raises:
        ConfigError: Lists every mistake with its line.
    """
    return read_section(path, Sources, "sources")
