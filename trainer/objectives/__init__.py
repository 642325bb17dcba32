"""Losses, as pure functions."""

import probekit.models  # noqa: F401  (makes diffusers importable beside a CPU build of torch)
