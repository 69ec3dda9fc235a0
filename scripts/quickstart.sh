#!/usr/bin/env bash
# The whole path on real text with a real pretrained model: data set, four models, tables.
#
#     bash scripts/quickstart.sh
#
# Needs Python 3.11 or later, the package registry and no model hub. With the CPU build of torch,
# 4.4 GB of disk stay in use, and a training needs some more while it runs. What is already there is
# used again.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$root"

# step TITLE COMMAND ...: run it and say how long it took.
n_steps=8
step_number=0
step() {
    local title="$1" started=$SECONDS
    shift
    step_number=$((step_number + 1))
    printf '\n== %d/%d %s\n   %s\n' "$step_number" "$n_steps" "$title" "$*"
    "$@" || {
        local code=$?
        printf 'error: step %d failed: %s. What it said is above; this command again goes on there.\n' \
            "$step_number" "$title" >&2
        exit "$code"
    }
    printf '   done in %d s\n' $((SECONDS - started))
}

python=.venv/bin/python
outputs=(data/demo models/demo_none models/demo_tox models/demo_sen models/demo_toxsen results/demo)

step "Python environment" bash scripts/setup_venv.sh
step "Model and sentences" "$python" scripts/fetch_demo_assets.py
# From here on everything is on this disk.
export HF_HUB_OFFLINE=1
step "Data set: label the sentences" "$python" main_dataset_create.py args/args_dataset_demo
step "Model M-B: no control token" "$python" main_train.py args/args_train_demo_none
step "Model M-T: toxicity" "$python" main_train.py args/args_train_demo_tox
step "Model M-S: sentiment" "$python" main_train.py args/args_train_demo_sen
step "Model M-TS: both" "$python" main_train.py args/args_train_demo_toxsen
step "Evaluation: how often the text misses the label asked for" \
    "$python" main_evaluate.py args/args_evaluate_demo

printf '\n== Everything is there, after %d s\n' "$SECONDS"
for folder in "${outputs[@]}"; do
    printf '   %s\n' "$root/$folder"/*
done
