from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from probekit.errors import UserError
from probekit.media.image_files import read_image


def test_png_pixels_come_back_exactly(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    read = read_image(tmp_path / "a.png")
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, pixels)


def test_grey_images_get_three_channels(tmp_path: Path) -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(grey).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.stack([grey] * 3, axis=-1))


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    image = Image.new("RGB", (4, 2))
    exif = image.getexif()
    exif[0x0112] = 6  # orientation: rotate by 90 degrees
    image.save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").shape == (4, 2, 3)


@pytest.mark.parametrize("mode", ["RGBA", "P", "I;16", "CMYK"])
def test_other_modes_are_refused(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.tif"
    Image.new(mode, (4, 2)).save(path)
    with pytest.raises(UserError, match=f"{path} has mode {mode}"):
        read_image(path)


@pytest.mark.parametrize("lenient", [False, True])
def test_broken_files_are_named(tmp_path: Path, lenient: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", lenient)  # as other packages leave it behind
    missing, text, truncated = tmp_path / "a.png", tmp_path / "b.png", tmp_path / "c.png"
    text.write_text("no image")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(truncated)
    truncated.write_bytes(truncated.read_bytes()[:900])
    for path, message in [(missing, "does not exist"), (text, "cannot be read"), (truncated, "cannot be read")]:
        with pytest.raises(UserError, match=f"{path.name}.*{message}"):
            read_image(path)
        assert ImageFile.LOAD_TRUNCATED_IMAGES == lenient
