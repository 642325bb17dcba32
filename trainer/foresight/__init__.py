"""Foresight distillation (Video-Mirai, arXiv 2606.03971): a plug-in that no stage imports unless a recipe asks."""
