"""Evaluation and interpretability of causal video diffusion models.

The package never imports ``trainer``. Importing it loads nothing heavy: each sub-package is imported where it is used.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
