"""Foresight distillation of causal video diffusion models; the top layer, built on ``probekit``."""
