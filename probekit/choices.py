"""Words of options, each list once: the command line, configurations and libraries read them here. Torch-free.

What a word means stands with the setting or function that takes it.
"""

from typing import Final, Literal

Precision = Literal["float32", "bfloat16"]
"""Number format of networks."""
Role = Literal["ar_teacher", "ode_student", "dmd_student"]
"""What a causal generator was trained to be, see `models.causal_card`."""
Layout = Literal["diffusers", "self-forcing"]
"""Layouts of weights that are written, see `models.weight_export`."""
Rotary = Literal["absolute", "re-indexed", "sink-beside-window"]
"""Positions of a stream's frames, see `models.context_policy`."""
Backend = Literal["free", "fast", "official"]
"""Scorers of VBench: formulas without weights, our networks too, or VBench's own modules."""
ScoringSuite = Literal["natural"]
"""Suites that score videos of any prompt, beside the one that a run is of."""
Backbone = Literal["pretrained", "random"]
"""Weights of LPIPS, see `evaluation.reference.lpips`."""
ClipRule = Literal["whole", "vbench-long"]
"""Which frames are scored together, see `evaluation.clips`."""
Weighting = Literal["prompt-mean", "video-mean", "frame-weighted"]
"""How videos are weighed into a dimension's mean, see `evaluation.weighting`."""
Resampling = Literal["paper", "joint", "two-level", "runs", "paired-runs"]
"""How a bootstrap resamples, see `statistics.bootstrap_settings`."""
OF_RUNS: Final[tuple[Resampling, ...]] = ("runs", "paired-runs")
"""Those that compare models by all of their training runs."""
IntervalKind = Literal["percentile", "basic", "bca", "studentised", "t"]
"""Kinds of confidence intervals, see `statistics.intervals`."""
Split = Literal["train", "validation", "test"]
"""Splits of the sprite world's data."""
