"""Foresight distillation of causal video diffusion models; the top layer, built on ``probekit``."""

import probekit  # noqa: F401  (its finder lets torchvision load beside a CPU build of torch)
