"""Nothing of its own: says what to do where a command is run outside of its environment."""

import importlib.util
import sys

if importlib.util.find_spec("pydantic") is None:
    sys.stderr.write(
        f"error: {sys.executable} does not have the packages of requirements.txt: "
        "source .venv/bin/activate (bash scripts/setup_venv.sh makes it)\n"
    )
    raise SystemExit(2)
