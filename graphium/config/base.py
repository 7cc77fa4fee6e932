"""The parent of every section of an experiment."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """One block of the YAML: frozen, unknown keys refused, field docstrings are the manual."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
