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
# # Distribution of futures
#
# **Answers:** is what a probe reads in a state one of its futures, or their mean, and are the generator's futures as
# likely as the world's?
#
# Reads what `probekit futures` stored: the values in `probing/futures` of the results (24 held-out states per model,
# 32 futures each), and in `futures` the pictures of two states, which the paper's figures 1 and 6 show. Set
# `PROBEKIT_RESULTS` to read other results, `PROBEKIT_OUT` to draw elsewhere than in `reports/sprite`.

# %%
import pandas
from IPython.display import Image, Markdown, display

from probekit.probing.future_tests import arm_contrasts, future_tests, reliability_rows
from probekit.reporting.figures import save_figure
from probekit.reporting.future_figures import ranks_figure
from probekit.reporting.future_table import arm_table, future_table
from probekit.workflows.notebook import out_folder, results_folder
from trainer.reproduction.drawing import draw_target
from trainer.reproduction.request import Request

MODELS = ("sprite-dmd-baseline", "sprite-dmd-foresight")  # the baseline first
FUTURES = "probing/futures"  # folder of the values

results, out = results_folder(), out_folder()
values = pandas.read_parquet(results / FUTURES / "futures_values.parquet")

# %% [markdown]
# ## One state and its futures

# %%
for target in ("figure06", "figure01"):
    paths = draw_target(target, Request("sprite", results, drawn=out))
    for path in (path for path in paths if path.suffix == ".png"):
        display(Image(path, width=900))

# %% [markdown]
# ## Is the readout nearer to the mean than a future is?
#
# The readout changes places with the futures of its state; the p-value is over prompts.

# %%
table = future_table(future_tests(values))
table.write(out / FUTURES, "futures")
display(Markdown(table.markdown()))
display(Markdown(arm_table(arm_contrasts(values, *MODELS)).markdown()))

# %% [markdown]
# ## Ranks, and the places of the sprite
#
# Were readouts further futures, all ranks would be equally likely. On the right, futures as likely as the world's lie
# on the diagonal.

# %%
save_figure(ranks_figure(values, reliability_rows(values)), out / FUTURES / "ranks.png")
display(Image(out / FUTURES / "ranks.png", width=760))
