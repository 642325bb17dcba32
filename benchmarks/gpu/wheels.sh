#!/usr/bin/env bash
# Collects the few wheels that a bare GPU machine (torch, torchvision, transformers, accelerate) lacks, for travel in a folder.
#
#   bash benchmarks/gpu/wheels.sh [FOLDER] [PYTHON_VERSION]     here; the default is benchmarks/gpu/wheels and 3.12
#   python -m pip install --no-index --no-deps FOLDER/*.whl     there
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=${1:-benchmarks/gpu/wheels}
version=${2:-3.12}
mkdir -p "$folder"
python3 -m pip download --quiet --no-deps --only-binary=:all: --python-version "$version" \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --platform any \
    --constraint constraints.txt --dest "$folder" \
    diffusers pydantic pydantic-core annotated-types typing-inspection lpips einops typer
du -sh "$folder"
