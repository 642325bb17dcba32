#!/usr/bin/env bash
# Every table and figure of this folder: natural clips and published videos under packaged networks. Finished scores are
# kept, so it resumes. DATA is the folder with natural/ and video_mirai_page/.
set -euo pipefail
cd "$(dirname "$0")/../../.."
bin=${BIN:-.venv/bin}
data=${DATA:-../shared/data}
runs=${RUNS:-runs/natural}
here=reports/real_videos/natural
export OMP_NUM_THREADS=1

mkdir -p "$runs"
"$bin/python" - "$data" "$runs" <<'PYTHON'
import csv
import pathlib
import sys

data, runs = map(pathlib.Path, sys.argv[1:])
names = ("file", "prompt_id", "prompt", "horizon", "model")


def write(name, folder, lines):
    with (runs / name).open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(names)
        for line in lines:
            table.writerow([(folder / line["file"]).resolve(), *(line[name] for name in names[1:])])


clips = list(csv.DictReader((data / "natural/natural.csv").open()))
for clip in clips:  # two clips of one scene are two prompts here
    clip |= {"prompt": f"{clip['prompt']} ({clip['prompt_id']})", "horizon": "clip", "model": "real"}
write("clips.csv", data / "natural", clips)
page = list(csv.DictReader((data / "video_mirai_page/videos.csv").open()))
write("page.csv", data / "video_mirai_page", [video for video in page if not video["training_offsets"]])
PYTHON

"$bin/probekit" natural setup
"$bin/probekit" score "$runs/page.csv" --suite natural --out "$runs"
"$bin/probekit" score "$runs/clips.csv" --suite natural --out "$runs"
for horizon in 5s 30s; do
    "$bin/probekit" compare "$runs/Causal-Forcing--$horizon" "$runs/Video-Mirai--$horizon" \
        --out "$here/comparison_$horizon"
done
"$bin/probekit" horizon "$runs/clips.csv" --out "$runs/detectors"
mkdir -p "$here/detectors"
cp "$runs/detectors/horizon.md" "$runs/detectors/detections.csv" "$here/detectors/"
for run in "$runs"/*--*; do # the scores behind a table stand beside it
    mkdir -p "$here/scores/$(basename "$run")"
    rm -rf "$here/scores/$(basename "$run")/scores"
    cp -r "$run/scores" "$run/protocol.json" "$here/scores/$(basename "$run")/"
done
