"""Settings of the documentation site; CONTRIBUTING.md has the command that builds it."""

import inspect
import os

from sphinx_gallery.sorting import ExplicitOrder

import skae
import skae.architectures
import skae.losses

MODULES = skae, skae.losses, skae.architectures


def is_public(kind):
    """Say whether a class has a page of its own."""
    return any(getattr(module, kind.__name__, None) is kind for module in MODULES)


def own_members(kind):
    """Return what the page of a class shows in full, and what it names with its origin."""
    own = {"methods": [], "properties": [], "inherited": {}, "sklearn": []}
    for member in sorted(dir(kind)):
        value = inspect.getattr_static(kind, member)
        if member.startswith("_") or not hasattr(value, "__get__"):
            continue
        home = next(base for base in kind.__mro__ if member in vars(base))
        if not home.__module__.startswith("skae") or "request" in member:
            own["sklearn"].append(member)
        elif home is not kind and not home.__name__.startswith("_") and is_public(home):
            own["inherited"].setdefault(home.__name__, []).append(member)
        else:
            own["properties" if isinstance(value, property) else "methods"].append(member)
    return own


project = "skae"
author = "The skae developers"
copyright = "The skae developers"
version = release = skae.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "README.md", "auto_examples/*.ipynb"]
templates_path = ["_templates"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

# Links to other libraries need their inventories from the network: SKAE_DOCS_LINKS=1 fetches
# them, as the published site does. Without them those names are plain text.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(jax|matplotlib|numpy|optax|pandas|sklearn|skl2onnx)\..*")]
intersphinx_mapping = {
    "matplotlib": ("https://matplotlib.org/stable/", None),
    "numpy": ("https://numpy.org/doc/stable/", None),
    "sklearn": ("https://scikit-learn.org/stable/", None),
}
if os.environ.get("SKAE_DOCS_LINKS", "0") != "1":
    intersphinx_mapping = {}

default_role = "literal"  # as in scikit-learn's docstrings
autodoc_typehints = "none"
autosummary_generate = True
autosummary_context = {
    "own": {
        f"{module.__name__}.{name}": own_members(getattr(module, name))
        for module in MODULES
        for name in module.__all__
        if inspect.isclass(getattr(module, name))
    }
}
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = f"skae {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "logo": {"text": f"skae {version}"},
    "header_links_before_dropdown": 6,
    "navbar_align": "left",
    "secondary_sidebar_items": ["page-toc"],
    "footer_end": [],
}
html_show_sourcelink = False
ALONE = "get_started", "how_it_works", "results", "speed", "changelog", "upgrading"
html_sidebars = {page: [] for page in ALONE}  # they have no pages below them
toc_object_entries_show_parents = "hide"

EXAMPLES = (  # in the order of the gallery
    *("csv_file", "beside_pca", "digits", "choosing_k", "grid_search"),
    *("training_curves", "codes", "traversals_and_loadings", "sparse_codes"),
    *("missing_values", "outliers", "denoising", "sampling"),
    *("images", "series", "forecast", "audio", "text", "mixed_table", "two_modalities"),
    *("large_data", "save_and_deploy"),
)
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"plot_.*\.py",
    "ignore_pattern": r"several_processes\.py",  # it draws nothing
    "within_subsection_order": ExplicitOrder([*(f"plot_{name}.py" for name in EXAMPLES), "*"]),
    "backreferences_dir": "api/generated/examples",
    "doc_module": ("skae",),
    "capture_repr": (),  # examples print what they show
    "image_srcset": ["2x"],
    "remove_config_comments": True,
    "show_signature": False,
    "write_computation_times": False,
    "only_warn_on_example_error": False,  # an example that fails ends the build with an error
    "plot_gallery": os.environ.get("SKAE_DOCS_GALLERY", "1") == "1",
}
