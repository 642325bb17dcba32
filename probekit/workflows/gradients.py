"""Do the losses of a training agree? From stored gradients to a table and a figure."""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from probekit.atomic_files import write_csv, write_text
from probekit.probing.gradient_agreement import OF_BATCHES, WHOLE, gradient_agreement
from probekit.probing.gradient_store import GradientCard, read_gradients
from probekit.reporting.figures import save_figure
from probekit.reporting.gradient_table import gradient_table
from probekit.visible_text import plot_text


def compare_gradients(store: Path, out: Path) -> pd.DataFrame:
    """Compare the gradients of two losses and write `gradients.csv`, `gradients.md` and `gradients.png`.

    Args:
        store: folder that `trainer gradients` wrote.
        out: folder for tables and the figure.

    Raises:
        UserError: the store cannot be read, or has too few batches.
    """
    gradients, card = read_gradients(store)
    found = gradient_agreement(gradients, card)
    write_csv(out / "gradients.csv", found)
    about = (
        f"# Gradients of {' and '.join(card.losses[:2])}\n\n{card.model} after {card.step} updates. Sketches of "
        f"{card.size} numbers per block; a cosine of unrelated gradients is off by {card.size**-0.5:.3f} or so.\n\n"
    )
    write_text(out / "gradients.md", about + gradient_table(found).markdown())
    _plot(found, card, out / "gradients.png")
    return found


def _plot(found: pd.DataFrame, card: GradientCard, path: Path) -> None:
    """Cosine of a batch by block, with its interval."""
    chosen = found[(found.kind == OF_BATCHES) & found.exit_step.isna() & found.value.notna()]
    figure, axis = plt.subplots(figsize=(1.2 + 0.7 * len(chosen), 3.2), layout="constrained", dpi=150)
    colors = ["C1" if part == WHOLE else "C0" for part in chosen.part]
    axis.bar(range(len(chosen)), chosen.value, color=colors)
    known = chosen.low.notna()
    axis.vlines([place for place, is_known in enumerate(known) if is_known], chosen.low[known], chosen.high[known], "k")
    axis.axhline(0, color="k", linewidth=0.8)
    axis.set_xticks(range(len(chosen)), [plot_text(part) for part in chosen.part], rotation=45, ha="right")
    axis.set_ylabel(plot_text(f"cosine of {' and '.join(card.losses[:2])}"))
    save_figure(figure, path)
    plt.close(figure)
