"""Defects of long rollouts, each by one statistic and one threshold: five from pixels alone, and cuts from a network.

| detector | statistic | fires at |
| --- | --- | --- |
| freeze | longest stretch, in s, in which no block mean changes by more than 1 grey level from frame to frame | 1 s |
| loop | how often a stretch of at least 1 s is played one after the other, up to 25 % of the usual frame distance | 2 |
| strobe | longest stretch, in s, in which block luma jumps away and back by 16 grey levels on average | 1 s |
| chunk flicker | median change into a chunk's first frame / largest median change elsewhere in the chunk | 1.25 |
| drift | largest change along a steady trend of brightness, contrast, saturation or a colour, in grey levels | 12 |
| cut | number of times that one shot ends and another begins | 1 |

The thresholds were set on sprite videos and are not tuned on any model. A detector describes pixels: a picture in which
nothing has to move is a freeze, a pendulum is a loop, and a sunset is a drift.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.evaluation.long_horizon.curves import per_second
from probekit.evaluation.long_horizon.distances import block_distances
from probekit.evaluation.long_horizon.frame_statistics import FrameStatistics

Floats = NDArray[np.float64]

STILL_LEVELS: Final = 1.0
FREEZE_SECONDS: Final = 1.0
LOOP_PLAYS: Final = 2.0
LOOP_CLOSENESS: Final = 0.25
_LOOP_MOTION: Final = 0.75
_SHORTEST_PERIOD: Final = 1.0
LOOP_BLUR_SECONDS: Final = 0.5
STROBE_LEVELS: Final = 16.0
STROBE_SECONDS: Final = 1.0
SEAM_RATIO: Final = 1.25
SEAM_FLOOR: Final = 0.5
"""Grey levels added to both sides of the ratio, so that noise in still videos is no flicker."""
_FEWEST_SEAMS: Final = 3
DRIFT_LEVELS: Final = 12.0
DRIFT_STEADINESS: Final = 0.6
DRIFT_STEADINESS_OF_HALF: Final = 0.3
DRIFT_SECONDS: Final = 10
CUTS: Final = 1.0
DRIFTING: Final = ("brightness", "contrast", "saturation", "red", "green", "blue")


class Detection(NamedTuple):
    """What one detector says of one video.

    Attributes:
        detector: its name.
        fired: the statistic reaches the threshold.
        statistic: None where the video is too short to say.
        threshold: threshold as in the module's table.
        unit: unit of both.
        where: what the statistic was found at, in words; or why there is none.
    """

    detector: str
    fired: bool
    statistic: float | None
    threshold: float
    unit: str
    where: str


class _Stretch(NamedTuple):
    """Frames start … stop-1."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        return self.stop - self.start


def detect_all(statistics: FrameStatistics, chunk_frames: int) -> tuple[Detection, ...]:
    """The five detectors that need pixels alone; `chunk_frames` in latent frames."""
    return (
        detect_freeze(statistics.largest_change, statistics.fps),
        detect_loop(statistics.blocks, statistics.fps),
        detect_strobe(statistics.curves["flicker"], statistics.fps),
        detect_chunk_flicker(statistics.curves["pixel_change"], chunk_frames),
        detect_drift(statistics.curves, statistics.fps),
    )


def detect_freeze(largest_change: Floats, fps: float) -> Detection:
    """Longest stretch of neighbouring frames without a block that changes by more than `STILL_LEVELS`.

    Args:
        largest_change: (T-1,) largest change of a block mean, in grey levels.
        fps: frames per second.
    """
    still = _longest_run(largest_change <= STILL_LEVELS)
    seconds = still.length / fps
    where = _span(still, fps) if still.length else "every frame moves"
    return _detection("freeze", seconds, FREEZE_SECONDS, "s", where)


