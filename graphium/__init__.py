"""Train multi-task foundation models on molecules, from tables of SMILES to a model's report."""

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "load_config": ("graphium.config.load", "load_config"),
    "prepare": ("graphium.store.prepare", "prepare_experiment"),
    "train": ("graphium.training.run", "train"),
    "load_model": ("graphium.apply.model", "load_model"),
}
"""Public name -> (module, name in it). Named in text only: an import statement, even one for the
type checker alone, would let every layer reach every other through this module."""


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562), so that importing graphium costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'graphium' has no attribute '{name}'")
    module, attribute = _HOMES[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    """List the public names."""
    return ["__version__", *_HOMES]
