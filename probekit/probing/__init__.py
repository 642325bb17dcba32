"""Probes: what a frozen model's hidden state and its readouts tell about frames that are not generated yet."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