def detect_loop(blocks: NDArray[np.float32], fps: float) -> Detection:
    """How often the most repeated stretch is played.

    Frames are averaged over half a second first: what comes again faster than that is a strobe and not a loop.

    For each lag of at least 1 s: the longest run of frames whose distance to the frame one lag later is at most
    `LOOP_CLOSENESS` of the usual distance (median over pairs 1 s or more apart). A run of r frames at lag L is a
    stretch played 1 + r / L times. Runs that hardly move within themselves are stillness, not a loop.

    Args:
        blocks: (T, h, w, 3) block means, in grey levels.
        fps: frames per second.
    """
    shortest = max(1, round(_SHORTEST_PERIOD * fps))
    window = max(1, round(LOOP_BLUR_SECONDS * fps))
    distances = block_distances(moving_mean(blocks, window))
    n_frames = len(distances)
    if n_frames < 2 * shortest:
        return Detection("loop", False, None, LOOP_PLAYS, "plays", f"shorter than {2 * _SHORTEST_PERIOD:g} s")
    usual = float(np.median(distances[np.triu_indices(n_frames, shortest)]))
    plays, where = 1.0, "no stretch comes again"
    if usual < STILL_LEVELS:
        return _detection("loop", plays, LOOP_PLAYS, "plays", "nothing moves")
    for lag in range(shortest, n_frames):
        run = _longest_run(np.diagonal(distances, lag) <= LOOP_CLOSENESS * usual)
        frames = _Stretch(run.start, run.stop + window - 1)
        if 1.0 + frames.length / lag > plays and _moves(distances, run, usual):
            plays = 1.0 + frames.length / lag
            where = f"{_span(frames, fps)} comes again {lag / fps:.2f} s later"
    return _detection("loop", plays, LOOP_PLAYS, "plays", where)


def detect_strobe(flicker: Floats, fps: float) -> Detection:
    """Longest stretch in which flicker, averaged over half a second, is at least `STROBE_LEVELS`.

    Args:
        flicker: (T-2,) mean over blocks of |m(t) - (m(t-1) + m(t+1)) / 2|, in grey levels.
        fps: frames per second.
    """
    stretch = _longest_run(moving_mean(flicker, round(LOOP_BLUR_SECONDS * fps)) >= STROBE_LEVELS)
    where = _span(stretch, fps) if stretch.length else f"flicker stays below {STROBE_LEVELS:g} levels"
    return _detection("strobe", stretch.length / fps, STROBE_SECONDS, "s", where)


def moving_mean(values: NDArray[Any], window: int) -> Floats:
    """Mean over `window` neighbours along the first axis, without the ends: (T - window + 1, ...)."""
    if window < 2 or len(values) < window:
        return values.astype(np.float64)
    sums = np.cumsum(values, axis=0, dtype=np.float64)
    sums = np.concatenate([np.zeros_like(sums[:1]), sums])
    means: Floats = (sums[window:] - sums[:-window]) / window
    return means


def detect_chunk_flicker(change: Floats, chunk_frames: int, stride: int = 4) -> Detection:
    """Change into the first frame of a chunk, against the place in the chunk with the largest other change.

    The change out of the first frame is left out: a flash of one frame goes back there.

    Args:
        change: (T-1,) mean pixel change from frame t to t+1, in grey levels.
        chunk_frames: latent frames made together.
        stride: RGB frames of each latent frame but the first, which gives one (Wan2.1's codec).
    """
    starts = chunk_starts(len(change) + 1, chunk_frames, stride)
    period = chunk_frames * stride
    if len(starts) < _FEWEST_SEAMS:
        return Detection("chunk flicker", False, None, SEAM_RATIO, "ratio", f"fewer than {_FEWEST_SEAMS} chunk borders")
    place = (np.arange(1, len(change) + 1) - starts[0]) % period
    medians = np.array([np.median(change[place == p]) for p in range(period)])
    others = int(medians[2:].argmax()) + 2
    ratio = (medians[0] + SEAM_FLOOR) / (medians[others] + SEAM_FLOOR)
    where = f"{medians[0]:.2f} levels at {len(starts)} borders, {medians[others]:.2f} at frame {others} of a chunk"
    return _detection("chunk flicker", float(ratio), SEAM_RATIO, "ratio", where)


