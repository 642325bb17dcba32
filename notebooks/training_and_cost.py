# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Training curves and cost
#
# **Answers:** how do the losses of both arms run, and what does foresight cost per training cycle, in operations and
# in seconds?
#
# Reads the logs below `training` of the stored results (`trainer train` writes `metrics.jsonl`), and works the
# operations out from the recipes. Set `PROBEKIT_RESULTS` to read other results, `PROBEKIT_OUT` to draw elsewhere than
# in `reports/sprite`.

# %%
from pathlib import Path

from IPython.display import Image, Markdown, display

from probekit.reporting.figures import save_figure
from probekit.workflows.notebook import out_folder, results_folder
from trainer.config.recipe import load_recipe
from trainer.planning.cost_report import arithmetic_lines, cost_record
from trainer.reproduction.cost_table import cost_table
from trainer.training_curves import curve_table, curves_figure, logs_below

results, out = results_folder(), out_folder()

# %% [markdown]
# ## Curves
#
# Both arms see the same prompts, noise and exit steps. With six training runs per arm or more, the curves have an
# interval over runs; one run says nothing of the chance in training.

# %%
curves = curve_table(logs_below(results / "training"))
save_figure(curves_figure(curves), out / "training" / "curves.png")
display(Image(out / "training" / "curves.png", width=760))

# %% [markdown]
# ## Cost of a cycle (table 7)
#
# One generator update and five critic updates. `paper` is the accounting of the paper's appendix B, `executed` what
# the code runs. Seconds of both arms, interleaved on one machine, are in `reports/benchmarks/cost.md`; `trainer cost
# RECIPE --measure` takes them on yours.

# %%
for scale in ("sprite", "wan"):
    recipe = Path(scale, "dmd_foresight")
    config = load_recipe(recipe)
    record = cost_record(str(recipe), config, None)
    table = cost_table(record.model_copy(update={"command": f"trainer cost {recipe}"}))
    table.write(out / "training", f"cost_{scale}", latex=True)
    display(Markdown(f"### {scale}\n\n{table.markdown()}"))
    display(Markdown("\n".join(f"    {line}" for line in arithmetic_lines(config))))
