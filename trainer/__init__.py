"""Foresight distillation of causal video diffusion models; the top layer, built on ``probekit``."""

from probekit import __version__

__all__ = ["__version__"]
