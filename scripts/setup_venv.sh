#!/usr/bin/env bash
# Make .venv in the repository root, or bring it up to date:
#
#     bash scripts/setup_venv.sh            # what the program needs
#     bash scripts/setup_venv.sh --tests    # and what the tests need
#
# Nothing is done while .venv holds what the requirement files ask for. A set-up that was
# interrupted is done anew by the next one.
#
# Everything but torch (and the NVIDIA libraries that its usual build brings) is installed from the
# .lock files: pip compares each file's sha256 before it installs it. A requirement file that was
# changed needs scripts/lock_requirements.sh.
#
# PYTHON=/path/to/python chooses the interpreter. On Linux, torch's usual build brings several GB of
# NVIDIA's libraries; where they are of no use, set pip's own PIP_EXTRA_INDEX_URL to an index with
# CPU builds of torch, which pip then prefers (2.13.0+cpu satisfies ==2.13.0).
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
venv="$root/.venv"
unfinished="$venv/.set-up-unfinished" # holds the id of the process that is at work

say() { printf '%s\n' "$*" >&2; }
fail() {
    say "error: $*"
    exit 1
}

supported='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))'

# Prints the first suitable interpreter. A name on PATH may be a launcher that leads nowhere: try it.
find_python() {
    local name version found="" names=(python3 python3.14 python3.13 python3.12 python3.11)
    [[ -z "${PYTHON:-}" ]] || names=("$PYTHON")
    for name in "${names[@]}"; do
        version="$("$name" -c 'import platform; print(platform.python_version())' 2>&1)" ||
            version="not there"
        if "$name" -c "$supported" 2>/dev/null; then
            if "$name" -c 'import ensurepip, venv' 2>/dev/null; then
                printf '%s\n' "$name"
                return
            fi
            version+=" without the venv module (on Debian and Ubuntu: install python3-venv)"
        fi
        found+=" $name $version;"
    done
    fail "Python 3.11 to 3.14 is needed, with its venv module; found:$found" \
        "install one, or name it: PYTHON=/path/to/python3.12 bash scripts/..."
}

wait_for_another_set_up() {
    local owner
    while owner="$(cat "$unfinished" 2>/dev/null)" && kill -0 "${owner:-none}" 2>/dev/null; do
        say "waiting for process $owner, which is setting up $venv"
        sleep 5
    done
}

make_venv() {
    local python
    python="$(find_python)"
    say "making $venv with $("$python" --version)"
    rm -rf "$venv"
    mkdir "$venv"
    echo $$ >"$unfinished"
    "$python" -m venv "$venv" || fail "$python could not make a virtual environment in $venv"
}

# install STAMP FILE [PIP ARGUMENT ...]: the stamp is a copy of what was installed, written last.
install() {
    local stamp="$venv/$1" file="$root/$2"
    shift 2
    if cmp -s "$file" "$stamp"; then
        return
    fi
    say "installing ${file#"$root/"} into .venv"
    echo $$ >"$unfinished"
    "$venv/bin/python" -m pip install --disable-pip-version-check "$@" --requirement "$file" ||
        fail "pip could not install $file (its messages are above)." \
            "Check the connection to the package registry and pip's settings, then run this again."
    cp "$file" "$stamp"
}

wait_for_another_set_up
if [[ -e "$unfinished" ]] || ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
    make_venv
fi
install requirements.locked scripts/requirements.lock --require-hashes --no-deps
# All of it is there now, so this brings torch, for which there is no one hash, and checks the rest.
install requirements.installed requirements.txt
if [[ "${1:-}" == --tests ]]; then
    # Whole, whatever is there: the file lists all it needs, and requirements.txt has the rest.
    install requirements-tests.locked tests/requirements.lock --require-hashes --no-deps --force-reinstall
    # The playground is tested too; beside requirements.txt, the file lists all that it needs.
    install requirements-playground.locked scripts/requirements_playground.lock --require-hashes --no-deps
    # So is pass 1 on Ray.
    install requirements-ray.locked scripts/requirements_ray.lock --require-hashes --no-deps
fi
rm -f "$unfinished"
