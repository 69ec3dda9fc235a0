#!/usr/bin/env bash
# Write the lock files anew after a change to a requirement file: the same exact versions, each with the
# sha256 of every file that the package registry has of it, for all platforms.
#
#     bash scripts/lock_requirements.sh
#
# torch is left out: its builds (CPU, CUDA, ROCm) differ in bytes under one version; see docs/DECISIONS.md.
# uv asks the registry that UV_DEFAULT_INDEX names, else the public one; it is installed for this alone.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check uv==0.13.9

for file in requirements.txt tests/requirements.txt scripts/requirements_{playground,ray}.txt; do
    lock="${file%.txt}.lock"
    [[ "$lock" == */* ]] || lock="scripts/$lock"
    grep -v '^torch==' "$file" >"$work/in.txt"
    {
        echo "# $file with the hashes of every file, without torch. Made by scripts/lock_requirements.sh."
        "$work/venv/bin/uv" pip compile --quiet --no-config --universal --python-version 3.11 --no-deps \
            --generate-hashes --no-header --no-annotate "$work/in.txt"
    } >"$work/out.lock"
    mv "$work/out.lock" "$lock"
    echo "$lock: $(grep -c '==' "$lock") packages, $(grep -c -- '--hash' "$lock") files" >&2
done
