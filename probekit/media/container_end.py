"""Where a video file says that it ends: Matroska, MP4 and AVI.

Element IDs and sizes of Matroska are those of RFC 8794 (EBML) and RFC 9559; boxes are those of ISO 14496-12, section
4.2; chunks are those of RIFF, of which a large AVI has several in a row (OpenDML).
"""

from typing import BinaryIO

_EBML_HEADER, _MATROSKA_SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_RIFF, _AVI = b"RIFF", (b"AVI ", b"AVIX")
_FIRST_BOXES = (b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide")
_BOX_HEADER, _LARGE_BOX_HEADER = 8, 16


def matroska_end(file: BinaryIO) -> int | None:
    """Byte at which a Matroska file says that it ends; None for other files and for streams of unknown length.

    Matroska does not say how many frames there are, and FFmpeg takes the end of the file for the end of the video.
    """
    file.seek(0)
    if file.read(len(_EBML_HEADER)) != _EBML_HEADER:
        return None
    file.seek(_ebml_size(file) or 0, 1)
    if file.read(len(_MATROSKA_SEGMENT)) != _MATROSKA_SEGMENT:
        return None
    size = _ebml_size(file)
    return None if size is None else file.tell() + size


def declared_end(file: BinaryIO, size: int) -> int | None:
    """Byte at which a file says that it ends; None where it does not say.

    Args:
        file: opened file.
        size: number of bytes that it has.
    """
    file.seek(0)
    head = file.read(12)
    if head[:4] == _RIFF and head[8:] in _AVI:
        return _riff_end(file, size)
    if head[4:8] in _FIRST_BOXES:
        return _boxes_end(file, size)
    return matroska_end(file)


def _ebml_size(file: BinaryIO) -> int | None:
    """Read a size of RFC 8794, section 4: as many bytes as the first has leading zeros, plus one; all ones: unknown."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    n_bytes = 9 - first[0].bit_length()
    marker = 1 << (7 * n_bytes)
    size = int.from_bytes(first + file.read(n_bytes - 1)) - marker
    return None if size == marker - 1 else size


def _riff_end(file: BinaryIO, size: int) -> int | None:
    end = 0
    while end < size:
        file.seek(end)
        head = file.read(12)
        if head[:4] != _RIFF or head[8:] not in _AVI:
            break  # what follows the video is not the video's
        length = int.from_bytes(head[4:8], "little")
        if not length:
            return None  # its writer did not come to the end
        end += 8 + length + length % 2
    return end


def _boxes_end(file: BinaryIO, size: int) -> int | None:
    end = 0
    while end < size:
        file.seek(end)
        head = file.read(_LARGE_BOX_HEADER)
        length, smallest = int.from_bytes(head[:4]), _BOX_HEADER
        if length == 1:
            length, smallest = int.from_bytes(head[8:16]), _LARGE_BOX_HEADER
        if length < smallest:
            return None  # 0 is "until the end of the file"; anything else is no box
        end += length
    return end
