"""What a suite plans, in lines for a reader."""

from collections import Counter
from collections.abc import Iterator

from probekit.suites.registry import constants_of, planned_dimensions
from probekit.suites.suite import Suite


def plan_lines(suite: Suite) -> Iterator[str]:
    """Prompts, videos, size, texts, and how many videos each dimension is scored on."""
    keys = suite.keys()
    samples = sorted({suite.samples_of(prompt.prompt_id) for prompt in suite.prompts})
    texts = len({prompt.text for prompt in suite.prompts})
    card = suite.card()
    yield f"suite        {suite.name}, horizon {suite.horizon}"
    yield f"prompts      {len(suite.prompts)} of {texts} different texts, hash {card.file_hash[:12]}"
    yield f"videos       {len(keys)}, {' or '.join(map(str, samples))} of each prompt"
    yield f"each         {suite.frames} frames of {suite.height}x{suite.width}, {suite.fps} a second"
    yield f"texts        generated from {suite.generation_variant}, scored by {suite.scoring_variant}"
    dimensions = [constant.dimension for constant in constants_of(suite.name)]
    counts: Counter[str] = Counter()
    for key in keys:
        planned = planned_dimensions(suite.name, key.prompt_id)
        counts.update(dimensions if planned is None else planned)
    yield f"scores       {counts.total()} of videos in {sum(counts[name] > 0 for name in dimensions)} dimensions"
    for name in dimensions:
        if counts[name]:
            yield f"  {name:23} {counts[name]} videos"
