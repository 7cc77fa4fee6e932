"""Matplotlib figures as SVG that can stand inside one HTML page.

Text stays text, in the page's own font; lines and letters take the page's colour, so that a figure
is readable on a light and on a dark page; ids are made unique, because two inline drawings with
the same id share clip paths and glyphs.
"""

import io
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType  # not in the oldest versions

BLUE, ORANGE, GREY = "#1B7FBD", "#E69F00", "#8A8F98"
"""After Okabe and Ito's palette, which colour-blind readers tell apart; the blue is a little
lighter so that it can be seen on a dark page."""

_INK = "#010203"  # stands for the page's own colour until the SVG is written
_STYLE: "dict[RcKeyType, str | float]" = {
    "svg.fonttype": "none",
    "svg.hashsalt": "graphium",  # the same figure has the same ids each time
    "text.parse_math": False,  # a label may hold a dollar sign
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.15,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "savefig.transparent": True,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.titlecolor": _INK,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "grid.color": _INK,
    "axes.formatter.useoffset": False,
}
_DPI = 130


def ink() -> str:
    """Return the colour that becomes the page's text colour."""
    return _INK


def log_axis(axes: Axes) -> None:
    """Make the horizontal axis logarithmic, its numbers as they are typed: 0.001, 1e-05."""
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def draw_figure(
    name: str, alt: str, size: tuple[float, float], paint: Callable[[Figure], None]
) -> Markup:
    """Return a figure as an ``<svg>`` element.

    Args:
        name: Unique on the page; letters, digits and hyphens.
        alt: What a reader who cannot see it should know.
        size: Width and height in inches.
        paint: Draws on an empty figure.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained", dpi=_DPI)
        FigureCanvasSVG(figure)
        paint(figure)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return embed_svg(out.getvalue(), name, alt)


def draw_panels(
    name: str,
    alt: str,
    panels: Sequence[Callable[[Axes], None]],
    *,
    columns: int = 3,
    size: tuple[float, float] = (3.1, 2.5),
    shared_legend: bool = False,
) -> Markup:
    """Return small multiples as one ``<svg>`` element, ``columns`` in a row.

    Args:
        name: Unique on the page; letters, digits and hyphens.
        alt: What a reader who cannot see it should know.
        panels: Each draws one.
        columns: Most panels of a row.
        size: Width and height of one, in inches.
        shared_legend: One legend above all of them, of the labels of any.
    """
    columns = max(1, min(columns, len(panels)))
    rows = -(-len(panels) // columns)

    def paint(figure: Figure) -> None:
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, panel in zip(grid, panels, strict=False):
            panel(axes)
        for axes in grid[len(panels) :]:
            axes.set_visible(False)
        if shared_legend:
            _add_legend(figure, grid)

    return draw_figure(name, alt, (size[0] * columns, size[1] * rows), paint)


def _add_legend(figure: Figure, grid: Iterable[Axes]) -> None:
    """Name what the panels have in common, above them."""
    handles: dict[str, Artist] = {}
    for axes in grid:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    columns = max(1, min(len(handles), int(figure.get_figwidth() // 1.8)))
    figure.legend(handles.values(), handles.keys(), loc="outside upper left", ncols=columns)


def embed_svg(svg: str, name: str, alt: str) -> Markup:
    """Return the ``<svg>`` element of an SVG document, ready to stand in a page.

    Args:
        svg: The document; only our own drawings, it is not escaped.
        name: Prefix of every id.
        alt: Text for readers who cannot see it.
    """
    start = svg.index("<svg")
    body = re.sub(r"<metadata>.*?</metadata>", "", svg[start:], flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", body)
    body = body.replace(_INK, "currentColor")
    body = re.sub(r"\n\s*", "\n", body).rstrip()
    label = Markup('<svg role="img" aria-label="{}"').format(alt)
    return Markup(body.replace("<svg", label, 1))  # noqa: S704  # our own drawing, alt escaped
