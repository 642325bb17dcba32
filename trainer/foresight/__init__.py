"""Foresight distillation (Video-Mirai, arXiv 2606.03971): a plug-in that no stage imports unless a recipe asks."""

import probekit.models  # noqa: F401  (makes diffusers importable beside a CPU build of torch)
