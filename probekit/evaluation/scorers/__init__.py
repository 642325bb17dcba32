"""Scorers: one dimension each, and which of them a suite has."""

from typing import Final, Literal, get_args

from probekit.errors import UserError
from probekit.evaluation.scorers.base import NotRun, Score, Scorer, ScorerSet, ScoringInput
from probekit.evaluation.scorers.sprite_quality import QUALITY_SCORERS
from probekit.evaluation.scorers.sprite_semantic import SEMANTIC_SCORERS
from probekit.evaluation.scorers.temporal_flickering import TEMPORAL_FLICKERING
from probekit.evaluation.suites import SPRITE_PREFIX

__all__ = ["Backend", "NotRun", "Score", "Scorer", "ScorerSet", "ScoringInput", "scorers_for"]

Backend = Literal["free", "fast"]
"""What scores a suite of VBench: only formulas without weights, or our networks too."""

_VBENCH_WEIGHTS: Final = {
    "subject_consistency": "DINO ViT-B/16 (dino_vitbase16_pretrain.pth)",
    "background_consistency": "CLIP ViT-B/32 (ViT-B-32.pt)",
    "motion_smoothness": "AMT-S (amt-s.pth)",
    "dynamic_degree": "RAFT (raft-things.pth)",
    "aesthetic_quality": "CLIP ViT-L/14 (ViT-L-14.pt) and the LAION predictor (sa_0_4_vit_l_14_linear.pth)",
    "imaging_quality": "MUSIQ (musiq_spaq_ckpt-358bb6af.pth)",
    "object_class": "GRiT (grit_b_densecap_objectdet.pth)",
    "multiple_objects": "GRiT (grit_b_densecap_objectdet.pth)",
    "human_action": "UMT (l16_ptk710_ftk710_ftk400_f16_res224.pth)",
    "color": "GRiT (grit_b_densecap_objectdet.pth)",
    "spatial_relationship": "GRiT (grit_b_densecap_objectdet.pth)",
    "scene": "Tag2Text (tag2text_swin_14m.pth)",
    "appearance_style": "CLIP ViT-B/32 (ViT-B-32.pt)",
    "temporal_style": "ViCLIP (ViClip-InternVid-10M-FLT.pth)",
    "overall_consistency": "ViCLIP (ViClip-InternVid-10M-FLT.pth)",
}


def scorers_for(suite: str, backend: str = "free") -> ScorerSet:
    """The scorers of a suite.

    Sprite suites have their ten dimensions, whatever the backend. Every other suite is scored as VBench: with "free" the
    dimension without weights runs and the others are listed with the weights that they need; with "fast" every
    dimension of `probekit.evaluation.fast` whose weights are there.

    Raises:
        UserError: for an unknown backend.
    """
    if backend not in get_args(Backend):
        raise UserError(f"There is no scorer backend {backend!r}.", f"choose {' or '.join(get_args(Backend))}.")
    if suite.startswith(SPRITE_PREFIX):
        return ScorerSet((*QUALITY_SCORERS, TEMPORAL_FLICKERING, *SEMANTIC_SCORERS), ())
    missing = tuple(NotRun(name, f"needs the weights of {weights}") for name, weights in _VBENCH_WEIGHTS.items())
    return ScorerSet((TEMPORAL_FLICKERING,), missing)
