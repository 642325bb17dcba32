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
# # Two models compared
#
# **Answers:** which of two models is better, in what, by how much, how sure is that, and on which prompts?
#
# Loads a stored comparison (`comparison.json`) and the scores behind it from the folder `5s` of the stored results.
# Draws the table, the differences with their intervals, and the prompts that differ most. Set `PROBEKIT_RESULTS` to
# read other results, `PROBEKIT_OUT` to draw elsewhere than in `reports/sprite`.

# %%
from IPython.display import Image, Markdown, display

from probekit.reporting.comparison_io import read_comparison
from probekit.reporting.comparison_tables import comparison_table
from probekit.reporting.figures import forest_plot, save_figure
from probekit.reporting.prompt_table import largest_dimension, prompt_differences, prompt_table
from probekit.reporting.summary import summary_sentences
from probekit.workflows.notebook import out_folder, results_folder, stored_scores

results, out = results_folder() / "5s", out_folder() / "5s"
record, scores = read_comparison(results), stored_scores(results)

# %% [markdown]
# ## What can be said
#
# A star marks a difference whose interval excludes 0. The interval covers the choice of prompts, not a repeated
# training.

# %%
display(Markdown("\n\n".join(summary_sentences(record))))
display(Markdown(comparison_table(record).markdown()))

# %%
save_figure(forest_plot(record), out / "differences.png")
display(Image(out / "differences.png", width=760))

# %% [markdown]
# ## Prompts that differ most
#
# Differences of single prompts in the dimension with the largest difference. Look at their videos in the report
# before believing a mean.

# %%
row = largest_dimension(record)
table = prompt_table(prompt_differences(scores, record, row), record, row)
display(Markdown(table.markdown()))
