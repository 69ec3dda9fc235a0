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

printf '== Python environment: torch and the libraries, once (1 to 3 minutes)\n'
bash scripts/setup_venv.sh
printf '\n== Model and sentences: a small language model and real text, as packages (1 minute)\n'
.venv/bin/python scripts/fetch_demo_assets.py
printf '\nFrom here on all is on this disk. On two CPU cores: first texts after 4 minutes, all after 15.\n'
HF_HUB_OFFLINE=1 exec .venv/bin/python scripts/run_all.py args/args_dataset_demo
