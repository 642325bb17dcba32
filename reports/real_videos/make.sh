#!/usr/bin/env bash
# Every table and figure of this folder from the published videos; finished scores are kept, so it resumes.
# About five minutes on two busy cores. DATA is the folder with videos.csv and probe.csv.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=${BIN:-.venv/bin}
data=${DATA:-../shared/data/video_mirai_page}
runs=${RUNS:-runs/real}
clips=${runs}_clips
here=reports/real_videos
pair="Causal-Forcing Video-Mirai"
export OMP_NUM_THREADS=1

keep() {  # run folder, folder here: the scores behind a table stand beside it
    mkdir -p "$2"
    rm -rf "$2/scores"
    cp -r "$1/scores" "$1/protocol.json" "$2/"
}

"$bin/probekit" score "$data/videos.csv" --out "$runs"
for horizon in 5s 30s; do
    "$bin/probekit" compare "$runs/Causal-Forcing--$horizon" "$runs/Video-Mirai--$horizon" \
        --out "$here/comparison_$horizon"
    for model in $pair; do
        "$bin/probekit" total "$runs/$model--$horizon" --out "$here/totals"
        keep "$runs/$model--$horizon" "$here/scores/$model--$horizon"
    done
done

# The same 30 s videos under VBench-Long's clip rule.
for model in $pair; do
    run="$clips/$model--30s"
    mkdir -p "$run"
    cp "$runs/$model--30s/manifest.json" "$run/"
    [ -f "$run/protocol.json" ] || cp "$runs/$model--30s/protocol.json" "$run/"
    "$bin/probekit" score "$run" --clips vbench-long
    keep "$run" "$here/scores/$model--30s-clips"
done
"$bin/probekit" compare "$clips/Causal-Forcing--30s" "$clips/Video-Mirai--30s" --out "$here/comparison_30s_clips"

"$bin/probekit" horizon "$runs/Causal-Forcing--30s" "$runs/Video-Mirai--30s" --out "$here/horizon"
"$bin/probekit" readouts "$data/probe.csv" --out "$here/readouts"
