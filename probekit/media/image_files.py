"""Still images: decoded with Pillow to the toolkit's one frame container."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UserError


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an image as uint8 (H, W, 3), RGB, turned upright where its EXIF data say so.

    Raises:
        UserError: the file is missing, is no image, is truncated, or is neither RGB nor 8-bit grey.
    """
    from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

    if not path.is_file():
        raise UserError(f"The image {path} does not exist.", "Correct its path, or restore the file.")
    lenient = ImageFile.LOAD_TRUNCATED_IMAGES  # some packages turn it on for everybody when they are imported
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with Image.open(path) as image:
            if image.mode not in ("RGB", "L"):
                raise UserError(f"The image {path} has mode {image.mode}, not RGB or 8-bit grey.", "Save it as RGB.")
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError) as error:  # Pillow calls a broken PNG a SyntaxError
        raise UserError(f"{path} cannot be read as an image ({error}).", "Replace it by an intact file.") from error
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = lenient
