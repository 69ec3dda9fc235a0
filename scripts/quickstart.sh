#!/usr/bin/env bash
# The whole path on real text with a real pretrained model: data set, four models, texts, report.
#
#     bash scripts/quickstart.sh
#
# Needs Python 3.11 or later, the package registry and no model hub. With the CPU build of torch,
# 4.4 GB of disk stay in use, and a training needs some more while it runs. What is already there is
# used again.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$root"

# step TITLE WHAT_FOR COMMAND ...: run it and say how long it took. Times are of two CPU cores.
n_steps=9
step_number=0
step() {
    local title="$1" what_for="$2" started=$SECONDS
    shift 2
    step_number=$((step_number + 1))
    printf '\n== %d/%d %s: %s\n   %s\n' "$step_number" "$n_steps" "$title" "$what_for" "$*"
    "$@" || {
        local code=$?
        printf 'error: step %d failed: %s. What it said is above; run this command again to resume.\n' \
            "$step_number" "$title" >&2
        exit "$code"
    }
    # The last step ends on a full screen.
    ((step_number == n_steps)) || printf '   done in %d s\n' $((SECONDS - started))
}

python=.venv/bin/python

step "Python environment" "torch and the libraries, once (1 to 3 minutes)" bash scripts/setup_venv.sh
step "Model and sentences" "a small language model and real text, as packages (1 minute)" \
    "$python" scripts/fetch_demo_assets.py
# From here on everything is on this disk.
export HF_HUB_OFFLINE=1
step "Data set" "label every sentence: toxic or not, positive or negative (20 s)" \
    "$python" main_dataset_create.py args/args_dataset_demo
step "Model M-TS" "learns a control token for each label of both (2.5 minutes)" \
    "$python" main_train.py args/args_train_demo_toxsen
step "First texts" "what M-TS writes: asked for nothing, for nontoxic + pos, with contrast decoding (20 s)" \
    "$python" scripts/generate.py models/demo_toxsen --prompt "The hotel" --ask nontoxic pos \
    --contrast 2 --compare
step "Model M-B" "learns no token: the baseline (2.5 minutes)" \
    "$python" main_train.py args/args_train_demo_none
step "Model M-T" "learns the tokens of toxicity alone (2.5 minutes)" \
    "$python" main_train.py args/args_train_demo_tox
step "Model M-S" "learns the tokens of sentiment alone (2.5 minutes)" \
    "$python" main_train.py args/args_train_demo_sen
step "Evaluation" "all four write; how often do they miss the label asked for? (5 minutes)" \
    "$python" main_evaluate.py args/args_evaluate_demo
printf '== All is there after %d s: data/, models/ and results/ in %s\n' "$SECONDS" "$root"
