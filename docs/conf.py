"""The documentation site; ``make docs`` builds it, and a warning is an error."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import generate  # noqa: E402  # found beside this file only after the line above

import graphium  # noqa: E402  # after generate, whose path comes first

generate.write_pages(HERE / "reference" / "generated")

project = "graphium"
author = "The graphium authors"
copyright = "The graphium authors, Apache-2.0"
version = release = graphium.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "reference/generated"]  # included by other pages
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # generated tables begin at the level where they are included

autodoc_typehints = "none"  # docstrings give shapes and units; long array types hide them
autodoc_member_order = "bysource"
nitpick_ignore_regex = [(r"py:exc", ".*")]  # errors are named as they are raised, without module

html_theme = "furo"
html_title = f"graphium {graphium.__version__}"
html_show_sourcelink = False
