"""Seeds that a careless reduction of their numbers would take for one."""

from itertools import count

from probekit.seeding import counter_seed


def seeds_alike(name: str) -> tuple[int, int]:
    """Two seeds whose numbers under a name share their highest bit and their rest by 126."""
    seen: dict[tuple[int, int], int] = {}
    for seed in count():
        number = counter_seed(name, seed)
        other = seen.setdefault((number >> 63, number % 126), seed)
        if other != seed:
            return other, seed
    raise AssertionError
