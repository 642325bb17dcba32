import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from probekit.errors import UserError
from probekit.evaluation.reference.frame_arrays import match_size, require_frames


@pytest.mark.parametrize(
    ("low", "expected"),
    [(0.0, r"sample is float32 in \[0, 1\], not uint8 in 0..255.*x \* 255"), (-1.0, r"in \[-1, 1\].*\(x \+ 1\)")],
)
def test_floats_are_refused_with_their_range_and_conversion(low: float, expected: str) -> None:
    frames = np.linspace(low, 1.0, 48, dtype=np.float32).reshape(1, 4, 4, 3)
    with pytest.raises(UserError, match=expected):
        require_frames(frames, "sample")


@given(st.sampled_from([np.float16, np.float64, np.int64, np.int8, np.uint16, np.bool_, np.complex64, np.object_]))
def test_every_other_dtype_is_refused(dtype: type[np.generic]) -> None:
    with pytest.raises(UserError, match="not uint8"):
        require_frames(np.zeros((1, 2, 2, 3), dtype), "reference")


@pytest.mark.parametrize("shape", [(2, 2, 3), (1, 3, 4, 4), (0, 4, 4, 3), (1, 4, 4, 4), (1, 0, 4, 3)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="has shape"):
        require_frames(np.zeros(shape, np.uint8), "reference")


def test_lists_are_refused() -> None:
    with pytest.raises(UserError, match="reference is a list"):
        require_frames([[[[0, 0, 0]]]], "reference")  # type: ignore[arg-type]


def test_equal_sizes_are_left_alone() -> None:
    frames = np.zeros((2, 4, 6, 3), np.uint8)
    assert match_size(frames, frames, "bicubic") is frames


def test_different_sizes_need_an_explicit_resize() -> None:
    sample, reference = np.zeros((1, 4, 6, 3), np.uint8), np.zeros((1, 8, 12, 3), np.uint8)
    with pytest.raises(UserError, match=r"sample is 6x4 px, its reference 12x8 px.*resize"):
        match_size(sample, reference, None)


def test_resizing_is_pillow_frame_by_frame() -> None:
    rng = np.random.default_rng(0)
    sample = rng.integers(0, 256, (3, 7, 9, 3), dtype=np.uint8)
    resized = match_size(sample, np.zeros((3, 5, 12, 3), np.uint8), "bilinear")
    assert resized.shape == (3, 5, 12, 3)
    expected = np.asarray(Image.fromarray(sample[2]).resize((12, 5), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(resized[2], expected)
