"""How the fast backend runs: device, precision, batch, and which quirks of the official code it keeps. Torch-free."""

from pydantic import Field

from probekit.choices import Precision
from probekit.config import StrictModel
from probekit.devices import DEVICE_NAME


class Compatibility(StrictModel):
    """The official code's quirks that change scores, each on by default; off, the named alternative is computed.

    File names are those of vbench 0.1.5. Scores with any of them off are not VBench scores, so the scorer ids say it.

    Attributes:
        resize_without_antialias: DINO's, CLIP's, ViCLIP's and MUSIQ's inputs are resized without antialiasing
            (utils.py, imaging_quality.py). Off: with.
        clip_resize_overshoot: CLIP's inputs are resized as floats, and what bicubic interpolation makes of 0..255,
            about -19..280, is kept (utils.py, `load_video` with `clip_transform`). Off: clamped to 0..255.
        viclip_resize_rounded: ViCLIP's inputs are resized as bytes, rounded and clamped (`read_frames_decord_by_fps`).
            Off: resized as floats, as for CLIP.
        dino_uncropped: DINO sees the whole frame, 224 pixels on its short side (`dino_transform`). Off: its centre
            square, as CLIP does.
        musiq_longer_side_512: MUSIQ sees frames at most 512 pixels long (imaging_quality.py, mode "longer"). Off: the
            frames as they are.
        style_through_pillow: the appearance style resizes with Pillow, which antialiases (`clip_transform_Image`).
            Off: as the other CLIP dimensions, whose features are then reused.
        motion_truncated: interpolated frames lose their fraction before they are compared (`tensor2img`). Off: rounded.
        round_half_to_even: the frame interval and the number of moving pairs of the dynamic degree are rounded by
            Python's `round`, so 2.5 becomes 2 (dynamic_degree.py). Off: halves are rounded up.
        flow_of_padding: the padding to multiples of 8 pixels counts among the pixels whose motion is averaged
            (`get_score` before `unpad`). Off: cut away.
        action_confidence_rounded: confidences are rounded to four digits before the threshold (human_action.py). Off:
            not rounded.
        clip_half_on_gpu: half precision of CLIP on a GPU, as `clip.load` leaves it. Off: the asked precision.
    """

    resize_without_antialias: bool = True
    clip_resize_overshoot: bool = True
    viclip_resize_rounded: bool = True
    dino_uncropped: bool = True
    musiq_longer_side_512: bool = True
    style_through_pillow: bool = True
    motion_truncated: bool = True
    round_half_to_even: bool = True
    flow_of_padding: bool = True
    action_confidence_rounded: bool = True
    clip_half_on_gpu: bool = True


class FastSettings(StrictModel):
    """Settings of the fast backend.

    Attributes:
        device: "auto" is the first GPU, or the CPU without one.
        precision: precision of the transformers; bfloat16 is faster on GPUs and changes scores, so the scorer ids say
            it.
        batch_frames: frames that a network sees at once. Speed, memory and the last bits of scores depend on it, so the
            scorer ids say another number than the default.
        flow_memory_mib: what the all-pairs correlation of RAFT and AMT may hold; more pairs at once where it allows.
            Scorer ids say it as they say `batch_frames`.
        unverified_weights: take weight files that are not the published ones; false leaves it to `weight_path`.
        compatibility: which quirks are kept.
    """

    device: str = Field(default="auto", pattern=DEVICE_NAME)
    precision: Precision = "float32"
    batch_frames: int = Field(default=8, ge=1)
    flow_memory_mib: int = Field(default=256, ge=1)
    unverified_weights: bool = False
    compatibility: Compatibility = Compatibility()
