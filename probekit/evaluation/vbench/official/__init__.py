"""VBench's own modules behind this toolkit's scorers: one video at a time, here or in an environment of their own.

What `worker` imports runs in that other environment too, so those modules import nothing but the standard library,
torch, VBench's own imports and other modules of this kind: `dimensions`, `inputs`, `repairs`, `sessions`, `detectors`.
"""
