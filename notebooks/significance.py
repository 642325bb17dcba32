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
# # Significance
#
# **Answers:** is the difference of two models real, does that depend on how one resamples, how many dimensions
# survive a correction, are the models equivalent, and how many prompts would a clear answer take?
#
# Reads the scores of two runs from `5s/runs` of the stored results; the paper's table 15 (appendix E) asks the first
# question. Set `PROBEKIT_RESULTS` to read other results, `PROBEKIT_OUT` to write elsewhere than in `reports/sprite`.

# %%
from IPython.display import Image, Markdown, display

from probekit.reporting.comparison_tables import comparison_table
from probekit.reporting.figures import forest_plot, save_figure
from probekit.reporting.resampling_table import resampling_table
from probekit.reporting.significance_tables import significance_table
from probekit.statistics.bootstrap_settings import BootstrapSettings
from probekit.workflows.compare import compare_runs, open_scored_run
from probekit.workflows.notebook import out_folder, results_folder
from probekit.workflows.power import power_lines
from probekit.workflows.significance import write_significance

MODELS = ("sprite-dmd-baseline", "sprite-dmd-foresight")  # the baseline first
MARGIN = 0.5  # percentage points within which two models count as equal

results, out = results_folder() / "5s", out_folder() / "5s"
runs = [open_scored_run(results / "runs" / model) for model in MODELS]

# %% [markdown]
# ## The paired bootstrap, as in the paper
#
# Each dimension's prompts are drawn again 10,000 times, the same ones for both models. The joint method draws prompts
# once for all dimensions that share them, and the two-level method draws videos within prompts too.

# %%
records = [compare_runs(runs, settings=BootstrapSettings(resampling=kind)) for kind in ("paper", "joint", "two-level")]
table = resampling_table(records)
table.write(out, "resampling")
display(Markdown(table.markdown()))

# %%
display(Markdown(comparison_table(records[0]).markdown()))
save_figure(forest_plot(records[0]), out / "differences.png")
display(Image(out / "differences.png", width=760))

# %% [markdown]
# ## Permutation tests, corrections, equivalence
#
# `holm` and `benjamini_hochberg` correct for the number of dimensions. `equivalence_p` is small where the difference
# lies within the margin, which is another statement than "no difference was found".

# %%
rows = write_significance(runs, out, seed=0, margin=MARGIN)
display(Markdown(significance_table(rows, {}).markdown()))

# %% [markdown]
# ## How many prompts it would take

# %%
asked = {"effect": None, "width": None, "prompts": (100, 400, 946), "seed": 0}
display(Markdown("\n".join(f"    {line}" for line in power_lines(*runs, quantity="total", **asked))))
