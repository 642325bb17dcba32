"""Where a reproduction keeps what it makes, below one folder; `reports/sprite` has the same places."""

from pathlib import Path
from typing import Final, NamedTuple

from trainer.config.sweep import FORESIGHT
from trainer.reproduction.targets import CHUNKWISE, Arms, Cost, Drop, Futures, Need, Probes, Rows

TABLE: Final = "table"
DROP: Final = "drop"


class Places(NamedTuple):
    """Folders of one reproduction.

    Attributes:
        out: folder of everything.
    """

    out: Path

    @property
    def rows(self) -> Path:
        """Trainings of rows; a row that several tables have is trained once."""
        return self.out / "rows"

    @property
    def chain(self) -> Path:
        """Trainings and data that rows start from."""
        return self.out / "chain"

    @property
    def training_runs(self) -> Path:
        """Results over several training runs of both arms."""
        return self.out / FORESIGHT

    def result(self, need: Need) -> Path:
        """Folder of a need's result."""
        match need:
            case Rows(table):
                return self.out / table
            case Arms(system, horizon):
                return self.out / _of_system(horizon, system)
            case Drop(system):
                return self.out / _of_system(DROP, system)
            case Probes():
                return self.out / "probes"
            case Futures():
                return self.out / "futures"
            case Cost():
                return self.out / "cost"

    def file(self, need: Need) -> Path:
        """The file whose presence says that a need's result is there."""
        names = {Rows: "comparison.json", Arms: "comparison.json", Drop: "drop.csv", Probes: "contrasts.csv",
                 Futures: "pictures.npz", Cost: "cost.json"}  # fmt: skip
        return self.result(need) / names[type(need)]

    def table(self, need: Probes | Futures) -> Path:
        """The table of what is read from states; its protocol stands beside it."""
        return self.result(need) / ("contrasts.csv" if isinstance(need, Probes) else "futures.csv")

    def videos(self, need: Arms, model: str) -> Path:
        """Run folder of an arm's videos and scores."""
        return self.result(need) / "runs" / model

    def row_videos(self, row: str) -> Path:
        """Run folder of a row's videos and scores."""
        return self.rows / row / "videos"


def _of_system(name: str, system: str) -> str:
    """The name alone for the default system."""
    return name if system == CHUNKWISE else f"{name}-{system}"
