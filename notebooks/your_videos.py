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
# # A new model from a folder of videos
#
# **Answers:** how good are the videos of a model that this toolkit has never seen, how do they change over time, and
# are they better than those of another model?
#
# Set `PROBEKIT_VIDEOS` to the folder of the new model and `PROBEKIT_BASELINE_VIDEOS` to that of the other one; files
# of one prompt have one name, as `<prompt>-<i>.mp4`. Without them the notebook makes a few videos: the sprite world's
# own in the place of the new model, and those of a shipped generator. Set `PROBEKIT_OUT` to write elsewhere than in
# `reports/sprite`.

# %%
from IPython.display import Image, Markdown, display

from probekit.reporting.cells import not_run_text
from probekit.reporting.comparison_tables import comparison_table
from probekit.reporting.figures import forest_plot, save_figure
from probekit.reporting.horizon_figures import curves_figure
from probekit.reporting.horizon_tables import change_table, detector_table, fired_shares, write_tables
from probekit.reporting.total_table import total_table
from probekit.suites.registry import load_suite
from probekit.workflows.compare import compare_runs, open_scored_run
from probekit.workflows.horizon import diagnose_sources, horizon_record, open_sources
from probekit.workflows.import_videos import import_video_folder
from probekit.workflows.notebook import BASELINE_VARIABLE, VIDEOS_VARIABLE, chosen_folder, out_folder
from probekit.workflows.report import report_runs
from probekit.workflows.sample import sample_suite
from probekit.workflows.score import score_run
from probekit.workflows.total import total_of_run

PROMPTS = 6  # of the videos that are made where no folder is given; fewer have no interval

out = out_folder() / "your_videos"


def videos_of(variable, stand_in):
    """The chosen folder, or videos of a model that stands in for it."""
    folder = chosen_folder(variable)
    if folder is None:
        folder = out / "made" / stand_in
        sample_suite(stand_in, load_suite("sprite-5s").reduced(PROMPTS, 1), folder)
        folder = folder / "videos"
    return folder


folders = {
    "baseline": videos_of(BASELINE_VARIABLE, "sprite-dmd-baseline"),
    "new": videos_of(VIDEOS_VARIABLE, "sprite-world"),
}

# %% [markdown]
# ## Scores
#
# Every dimension of VBench that needs no network, with how many videos have it; the others are named. Where weights
# are, `probekit score --backend fast` or `--suite natural` gives more.

# %%
runs = []
for name, folder in folders.items():
    (root, *others), problems = import_video_folder(folder, out / "runs", model=name)
    for problem in problems:
        print(f"{problem.path}: {problem.problem}")
    summary = score_run(root)
    runs.append(open_scored_run(root))
    print(not_run_text({missing.dimension: missing.reason for missing in summary.not_run}, "see the log"))
    display(Markdown(f"### {name}\n\n{total_table(total_of_run(runs[-1], 'prompt-mean')).markdown()}"))

# %% [markdown]
# ## Against the other model

# %%
record = compare_runs(runs)
display(Markdown(comparison_table(record).markdown()))
save_figure(forest_plot(record), out / "differences.png")
display(Image(out / "differences.png", width=760))

# %% [markdown]
# ## Second by second
#
# Freezes, loops, strobes, seams between chunks, drift; and what changes from the first seconds to the last.

# %%
opened = open_sources([run.root for run in runs])
diagnoses, _ = diagnose_sources(opened.sources)
long = horizon_record(diagnoses)
write_tables(long, out / "horizon")
print("\n".join(fired_shares(diagnoses)))
display(Markdown(detector_table(diagnoses).markdown()))
display(Markdown(change_table(long).markdown()))
save_figure(curves_figure(long), out / "horizon" / "curves.png")
display(Image(out / "horizon" / "curves.png", width=760))

# %% [markdown]
# ## The page
#
# Both models' videos in step, side by side, under a wipe, and every prompt by its difference.

# %%
display(Markdown(f"Open `{report_runs(runs, record, out / 'report')}`."))
