"""Samplers and rollouts."""
