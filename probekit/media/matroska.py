"""Where a Matroska file says that it ends.

Element IDs and sizes are those of RFC 8794 (EBML) and RFC 9559 (Matroska, which WebM is a kind of).
"""

from typing import BinaryIO

_EBML_HEADER, _MATROSKA_SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


def matroska_end(file: BinaryIO) -> int | None:
    """Byte at which a Matroska file says that it ends; None for other files and for streams of unknown length.

    Matroska does not say how many frames there are, and FFmpeg takes the end of the file for the end of the video.
    """
    if file.read(len(_EBML_HEADER)) != _EBML_HEADER:
        return None
    file.seek(_ebml_size(file) or 0, 1)
    if file.read(len(_MATROSKA_SEGMENT)) != _MATROSKA_SEGMENT:
        return None
    size = _ebml_size(file)
    return None if size is None else file.tell() + size


def _ebml_size(file: BinaryIO) -> int | None:
    """Read a size of RFC 8794, section 4: as many bytes as the first has leading zeros, plus one; all ones: unknown."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    n_bytes = 9 - first[0].bit_length()
    marker = 1 << (7 * n_bytes)
    size = int.from_bytes(first + file.read(n_bytes - 1)) - marker
    return None if size == marker - 1 else size
