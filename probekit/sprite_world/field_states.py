"""The exact state of a sprite video as a map: which sprite covers each field, and how it moves. Torch-free."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from probekit.sprite_world.renderer import coverage
from probekit.sprite_world.tracker import SpriteTrack, track_video
from probekit.sprite_world.vocabulary import COLORS, FRAME_SIZE, SHAPES, SIZES, TONES

Floats = NDArray[np.float32]

FIELD_FEATURES: Final = 1 + len(COLORS) + len(SHAPES) + len(SIZES) + len(TONES) + 2
"""Numbers of a field: its free share; shares covered, by colour, shape, size and tone; motion along x and along y."""


def field_states(frames: NDArray[np.uint8], every: int, fields: int) -> Floats:
    """The state of a video at its first frame and every few frames after it, as the tracker reads it.

    Args:
        frames: (1 + every · k, 32, 32, 3) uint8.
        every: frames between two states.
        fields: fields across, and down, the frame.

    Returns:
        (k + 1, fields, fields, `FIELD_FEATURES`). Shares are of a field's area, by what the tracker sees; where sprites
        overlap both count. Motion is the share times the pixels moved per frame since the state before.

    Raises:
        UserError: for frames of another size.
    """
    found = np.zeros((1 + (len(frames) - 1) // every, fields, fields, FIELD_FEATURES), np.float32)
    for track in track_video(frames).tracks:
        _add(found, track, every, fields)
    found[..., 0] = np.clip(1 - found[..., 1 : 1 + len(COLORS)].sum(-1), 0, 1)
    return found


def _add(found: Floats, track: SpriteTrack, every: int, fields: int) -> None:
    """Add what one colour covers."""
    side = FRAME_SIZE // fields
    first_shape = 1 + len(COLORS)
    first_size = first_shape + len(SHAPES)
    first_tone = first_size + len(SIZES)
    radii, before = tuple(SIZES.values()), np.full(2, np.nan)
    for state, frame in enumerate(range(0, len(track.visible), every)):
        if not track.visible[frame]:
            before = np.full(2, np.nan)
            continue
        shape, size, place = int(track.shape[frame]), int(track.size[frame]), np.array([track.x[frame], track.y[frame]])
        covered = coverage(SHAPES[shape], radii[size], place[0], place[1])
        share = covered.reshape(fields, side, fields, side).mean((1, 3))
        tone = int(track.tone[frame])
        features = (1 + tuple(COLORS).index(track.color), first_shape + shape, first_size + size, first_tone + tone)
        for feature in features:
            found[state, ..., feature] += share
        motion = np.where(np.isnan(before), 0.0, place - before) / every
        found[state, ..., -2:] += (share[..., None] * motion).astype(np.float32)
        before = place
