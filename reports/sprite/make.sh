#!/usr/bin/env bash
# Every table and figure of this folder from the shipped models; finished videos and scores are kept, so it resumes.
# SHARDS processes share the sampling. About an hour on two cores, but for the last part: it trains both arms three
# times, an hour and a half on two cores, and samples and scores them, another hour.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=${BIN:-.venv/bin}
runs=${RUNS:-runs/report}
here=reports/sprite
shards=${SHARDS:-2}
arms="sprite-dmd-baseline sprite-dmd-foresight"
export OMP_NUM_THREADS=1

sample_and_score() {  # model, suite, folder
    for ((i = 0; i < shards; i++)); do
        "$bin/probekit" sample --model "$1" --suite "$2" --out "$3" --shard "$i/$shards" ${4:-} &
    done
    wait
    for ((i = 0; i < shards; i++)); do
        "$bin/probekit" score "$3" --shard "$i/$shards" &
    done
    wait
}

keep() {  # comparison folder, run folder: the scores behind a table stand beside it
    mkdir -p "$1/runs/$(basename "$2")"
    cp -r "$2/scores" "$2/protocol.json" "$1/runs/$(basename "$2")/"
}

for model in sprite-base sprite-large; do
    sample_and_score "$model" sprite-5s "$runs/teachers/$model" "--samples 1"
    keep "$here/teachers" "$runs/teachers/$model"
done
"$bin/probekit" compare "$runs/teachers/sprite-base" "$runs/teachers/sprite-large" --out "$here/teachers"

for arm in $arms; do
    sample_and_score "$arm" sprite-5s "$runs/5s/$arm"
    sample_and_score "$arm" sprite-30s "$runs/30s/$arm"
    keep "$here/5s" "$runs/5s/$arm"
    keep "$here/30s" "$runs/30s/$arm"
done
for horizon in 5s 30s; do
    "$bin/probekit" compare "$runs/$horizon/sprite-dmd-baseline" "$runs/$horizon/sprite-dmd-foresight" --out "$here/$horizon"
    "$bin/probekit" report "$runs/$horizon/sprite-dmd-baseline" "$runs/$horizon/sprite-dmd-foresight" --out "$runs/$horizon/report"
done
"$bin/probekit" drop "$runs/5s/sprite-dmd-baseline" "$runs/30s/sprite-dmd-baseline" --out "$here/drop" \
    --against "$runs/5s/sprite-dmd-foresight" "$runs/30s/sprite-dmd-foresight"
"$bin/probekit" permanence "$runs/5s/sprite-dmd-baseline" "$runs/5s/sprite-dmd-foresight" --out "$here/permanence"
OMP_NUM_THREADS=2 "$bin/probekit" probe $arms --out "$here/probes"

sweep=$runs/sweeps/foresight
"$bin/trainer" sweep foresight --jobs "$shards" --out "$runs/sweeps"
mkdir -p "$here/foresight"
cp -r "$sweep"/table* "$here/foresight/"
"$bin/probekit" permanence "$sweep/no-foresight/videos" "$sweep"/_runs/{1,2}/no-foresight/videos \
    "$sweep/foresight/videos" "$sweep"/_runs/{1,2}/foresight/videos --out "$here/foresight/permanence"
horizons() { for folder in "$sweep/$1" "$sweep"/_runs/{1,2}/"$1"; do echo "$folder/videos" "$folder/videos-sprite-30s"; done; }
"$bin/probekit" drop $(horizons no-foresight) $(horizons foresight) --out "$here/foresight/drop"
mkdir -p "$runs/exports"
for arm in no-foresight foresight; do
    number=1
    for folder in "$sweep/$arm" "$sweep"/_runs/{1,2}/$arm; do
        ln -sfn "$(realpath "$folder/export")" "$runs/exports/$arm-run-$number"
        number=$((number + 1))
    done
done
"$bin/probekit" weights changes sprite-ode "$runs"/exports/* --out "$here/foresight/moved"
