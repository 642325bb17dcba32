"""Kills every kind of work at many moments and looks whether one more command finishes it without a loss."""
