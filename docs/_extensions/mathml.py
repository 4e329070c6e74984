"""Formulae as MathML, which browsers draw themselves: no script, and no font from the network."""

from typing import Any

from docutils import nodes
from docutils.utils.math import MathError, latex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging

_LOGGER = logging.getLogger(__name__)


def _markup(node: nodes.Element, as_block: bool) -> str:
    formula = node.astext()
    try:
        return latex2mathml.tex2mathml(formula, as_block=as_block)
    except (MathError, SyntaxError, ValueError) as error:
        _LOGGER.warning("no MathML for %r: %s", formula, error, location=node, type="mathml")
        return formula


def _inline(self: Any, node: nodes.math) -> None:
    self.body.append(_markup(node, as_block=False))
    raise nodes.SkipNode


def _displayed(self: Any, node: nodes.math_block) -> None:
    self.body.append(self.starttag(node, "div", CLASS="math"))
    self.body.append(_markup(node, as_block=True))
    self.body.append("</div>")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer under the name `mathml`."""
    app.add_html_math_renderer(
        "mathml", inline_renderers=(_inline, None), block_renderers=(_displayed, None)
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}
