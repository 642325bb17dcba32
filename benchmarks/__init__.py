"""Measurements, one module each; a package, because fairscale installs another one of this name."""
