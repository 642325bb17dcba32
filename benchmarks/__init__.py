"""Measurements, one module each; a package, because fairscale installs another one of this name."""

import probekit  # noqa: F401  (its finder lets torchvision load beside a CPU build of torch)
