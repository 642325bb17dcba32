"""Scoring a video set: which scorers a suite has, in what order, by how many workers."""
