"""The parent of every section of an experiment, and the type of options that name files."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict

NAMES_FILE = "names a file"
"""Mark of an option in whose value ``$VARIABLES`` and ``~`` are expanded."""

FileName = Annotated[str, NAMES_FILE]
"""A file or folder; in YAML and on the command line, ``$VARIABLES`` and ``~`` are expanded."""


class Section(BaseModel):
    """One block of the YAML: frozen, unknown keys refused, field docstrings are the manual."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
