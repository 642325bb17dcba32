"""How fast a system makes videos on a machine: `speed.json` beside a run. Torch-free."""

from pathlib import Path
from statistics import median
from typing import Final

from pydantic import Field

from probekit.atomic_files import write_json
from probekit.config import StrictModel
from probekit.config_errors import read_json_model

SPEED_FILENAME: Final = "speed.json"


class SpeedRecord(StrictModel):
    """Wall times of whole videos from the prompt's text to decoded frames, one video at a time.

    Attributes:
        model: name of the model.
        parameters: numbers in its denoisers.
        frames: RGB frames of a video.
        height: rows of a frame in pixels.
        width: columns.
        streaming: whether frames come out before the video is finished.
        device: where it ran.
        precision: number format of its networks.
        warm_up: videos made before the first measured one.
        seconds: wall time of each measured video.
        first_output_seconds: wall time until its first frames were decoded.
        hardware: hardware of the machine.
        packages: versions.
        command: command that measured.
    """

    model: str
    parameters: int = Field(ge=0)
    frames: int = Field(gt=0)
    height: int = Field(gt=0)
    width: int = Field(gt=0)
    streaming: bool
    device: str
    precision: str
    warm_up: int = Field(ge=0)
    seconds: tuple[float, ...] = Field(min_length=1)
    first_output_seconds: tuple[float, ...] = Field(min_length=1)
    hardware: dict[str, str | int]
    packages: dict[str, str]
    command: str

    def throughput(self) -> float:
        """Frames per second: those of a video by the median time of a video."""
        return self.frames / median(self.seconds)

    def latency(self) -> float:
        """Median seconds until the first frames."""
        return median(self.first_output_seconds)


def write_speed(folder: Path, record: SpeedRecord) -> Path:
    """Write `folder/speed.json`; returns its path."""
    path = folder / SPEED_FILENAME
    write_json(path, record.model_dump(mode="json"))
    return path


def read_speed(folder: Path) -> SpeedRecord | None:
    """Read `folder/speed.json`; None where nobody measured.

    Raises:
        UserError: the file is no speed record.
    """
    path = folder / SPEED_FILENAME
    if not path.is_file():
        return None
    return read_json_model(path, SpeedRecord, "measure again with `probekit sample --measure`.")
