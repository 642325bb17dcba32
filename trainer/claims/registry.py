"""The paper's claims in the order of the ledger."""

from dataclasses import dataclass
from typing import Final

from trainer.claims.kinds import (
    CountedCost,
    Kind,
    LongerGains,
    MeasuredCost,
    NearestGap,
    NearMean,
    Pairs,
    ProbeCells,
    SameInference,
    TotalUp,
    best_of,
    others,
)


@dataclass(frozen=True)
class Claim:
    """One claim.

    Attributes:
        says: claim in a sentence.
        place: where the paper makes it.
        test: test that decides it.
        kind: what is held against what.
        target: target of `trainer reproduce` that makes what the test reads; None where a command of its own does.
        command: command that makes it, where no target has it.
        remark: what a reader must know of the test; empty if nothing.
    """

    says: str
    place: str
    test: str
    kind: Kind
    target: str | None = None
    command: str = ""
    remark: str = ""


_ROWS: Final = "Total of the first row minus that of the second, paired by prompt; every pair above 0"
_CELLS: Final = "readout with foresight minus without, paired by held-out prompt; every cell better"

CLAIMS: Final[tuple[Claim, ...]] = (
    Claim(
        "Foresight raises the Total", "table 5; section 4.4",
        "Total with foresight minus without, short videos, paired by prompt; above 0", TotalUp(), "table15",
    ),
    Claim(
        "Foresight raises the Total of the two other base systems", "table 5; section 4.4",
        "as above, in each system", TotalUp(others()), "table05",
    ),
    Claim(
        "Gains at 30 s exceed gains at 5 s", "table 6; section 4.4",
        "gain of long videos minus gain of short videos, paired by prompt; above 0 in each of three dimensions",
        LongerGains(), "table06",
    ),
    Claim(
        "Probes read better at every layer and horizon", "figure 5 right, appendix F; section 4.3", _CELLS,
        ProbeCells("probes"), "appendixF",
    ),
    Claim(
        "The same, with more sites, denoising steps and videos", "figure 5 right, appendix F; section 4.3", _CELLS,
        ProbeCells("probing/probes/frame"),
        command="probekit study reports/sprite/probing/study.yaml --out runs/probing",
    ),
    Claim(
        "The gap is largest at near horizons", "figure 5 right; section 4.3",
        "gap in decibels one chunk ahead minus gap two and three chunks ahead, mean of depths, paired by held-out "
        "prompt; above 0 for both",
        NearestGap("probes"), "appendixF",
    ),
    Claim(
        "A readout is near the mean of the futures", "figure 6; section 4.3",
        "distance of a future from the mean of the others minus that of the readout, by state; above 0 at each horizon",
        NearMean(), "figure06",
        remark="a weak test: any blurred forecast passes it, and a decoder of few states fails it.",
    ),
    Claim(
        "Fused targets beat targets by offset", "table 2", _ROWS,
        Pairs("table02", (("dit-3", "dit-adaln"), ("mlp", "multi-mlp"))), "table02",
    ),
    Claim("A DiT beats an MLP", "table 2", _ROWS, Pairs("table02", (("dit-3", "mlp"),)), "table02"),
    Claim(
        "Three blocks are the best depth", "table 2", _ROWS, best_of("table02", "dit-3", "dit-2", "dit-4"), "table02",
    ),
    Claim(
        "Mid-depth layers are best", "table 3; section 4.2", _ROWS,
        best_of("table03", "depth-0.5", "depth-0.3", "depth-0.8"), "table03",
    ),
    Claim(
        "The 14B encoder is best", "table 4; section 4.2", _ROWS, best_of("table04", "real", "ema", "base"), "table04",
        remark="at the sprite scale the large teacher has the 14B's role.",
    ),
    Claim(
        "Cosine is better than MSE", "figure 5 left; section 4.2", _ROWS,
        Pairs("figure05", (("cosine", "mse"),)), "figure05",
    ),
    Claim(
        "SIGReg hurts, under both losses", "figure 5 left; section 4.2", _ROWS,
        Pairs("figure05", (("cosine", "cosine-sigreg"), ("mse", "mse-sigreg"))), "figure05",
    ),
    Claim(
        "A weight of 0.2 is best", "table 11; appendix D", _ROWS,
        best_of("table11", "weight-0.2", "weight-0.1", "weight-0.3"), "table11",
    ),
    Claim(
        "Offsets {0, 1} are best", "table 1", _ROWS,
        best_of("table01", "current-and-next", "current", "next", "current-and-two"), "table01",
    ),
    Claim(
        "Foresight in stages 2 and 3 does not stack", "table 14; appendix D", _ROWS,
        Pairs("table14", (("stage-2", "both"), ("stage-3", "both"))), "table14",
    ),
    Claim(
        "Foresight in stage 2 alone raises the Total", "table 12; appendix D", _ROWS,
        Pairs("table12", (("per-frame", "no-foresight"),)), "table12",
    ),
    Claim(
        "Means over a segment's frames are the best targets in stage 2", "table 12; appendix D", _ROWS,
        best_of("table12", "per-frame", "no-fusion", "per-offset"), "table12",
    ),
    Claim(
        "The 14B encoder is best in stage 2", "table 13; appendix D", _ROWS,
        best_of("table13", "real", "ema", "base"), "table13",
        remark="at the sprite scale the large teacher has the 14B's role.",
    ),
    Claim(
        "Offsets {0, 1} are best frame by frame", "table 10; appendix D", _ROWS,
        best_of("table10", "current-and-next", "current", "next", "current-and-two"), "table10",
    ),
    Claim(
        "Operations of a cycle grow by as much as printed", "table 7, appendix B",
        "operations of a cycle at Wan's size by the paper's accounting; within one point of the paper's", CountedCost(),
        command="trainer cost trainer/recipes/wan/dmd_foresight.yaml",
        remark="a count has no interval. The paper's leaves out rollouts without gradient, which both arms pay for.",
    ),
    Claim(
        "Seconds of a cycle grow by as much as printed", "table 7, appendix B",
        "seconds of a cycle at Wan's size, both arms interleaved", MeasuredCost(),
        command="trainer cost trainer/recipes/wan/dmd_foresight.yaml --measure --cycles 4",
        remark="shares depend on sizes and machine, so that the sprite size decides nothing.",
    ),
    Claim(
        "Inference is the same", "section 5, appendix B",
        "names, shapes and number formats of all parameters, every configuration, and all parts that both arms share, "
        "compared file by file",
        SameInference(), command="trainer claims",
        remark="equal parameters under one configuration run the same operations with the same cache.",
    ),
)  # fmt: skip
