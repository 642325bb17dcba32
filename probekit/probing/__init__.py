"""Probes: what a frozen model's hidden state and its readouts tell about frames that are not generated yet."""
