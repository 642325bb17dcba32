"""The official modules of the seven quality dimensions as functions of a file, and time spent inside networks."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch

from probekit.evaluation.vbench import weights as files
from probekit.evaluation.vbench.official.repairs import no_prints, official_module

QUALITY = (
    "subject_consistency",
    "background_consistency",
    "temporal_flickering",
    "motion_smoothness",
    "dynamic_degree",
    "aesthetic_quality",
    "imaging_quality",
)
STAND_IN = Path(__file__).parents[1] / "tests" / "equivalence" / "dino_repository"


class Clock:
    """Seconds inside wrapped functions, by name."""

    def __init__(self) -> None:
        self.inside: dict[str, float] = {}

    def wrap(self, owner: Any, method: str, name: str) -> None:
        """Time every call of a method."""
        original = vars(owner).get(method) or getattr(owner, method)

        def call(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                return original(*args, **kwargs)
            finally:
                self.inside[name] = self.inside.get(name, 0.0) + time.perf_counter() - started

        object.__setattr__(owner, method, call)

    def take(self) -> dict[str, float]:
        """What was measured since the last time."""
        taken, self.inside = self.inside, {}
        return taken


class Official(NamedTuple):
    """One dimension: a function from a file to its official score, and the clock inside its network."""

    score: Callable[[Path], float]
    clock: Clock


def official_scorers(folder: Path) -> dict[str, Official]:
    """The seven quality dimensions with the weights in their places, loaded once."""
    with no_prints():
        return {dimension: official_scorer(dimension, folder) for dimension in QUALITY}


def official_scorer(dimension: str, folder: Path) -> Official:
    """One dimension; `folder` takes what it must find in files."""
    module, clock, device = official_module(dimension), Clock(), torch.device("cpu")
    function = vars(module).get(dimension)
    if dimension == "subject_consistency":
        shutil.copytree(STAND_IN, folder / "dino", dirs_exist_ok=True)
        network = torch.hub.load(str(folder / "dino"), "dino_vitb16", source="local")
        clock.wrap(network, "forward", dimension)
        return Official(lambda path: function(network, [str(path)], device, False)[0], clock)
    if dimension == "background_consistency":
        network, preprocess = module.clip.load(str(files.CLIP_B32.path), device="cpu")
        clock.wrap(network, "encode_image", dimension)
        return Official(lambda path: function(network, preprocess, [str(path)], device, False)[0], clock)
    if dimension == "temporal_flickering":
        return Official(lambda path: _through_list(module, path, folder), clock)
    if dimension == "motion_smoothness":
        config = Path(module.__file__).parent / "third_party" / "amt" / "cfgs" / "AMT-S.yaml"
        motion = module.MotionSmoothness(str(config), str(files.AMT_S.path), device)
        clock.wrap(motion.model, "forward", dimension)
        return Official(lambda path: function(motion, [str(path)])[0], clock)
    if dimension == "dynamic_degree":
        arguments = {"small": False, "mixed_precision": False, "alternate_corr": False}
        dynamic = module.DynamicDegree(module.edict(model=str(files.RAFT_THINGS.path), **arguments), device)
        clock.wrap(dynamic.model, "forward", dimension)
        return Official(lambda path: function(dynamic, [str(path)])[0], clock)
    if dimension == "aesthetic_quality":
        head = module.get_aesthetic_model(str(files.AESTHETIC_HEAD.path.parent))
        network, _ = module.clip.load(str(files.CLIP_L14.path), device="cpu")
        clock.wrap(network, "encode_image", dimension)
        return Official(lambda path: module.laion_aesthetic(head, network, [str(path)], device)[0], clock)
    network = _musiq(module)
    clock.wrap(network, "forward", dimension)
    return Official(lambda path: module.technical_quality(network, [str(path)], device)[0], clock)


def _musiq(module: Any) -> Any:
    state = torch.load(files.MUSIQ.path, weights_only=True)["params"]
    layers = len({key.split(".")[2] for key in state if key.startswith("transformer_encoder.transformer.")})
    network = module.MUSIQ(pretrained=False, num_layers=layers)
    network.load_state_dict(state)
    network.training = False
    return network


def _through_list(module: Any, path: Path, folder: Path) -> float:
    listing = folder / "temporal_flickering.json"
    listing.write_text(json.dumps([{"prompt_en": "", "dimension": ["temporal_flickering"], "video_list": [str(path)]}]))
    return float(module.compute_temporal_flickering(str(listing), torch.device("cpu"), [])[0])


@contextmanager
def seconds(into: list[float]) -> Iterator[None]:
    """Append the wall time of the block."""
    started = time.perf_counter()
    yield
    into.append(time.perf_counter() - started)
