"""Formulas of diffusion and flow matching, as pure functions."""
