"""The natural suite, which is not VBench: networks whose weights come in installable packages, on any videos."""
