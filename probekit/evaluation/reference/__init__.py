"""Metrics that compare a video with a reference video."""
