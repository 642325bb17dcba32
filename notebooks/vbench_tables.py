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
# # VBench tables of 5 s and 30 s videos
#
# **Answers:** what does foresight change in each dimension of Quality and Semantic, for short and for long videos,
# beside the paper's tables 8, 9 and 15, and how much does each model lose from 5 s to 30 s?
#
# Reads the comparisons in `5s` and `30s` of the stored results. Those of this repository are of the sprite world: its
# dimensions have VBench's names and structure and other formulas, so signs compare and sizes do not; each table says
# so. Set `PROBEKIT_RESULTS` to the folder of `trainer reproduce table08 --scale wan` for the real ones, and
# `PROBEKIT_OUT` to write elsewhere than in `reports/sprite`.

# %%
from IPython.display import Markdown, display

from probekit.reporting.drop_table import drop_table
from probekit.workflows.drop import drop_of_runs
from probekit.workflows.notebook import out_folder, results_folder
from trainer.reproduction.drawing import draw_target
from trainer.reproduction.request import Request

MODELS = ("sprite-dmd-baseline", "sprite-dmd-foresight")  # the baseline first

results, out = results_folder(), out_folder()
request = Request("sprite", results, drawn=out)


def show(target):
    (page,) = (path for path in draw_target(target, request) if path.suffix == ".md")
    display(Markdown(page.read_text()))


# %% [markdown]
# ## Dimensions of Quality (table 8)

# %%
show("table08")

# %% [markdown]
# ## Dimensions of Semantic (table 9)
#
# The paper prints no semantic dimension for 30 s but two; ours has them, because the sprite world knows what was
# asked.

# %%
show("table09")

# %% [markdown]
# ## Quality, Semantic and Total with their intervals (table 15)

# %%
show("table15")

# %% [markdown]
# ## From 5 s to 30 s
#
# Drops on the prompts that both horizons have, and whether they differ between the models.

# %%
pairs = [(results / "5s" / "runs" / model, results / "30s" / "runs" / model) for model in MODELS]
table = drop_table(drop_of_runs(pairs))
table.write(out / "drop", "drop")
display(Markdown(table.markdown()))
