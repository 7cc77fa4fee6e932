"""What message-passing layers know of the bonds of a batch."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Bonds:
    """E directed bonds; W distinct ones (or all B, where single bonds have values of their own)."""

    index: Int[Tensor, "2 E"]
    """Source and target atom."""
    code: Int[Tensor, " E"]
    """Row of ``table``."""
    table: Float[Tensor, "W C_bond"] | None
    """Encoded distinct bonds; None where the trunk does not read them."""
