"""Everything that a GPU must show, in one command: `python -m benchmarks.gpu --minutes 25 --out DIR`."""
