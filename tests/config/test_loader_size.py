"""The loader of experiments stays small: it is read by everyone who asks what the YAML means."""

import ast
import io
import tokenize
from pathlib import Path

CONFIG = Path(__file__).parents[2] / "graphium" / "config"
LOADER = ("yaml_nodes.py", "compose.py", "load.py")
"""From YAML and ``key=value`` to a valid experiment with origins; wording and schema are apart."""
MOST_LINES = 250
NO_CODE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
    tokenize.ENDMARKER,
}  # fmt: skip


def lines_of_code(source: str) -> int:
    """Count the lines that hold code: no blank lines, comments or docstrings."""
    code = {
        line
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in NO_CODE
        for line in range(token.start[0], token.end[0] + 1)
    }
    documentation = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    return len(code - documentation)


def test_the_loader_has_fewer_than_250_lines_of_code():
    counts = {name: lines_of_code((CONFIG / name).read_text()) for name in LOADER}
    assert 0 < sum(counts.values()) < MOST_LINES, counts


def test_only_lines_with_code_are_counted():
    documented = '"""Two\nlines."""\n\n# a comment\ny = (\n    1,\n)\n"""Of y."""\n'
    assert lines_of_code(documented) == 3
    assert lines_of_code('x = """text\nof two lines"""  # kept\n') == 2