def chunk_starts(n_frames: int, chunk_frames: int, stride: int = 4) -> NDArray[np.int64]:
    """First RGB frame of every chunk but the first: 1 + stride (k chunk_frames - 1) for k = 1, 2, ..."""
    first = 1 + stride * (chunk_frames - 1)
    return np.arange(first, n_frames, stride * chunk_frames, dtype=np.int64)


def detect_drift(curves: Mapping[str, Floats], fps: float) -> Detection:
    """Largest change of a quantity that moves steadily one way.

    On the means of each second: the Theil-Sen slope (median of the slopes between every two seconds) times the
    duration, where Kendall's tau with time is at least `DRIFT_STEADINESS`, either way, and at least
    `DRIFT_STEADINESS_OF_HALF` the same way in either half, so that a single change of the scene is no drift.

    Args:
        curves: (T,) by name, with those of `DRIFTING`.
        fps: frames per second.
    """
    found, where = 0.0, "nothing moves steadily one way"
    for name in DRIFTING:
        seconds = per_second(curves[name], fps)
        if len(seconds) < DRIFT_SECONDS:
            return Detection("drift", False, None, DRIFT_LEVELS, "grey levels", f"shorter than {DRIFT_SECONDS} s")
        change, steadiness = trend(seconds)
        if _steady(seconds, steadiness) and abs(change) > found:
            found, where = abs(change), f"{name} {change:+.1f} levels, tau {steadiness:+.2f}"
    return _detection("drift", found, DRIFT_LEVELS, "grey levels", where)


def detect_cut(last_frames: Sequence[int], fps: float) -> Detection:
    """Number of cuts, which a rollout in one shot has none of.

    Args:
        last_frames: index of the last frame of every shot but the last.
        fps: frames per second.
    """
    times = ", ".join(f"{(frame + 1) / fps:.2f}" for frame in last_frames)
    return _detection("cut", float(len(last_frames)), CUTS, "cuts", f"at {times} s" if last_frames else "one shot")


def trend(values: Floats) -> tuple[float, float]:
    """Change over the whole series by the Theil-Sen slope, and Kendall's tau with time."""
    earlier, later = np.triu_indices(len(values), 1)
    steps = values[later] - values[earlier]
    slope = np.median(steps / (later - earlier))
    return float(slope * (len(values) - 1)), float(np.sign(steps).mean())


def _steady(seconds: Floats, steadiness: float) -> bool:
    half = (len(seconds) + 1) // 2
    halves = [trend(part)[1] * np.sign(steadiness) for part in (seconds[:half], seconds[-half:])]
    return abs(steadiness) >= DRIFT_STEADINESS and min(halves) >= DRIFT_STEADINESS_OF_HALF


def _detection(name: str, statistic: float, threshold: float, unit: str, where: str) -> Detection:
    return Detection(name, statistic >= threshold, statistic, threshold, unit, where)


def _longest_run(mask: NDArray[np.bool_]) -> _Stretch:
    """The first of the longest stretches of True."""
    edges = np.diff(np.concatenate([[0], mask.astype(np.int8), [0]]))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    if not len(starts):
        return _Stretch(0, 0)
    longest = int((stops - starts).argmax())
    return _Stretch(int(starts[longest]), int(stops[longest]))


def _moves(distances: Floats, run: _Stretch, usual: float) -> bool:
    return run.length > 0 and bool(distances[run.start, run.start : run.stop].max() >= _LOOP_MOTION * usual)


def _span(stretch: _Stretch, fps: float) -> str:
    return f"{stretch.start / fps:.2f} to {stretch.stop / fps:.2f} s"
