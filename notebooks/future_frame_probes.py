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
# # Future-frame probes
#
# **Answers:** what can be read in a state of the frames one, two and three chunks ahead, does foresight make it
# easier, and does any of it survive the controls?
#
# Reads the probes' values from `probing/probes/frame` of the stored results: means over the five videos of each
# held-out prompt, mean squared error alone. `probekit probe` writes `probe_values.parquet`, video by video, which
# serves as well. Draws what the paper's figure 5 (right) and appendix F show. Set `PROBEKIT_RESULTS` to read other
# results, `PROBEKIT_OUT` to draw elsewhere than in `reports/sprite`.

# %%
import pandas
from IPython.display import Image, Markdown, display

from probekit.evaluation.reference.metrics import MSE
from probekit.probing.probe_comparison import compare_probes, contrast_table, seed_spread
from probekit.reporting.figures import save_figure
from probekit.reporting.probe_figures import probe_errors_figure
from probekit.reporting.probe_table import conclusion_table, probe_table, spread_table
from probekit.workflows.notebook import out_folder, results_folder
from trainer.reproduction.drawing import draw_target
from trainer.reproduction.request import Request

MODELS = ("sprite-dmd-baseline", "sprite-dmd-foresight")  # the baseline first
PROBES = "probing/probes/frame"  # folder of the probes

results, out = results_folder(), out_folder()
values = pandas.read_parquet(results / PROBES / "prompt_values.parquet")

# %% [markdown]
# ## Error by horizon and depth
#
# A generator whose videos hardly move is easy to read ahead: that is what the copy of the current frame is for.

# %%
save_figure(probe_errors_figure(values, MSE.metric_id), out / PROBES / "probes.png")
display(Image(out / PROBES / "probes.png", width=1000))

# %% [markdown]
# ## What survives which control
#
# "better" and "worse" mean that the 95 % interval of the paired difference over held-out prompts excludes 0.

# %%
contrasts = contrast_table(compare_probes(values, *MODELS))
display(Markdown(conclusion_table(contrasts, MSE.metric_id).markdown()))

# %%
between = contrasts[contrasts.arm.isna()]
display(Markdown(probe_table(between, MSE.metric_id).markdown()))
display(Markdown(spread_table(seed_spread(values)).markdown()))

# %% [markdown]
# ## As in the paper
#
# Figure 5 (right) and appendix F, from the stored contrasts.

# %%
for target in ("figure05", "appendixF"):
    paths = draw_target(target, Request("sprite", results, drawn=out))
    for path in (path for path in paths if path.suffix == ".png"):
        display(Image(path, width=760))
