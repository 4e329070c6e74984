"""Formulae drawn by matplotlib as SVG: no script, and no font, need be fetched to read them."""

from typing import Any
from xml.sax.saxutils import quoteattr

from docutils import nodes
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.textpath import TextPath, text_to_path
from sphinx.application import Sphinx
from sphinx.util import logging

_LOGGER = logging.getLogger(__name__)
_SIZE = 100.0
# Of a formula's letters, in those of the text around it.
_EM = 1.06
_COMMANDS = {
    Path.MOVETO: "M",
    Path.LINETO: "L",
    Path.CURVE3: "Q",
    Path.CURVE4: "C",
    Path.CLOSEPOLY: "Z",
}


def _svg(formula: str) -> str:
    """A formula whose baseline is that of the text around it, in the text's colour."""
    text, font = f"${formula}$", FontProperties(size=_SIZE, math_fontfamily="cm")
    width, height, depth = text_to_path.get_text_width_height_descent(text, font, ismath=True)
    edge = 0.02 * _SIZE
    em = _EM / _SIZE
    size = {
        "viewBox": f"{-edge:.1f} {-height + depth - edge:.1f} "
        f"{width + 2 * edge:.1f} {height + 2 * edge:.1f}",
        "style": f"width:{(width + 2 * edge) * em:.3f}em;"
        f"vertical-align:{-(depth + edge) * em:.3f}em",
        "aria-label": formula,
    }
    attributes = " ".join(f"{name}={quoteattr(value)}" for name, value in size.items())
    outline = _outline(TextPath((0, 0), text, prop=font))
    return f'<svg class="formula" role="img" {attributes}><path d="{outline}"/></svg>'


def _outline(path: Path) -> str:
    parts = []
    for points, code in path.iter_segments(simplify=False):
        flipped = [f"{-v if i % 2 else v:.1f}" for i, v in enumerate(points)]
        parts.append("Z" if code == Path.CLOSEPOLY else _COMMANDS[code] + " ".join(flipped))
    return "".join(parts)


def _drawn(node: nodes.Element, displayed: bool = False) -> str:
    formula = " ".join(node.astext().split())
    if displayed:
        formula = formula.replace(r"\frac", r"\dfrac")
    try:
        return _svg(formula)
    except ValueError as error:
        _LOGGER.warning("cannot draw %r: %s", formula, error, location=node, type="formulae")
        return formula


def _inline(self: Any, node: nodes.math) -> None:
    self.body.append(_drawn(node))
    raise nodes.SkipNode


def _displayed(self: Any, node: nodes.math_block) -> None:
    self.body.append(f'<div class="displayed-formula">{_drawn(node, displayed=True)}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer under the name `drawn`."""
    app.add_html_math_renderer(
        "drawn", inline_renderers=(_inline, None), block_renderers=(_displayed, None)
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}
