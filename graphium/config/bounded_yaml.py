"""PyYAML's composer, all scalars text, which stops where a text holds more than may be."""

import yaml

from graphium.config.mistakes import Place
from graphium.config.unreadable import refuse_excess


class BoundedLoader(yaml.SafeLoader):
    """Leaves every scalar text; ``yaml_nodes.scalar`` says what it means.

    Args:
        text: The YAML.
        source: Where it comes from, for messages.
    """

    yaml_implicit_resolvers = {}

    def __init__(self, text: str, source: str) -> None:
        super().__init__(text)
        self._source = source
        self._count = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose a node, and no more than may be: the end of the text may be far.

        Raises:
            UnreadableError: There are too many.
        """
        self._count += 1
        refuse_excess(self._count, 0, Place(self._source, self.line + 1))
        node: yaml.Node | None = super().compose_node(parent, index)
        return node
