"""Formulae as MathML, which browsers draw themselves: no script, and no font from the network."""

from typing import Any

from docutils import nodes
from docutils.utils.math import latex2mathml
from sphinx.application import Sphinx
from sphinx.util.math import wrap_displaymath


def _markup(formula: str, as_block: bool) -> str:
    return latex2mathml.tex2mathml(formula, as_block=as_block)


def _inline(self: Any, node: nodes.math) -> None:
    self.body.append(_markup(node.astext(), as_block=False))
    raise nodes.SkipNode


def _displayed(self: Any, node: nodes.math_block) -> None:
    formula = node.astext()
    if r"\\" in formula:
        formula = wrap_displaymath(formula, None, False)
    self.body.append(self.starttag(node, "div", CLASS="math"))
    self.body.append(_markup(formula, as_block=True))
    self.body.append("</div>")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer under the name `mathml`."""
    app.add_html_math_renderer(
        "mathml", inline_renderers=(_inline, None), block_renderers=(_displayed, None)
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}
