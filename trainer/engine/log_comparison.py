"""Two training logs, step by step: is this still the training that it was."""

import math
from pathlib import Path
from typing import Final

from probekit.errors import UserError
from probekit.user_files.json_files import read_json_lines

_OF_THE_MACHINE: Final = frozenset({"seconds", "processor_seconds", "tokens_per_second", "peak_memory_mib"})
_ABSOLUTE: Final = 1e-6
"""Numbers this close agree, such as cosines around zero; rates are that small by themselves."""

Records = dict[tuple[int, str], float]


def read_log(path: Path) -> Records:
    """Numbers of a `metrics.jsonl` by step and name, without those that belong to the machine.

    Raises:
        UserError: if there is no such file, or a line is not a record.
    """
    file = path / "metrics.jsonl" if path.is_dir() else path
    records: Records = {}
    lines = read_json_lines(file, what="training log", fix="Give a run folder or its metrics.jsonl.")
    for number, values in lines:
        if not ("step" in values and all(isinstance(value, int | float) for value in values.values())):
            raise UserError(f"{file}, line {number} is not a record.", "Delete the line.")
        step = int(values.pop("step"))
        records |= {(step, name): float(value) for name, value in values.items() if name not in _OF_THE_MACHINE}
    return records


def compare_logs(ours: Path, reference: Path, tolerance: float) -> str | None:
    """The first difference, by step and then by name; None if there is none.

    Raises:
        UserError: if a log cannot be read.
    """
    left, right = read_log(ours), read_log(reference)
    for key in sorted(left.keys() | right.keys()):
        step, name = key
        if key not in left or key not in right:
            missing = ours if key not in left else reference
            return f"step {step}: {name} is not in {missing}"
        absolute = 0.0 if name.endswith("learning_rate") else _ABSOLUTE
        if not math.isclose(left[key], right[key], rel_tol=tolerance, abs_tol=absolute):
            return f"step {step}: {name} is {left[key]:.6g}, the reference says {right[key]:.6g}"
    return None
