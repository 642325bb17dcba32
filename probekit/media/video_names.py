"""Which files of a folder should be videos, by their names and first bytes."""

import re
from pathlib import Path
from typing import Final

from probekit.errors import UserError

VIDEO_SUFFIXES: Final = frozenset((
    ".mp4", ".m4v", ".mov", ".qt", ".mkv", ".webm", ".avi", ".divx", ".gif", ".mpg", ".mpeg", ".mts", ".m2ts", ".vob",
    ".flv", ".f4v", ".wmv", ".asf", ".ogv", ".3gp", ".3g2", ".mxf", ".y4m", ".h264", ".h265", ".hevc", ".ivf", ".nut",
))  # fmt: skip
"""Suffixes, in small letters, of files that are videos or should be."""

OTHER_SUFFIXES: Final = frozenset((
    ".wav", ".mp3", ".m4a", ".aac", ".flac", ".ogg", ".oga", ".opus", ".wma", ".aiff", ".mka", ".mid",
    ".srt", ".vtt", ".ass", ".ssa", ".sub", ".idx", ".lrc", ".sbv",
    ".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".svg", ".heic", ".avif", ".ico", ".exr", ".psd",
    ".txt", ".json", ".jsonl", ".csv", ".tsv", ".parquet", ".md", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".log",
    ".html", ".htm", ".xml", ".pdf", ".docx", ".xlsx", ".nfo", ".url", ".ipynb", ".py", ".sh", ".js",
    ".pt", ".pth", ".npy", ".npz", ".pkl", ".safetensors", ".bin", ".ckpt", ".h5", ".db", ".lock",
    ".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst", ".torrent", ".part", ".crdownload", ".aria2",
    ".bak", ".tmp", ".swp", ".md5", ".sha256",
))  # fmt: skip
"""Suffixes of files that lie beside videos and are none: sound, subtitles, pictures, texts, arrays, archives."""

_HEAD: Final = 512
_CONTAINERS: Final = re.compile(
    rb"....ftyp(?!M4A |M4B |heic|heix|mif1|msf1|avif|avis)|\x1a\x45\xdf\xa3|RIFF....AVI |GIF8[79]a|FLV\x01"
    rb"|\x00\x00\x01[\xb3\xba]|\x30\x26\xb2\x75\x8e\x66\xcf\x11|YUV4MPEG2|DKIF|\x47.{187}\x47",
    re.DOTALL,
)


def may_be_video(path: Path) -> bool:
    """Tell whether a file should be a video: by its suffix, or where that is unknown by how it begins."""
    suffix = path.suffix.lower()
    if suffix in VIDEO_SUFFIXES or suffix in OTHER_SUFFIXES:
        return suffix in VIDEO_SUFFIXES
    try:
        with path.open("rb") as file:
            return _CONTAINERS.match(file.read(_HEAD)) is not None
    except OSError:
        return False


def check_name(path: Path) -> None:
    """Refuse a name that no text file could hold, as old disks and archives have them.

    Raises:
        UserError: The name is not UTF-8.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        shown = str(path).encode("utf-8", "backslashreplace").decode()
        raise UserError(f"The name {shown} is not UTF-8, so that no table can hold it.", "Rename the file.") from error
