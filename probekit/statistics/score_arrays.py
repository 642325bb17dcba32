"""A long score table as arrays: for each dimension of a method a row per prompt and a column per sample.

A video that is scored in clips counts with the mean of its scored clips, as in VBench-Long. Only scored values enter;
how many there were is reported by `coverage`, never assumed. Rows are sorted first, so their order changes nothing.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.choices import Weighting
from probekit.errors import UserError
from probekit.evaluation.weighting import prompt_sums
from probekit.run_folder.score_key import ScoreKey
from probekit.statistics.prompt_scores import Method, ScoreTable

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Codes = NDArray[np.int64]

_TEXTS: Final = ("model", "training_run", "suite", "horizon", "prompt_id", "dimension")


class DimensionScores(NamedTuple):
    """One method's scores of one dimension, P prompts by S samples.

    Attributes:
        prompt_ids: identifiers of the rows, sorted.
        samples: samples of the columns, sorted.
        values: (P, S) mean over a video's scored clips; NaN where it is absent or not scored.
        denominators: (P, S) what was counted in a video, summed over its scored clips; 1 for all videos where a scored
            one has none, since frames of some cannot be weighed against others counted whole.
        listed: (P, S) whether the table has a row of the video.
        complete: (P, S) whether all clips of the video are scored.
        extremes: lowest and highest score of any clip; None without one.
    """

    prompt_ids: tuple[str, ...]
    samples: tuple[int, ...]
    values: Floats
    denominators: Floats
    listed: Flags
    complete: Flags
    extremes: tuple[float, float] | None

    def prompt_means(self) -> dict[str, float | None]:
        """Mean of each prompt over its scored videos; None where none is scored."""
        sums, counts = prompt_sums(self.values, "prompt-mean")
        return {
            prompt: float(total) if count else None
            for prompt, total, count in zip(self.prompt_ids, sums, counts, strict=True)
        }

    def mean(self, weighting: Weighting, pooling: str) -> float | None:
        """Mean of the dimension; None without a scored video.

        Args:
            weighting: how videos are weighed.
            pooling: what the official score is the mean of, "frames" or "videos".
        """
        return prompt_sums(self.values, weighting, self.denominators if pooling == "frames" else None).mean()


MethodScores = Mapping[str, DimensionScores]
"""One method's scores by dimension."""


class ScoreColumns(NamedTuple):
    """The scores of a table, sorted by key, each key once.

    Attributes:
        labels: values of each text column, sorted.
        codes: place of each row's text among the labels, by column.
        sample: index of the sample.
        clip: index of the clip.
        value: NaN for null.
        denominator: NaN where there is none.
    """

    labels: Mapping[str, tuple[str, ...]]
    codes: Mapping[str, Codes]
    sample: Codes
    clip: Codes
    value: Floats
    denominator: Floats

    def found(self, column: str) -> list[str]:
        """Texts that occur in a column."""
        return [self.labels[column][code] for code in np.unique(self.codes[column])]

    def where(self, column: str, texts: Iterable[str]) -> "ScoreColumns":
        """The rows whose text in a column is one of these."""
        wanted = [code for code, label in enumerate(self.labels[column]) if label in set(texts)]
        return self._rows(np.isin(self.codes[column], wanted))

    def of_method(self, method: Method) -> dict[str, DimensionScores]:
        """One method's scores by dimension; `method.training_run` must be given."""
        own = self.where("model", [method.model]).where("training_run", [str(method.training_run)])
        return {name: _pivot(own.where("dimension", [name])) for name in own.found("dimension")}

    def key(self, row: int) -> ScoreKey:
        """The key of a row, for messages."""
        texts = {name: self.labels[name][self.codes[name][row]] for name in _TEXTS}
        return ScoreKey(**texts, sample=int(self.sample[row]), clip=int(self.clip[row]))

    def _rows(self, chosen: Flags | Codes) -> "ScoreColumns":
        codes = {name: column[chosen] for name, column in self.codes.items()}
        return ScoreColumns(
            self.labels, codes, self.sample[chosen], self.clip[chosen], self.value[chosen], self.denominator[chosen]
        )


