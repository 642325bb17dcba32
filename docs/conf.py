"""The documentation as a site: `make docs` builds it with Sphinx and takes every warning for an error.

The source is the whole checkout, so that a link means the same in the site, on a code host and in an editor.
"""

project = "probekit + trainer"
author = "the authors"
extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = ["*.md", "docs/*.md", "reports/*.md", "reports/**/*.md"]
exclude_patterns = [
    ".*", "**/.*", "build", "dist", "runs", "demo", "tests", "probekit", "trainer", "benchmarks",
    "reports/sprite/probing/*/**",  # long tables that no page links
]  # fmt: skip
# Tables of reports are reached by the pages that link them; a test has every page of docs/ in the navigation.
suppress_warnings = ["toc.not_included"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "probekit + trainer"
html_extra_path = ["site"]
html_copy_source = False
html_show_sphinx = False
