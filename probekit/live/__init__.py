"""Rollouts that are watched while they run."""
