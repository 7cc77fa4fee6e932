"""``checksums.lock.json``: what each downloaded file was the first time, and must be ever after."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from graphium.download.partial import write_durable
from graphium.errors import DownloadError

LOCK = "checksums.lock.json"
"""Name of the file, beside the downloads."""

_Digest = Field(pattern="^[0-9a-f]{64}$")


class Content(BaseModel):
    """What a file holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int
    """Bytes."""
    sha256: str = _Digest
    """In hex."""


class Pin(Content):
    """A downloaded file."""

    url: str
    """Where it came from, or would have."""
    members: dict[str, Content] | None = None
    """What an unpacked archive holds, by path."""


class _Lock(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = Field(default=1, ge=1, le=1)
    files: dict[str, Pin] = Field(default_factory=dict)


class Pins:
    """The pinned files of one folder.

    Args:
        folder: Where the downloads are.

    Raises:
        DownloadError: If the file of the pins is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            self._files: dict[str, Pin] = {}
            return
        try:
            self._files = dict(_Lock.model_validate_json(text).files)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            raise DownloadError(
                f"{self.path} is damaged ({where}: {first['msg']}). Restore it; or remove it, and "
                "the files that are there are pinned as they are now."
            ) from error

    def get(self, name: str) -> Pin | None:
        """Return what a file was the first time; None before that."""
        return self._files.get(name)

    def put(self, name: str, pin: Pin) -> None:
        """Pin a file, durably."""
        self._files[name] = pin
        lock = _Lock(files=dict(sorted(self._files.items())))
        content = lock.model_dump_json(indent=1, exclude_none=True) + "\n"
        write_durable(self.path, content.encode())
