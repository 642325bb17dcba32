"""Evaluation and interpretability of causal video diffusion models.

The package never imports ``trainer``. Importing it loads nothing heavy: each sub-package is imported where it is used.
"""

from probekit.torchvision_operators import install_torchvision_finder

__version__ = "0.2.0"

__all__ = ["__version__"]

install_torchvision_finder()