def read_columns(table: ScoreTable) -> ScoreColumns:
    """Read the scores of a long table; a row that occurs twice with the same value counts once.

    Raises:
        UserError: A column is missing, a value is NaN without a reason or infinite, or two rows contradict each other.
    """
    for column in (*ScoreKey._fields, "value", "reason"):
        if column not in table:
            raise UserError(f"The score table has no column {column!r}.", "Read it with probekit's score table reader.")
    coded = {name: _coded(table[name]) for name in _TEXTS}
    value = np.array(table["value"], dtype=np.float64)
    counted = "denominator" in table
    denominator = np.array(table["denominator"], dtype=np.float64) if counted else np.full(len(value), np.nan)
    columns = ScoreColumns(
        {name: labels for name, (labels, _) in coded.items()},
        {name: codes for name, (_, codes) in coded.items()},
        np.array(table["sample"], dtype=np.int64),
        np.array(table["clip"], dtype=np.int64),
        value,
        denominator,
    )
    _check_values(columns, table["reason"])
    return _each_once(columns)


def _coded(column: Iterable[str]) -> tuple[tuple[str, ...], Codes]:
    """Sorted labels of a column, and the place of each row among them."""
    first: dict[str, int] = {}
    codes = np.array([first.setdefault(text, len(first)) for text in column], dtype=np.int64)
    labels = tuple(sorted(first))
    places = {label: place for place, label in enumerate(labels)}
    return labels, np.array([places[label] for label in first], dtype=np.int64)[codes]


def _check_values(columns: ScoreColumns, reasons: Iterable[object]) -> None:
    infinite = np.flatnonzero(np.isinf(columns.value))
    if infinite.size:
        raise UserError(f"{_place(columns.key(int(infinite[0])))} is infinite.", "Score that video again.")
    null = np.flatnonzero(np.isnan(columns.value))
    given = list(reasons) if null.size else []
    for row in null:
        if not isinstance(given[row], str):
            raise UserError(f"{_place(columns.key(int(row)))} has neither a value nor a reason.", "Score it again.")


def _each_once(columns: ScoreColumns) -> ScoreColumns:
    """Rows sorted by key, without repetitions."""
    names = [*columns.codes.values(), columns.sample, columns.clip]
    ordered = columns._rows(np.lexsort(names[::-1]))
    if not len(ordered.value):
        return ordered
    keys = np.stack([*ordered.codes.values(), ordered.sample, ordered.clip])
    again = np.concatenate([[False], (keys[:, 1:] == keys[:, :-1]).all(axis=0)])
    before = np.concatenate([ordered.value[:1], ordered.value[:-1]])
    other = again & (ordered.value != before) & ~(np.isnan(ordered.value) & np.isnan(before))
    if other.any():
        place = _place(ordered.key(int(np.flatnonzero(other)[0])))
        raise UserError(f"{place} has two different values.", "Keep the score file of one scoring run.")
    return ordered._rows(~again)


def _place(key: ScoreKey) -> str:
    of = f"Dimension {key.dimension!r}, prompt {key.prompt_id!r} of {key.model} ({key.training_run})"
    return f"{of}, sample {key.sample}, clip {key.clip}"


def _pivot(columns: ScoreColumns) -> DimensionScores:
    """Rows of one method and dimension, from clips to videos."""
    prompts, row = np.unique(columns.codes["prompt_id"], return_inverse=True)
    samples, column = np.unique(columns.sample, return_inverse=True)
    shape = len(prompts), len(samples)
    video = row * shape[1] + column
    scored = np.isfinite(columns.value)

    def sums(rows: Flags, weights: Floats | None = None) -> Floats:
        chosen = None if weights is None else weights[rows]
        counted = np.bincount(video[rows], weights=chosen, minlength=shape[0] * shape[1])
        return counted.astype(np.float64).reshape(shape)

    clips, of_all = sums(scored), sums(np.ones_like(scored))
    counted = bool(np.isfinite(columns.denominator[scored]).all())
    values = columns.value[scored]
    return DimensionScores(
        tuple(columns.labels["prompt_id"][code] for code in prompts),
        tuple(map(int, samples)),
        np.divide(sums(scored, columns.value), clips, out=np.full(shape, np.nan), where=clips > 0),
        sums(scored, columns.denominator) if counted else np.ones(shape),
        of_all > 0,
        (of_all > 0) & (clips == of_all),
        (float(values.min()), float(values.max())) if values.size else None,
    )
