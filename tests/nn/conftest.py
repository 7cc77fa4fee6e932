"""Every shape that graphium.nn writes in a signature is checked while its tests run."""

import sys

from jaxtyping import install_import_hook

if "graphium.nn.network" not in sys.modules:  # another folder's tests may have imported it
    install_import_hook("graphium.nn", "beartype.beartype")
