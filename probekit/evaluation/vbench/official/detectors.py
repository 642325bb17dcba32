"""The five dimensions that need an environment of their own: GRiT's four and Tag2Text's scene.

What decides is VBench's own code, called as its `compute_<dimension>` calls it. One difference: where the detector
itself fails, object_class counts the frame as one without objects, so that a missing operator scores every video 0.
Here that failure is raised.
"""

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from probekit.evaluation.vbench.official.inputs import OfficialInput, official_errors
from probekit.evaluation.vbench.official.repairs import official_module
from probekit.evaluation.vbench.official.sessions import Record, Session, single
from probekit.evaluation.vbench.weights import GRIT, TAG2TEXT, weight_path

_SCENE_SETTINGS: Final = {"image_size": 384, "vit": "swin_b"}


class WatchedDetector:
    """A GRiT detector that remembers its first failure, for callers that swallow it.

    Args:
        detector: detector with VBench's `run_caption_tensor`.
    """

    def __init__(self, detector: Any) -> None:
        self._detector = detector
        self.failure: Exception | None = None

    def run_caption_tensor(self, frame: Any) -> Any:
        """The detector's own answer. Raises what it raises."""
        try:
            return self._detector.run_caption_tensor(frame)
        except official_errors() as error:
            self.failure = self.failure or error
            raise


def detect(
    dimension: str, score: Callable[..., Any], detector: Any, video: OfficialInput, device: Any
) -> Record | None:
    """Score one video with one of the GRiT modules' own functions.

    Args:
        dimension: name of the dimension.
        score: `vbench.<dimension>.<dimension>`.
        detector: a loaded `DenseCaptioning`.
        video: video with the auxiliary information of VBench's list.
        device: handed on.

    Returns:
        The video's entry; None where color drops the video because no frame shows the object with any colour.

    Raises:
        Exception: what the detector raised about a frame, although `score` may have swallowed it.
    """
    watched = WatchedDetector(detector)
    try:
        record = single(score(watched, [video.info()], device))
    except ZeroDivisionError:
        if dimension != "color":
            raise
        record = None  # it divides by the number of videos that it kept, and this was the only one
    if watched.failure is not None:
        raise watched.failure
    return record


def _grit(dimension: str, device: Any) -> Session:
    module = official_module(dimension)
    detector = module.DenseCaptioning(device)
    weights = str(weight_path(GRIT, unverified=False))
    if dimension == "color":
        detector.initialize_model(model_weight=weights)
    else:
        detector.initialize_model_det(model_weight=weights)
    score = vars(module)[dimension]
    return lambda video: detect(dimension, score, detector, video, device)


def _scene(device: Any) -> Session:
    module = official_module("scene")
    model = module.tag2text_caption(pretrained=str(weight_path(TAG2TEXT, unverified=False)), **_SCENE_SETTINGS)
    model.eval()
    model.to(device)
    return lambda video: single(module.scene(model, [video.info()], device))


DETECTOR_SESSIONS: Final[Mapping[str, Callable[[Any], Session]]] = MappingProxyType(
    {
        "object_class": functools.partial(_grit, "object_class"),
        "multiple_objects": functools.partial(_grit, "multiple_objects"),
        "color": functools.partial(_grit, "color"),
        "spatial_relationship": functools.partial(_grit, "spatial_relationship"),
        "scene": _scene,
    }
)
