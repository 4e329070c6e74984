"""How Sphinx builds these pages: `make docs`. Nothing is fetched, and every warning is an error."""

import sys
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_extensions"), str(HERE.parent), str(HERE.parent / "cli")]

project = "bnnpost"
author = "The bnnpost authors"
project_copyright = "The bnnpost authors, Apache-2.0"
release = metadata.version("bnnpost")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinxcontrib.bibtex",
    "command_reference",
    "configuration_keys",
    "drawn_formulae",
    "plain_docstrings",
]
exclude_patterns = ["_extensions", "README.md"]
language = "en_GB"

myst_enable_extensions = ["amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# Docstrings are plain prose in which `single backticks` are code.
smartquotes = False
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autosummary_generate = False
add_module_names = False
maximum_signature_line_length = 80
python_display_short_literal_types = True

bibtex_bibfiles = ["bibliography.bib"]
bibtex_default_style = "plain"
bibtex_reference_style = "author_year"

nitpicky = True
# Types of other packages, whose inventories would have to be fetched.
nitpick_ignore_regex = [
    (r"py:.*", r"(jax|jaxlib|jaxtyping|matplotlib|numpy|xarray|xr)\..*"),
    (r"py:.*", r"(collections|concurrent|os|pathlib)\..*"),
    (r"py:class", r"(Array|Axes|ndarray|Figure|LinearStep)"),
    # Classes of the inner workings, named in signatures alone.
    (r"py:class", r"bnnpost(\.\w+){2,3}\.[A-Z]\w*"),
]

html_theme = "furo"
html_title = "bnnpost"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {"navigation_with_keys": True}
html_show_sourcelink = False
html_copy_source = False
html_math_renderer = "drawn"
copybutton_exclude = ".linenos, .gp, .go"
