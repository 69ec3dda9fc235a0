#!/usr/bin/env bash
# Check style and types, and run all tests, in .venv of the repository root:
#
#     bash scripts/test.sh [pytest's own arguments, such as -k dataset]
#
# The tests of the pages drive a Chromium of the system's: on PATH, or named by CHROMIUM=/path/to/it. Where
# there is none they fail and say so; `-m "not browser"` leaves them out.
#
# Several tests run at a time; `--numprocesses 0` runs them one after the other.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$root"
bash scripts/setup_venv.sh --tests

# The tests need no hub, and must not depend on one.
export HF_HUB_OFFLINE=1
# Two test processes, one thread each; the tokenizers' own threads do not survive a fork.
export OMP_NUM_THREADS=1
export TOKENIZERS_PARALLELISM=false

.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
.venv/bin/python -m pytest --numprocesses 2 --dist loadfile "$@"
