"""A plain function as a scorer: found in the working folder, checked, known by its file."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from src.artifacts.provenance import REPOSITORY
from src.attributes import scorer as scorer_module
from src.attributes.attribute import attributes_from_args
from src.attributes.scorer import build_scorer, cached_scorer
from src.config.attributes import AttributeArgs, ScorerArgs
from src.config.scorers import scorer_class
from src.errors import ArtifactError, ScorerError
from src.evaluation.scoring.scored_sentences import check_scorers

NAME = "my_scorers:politeness"
TEXTS = ["please do", "no", "", "thank you, please"]
POLITE = """\
WORDS = ("please", "thank")

def politeness(texts: list[str]) -> list[float]:
    return [float(sum(word in text for word in WORDS)) for text in texts]
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Writes my_scorers.py into the working folder; what was imported of it before is forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(
        sys, "dont_write_bytecode", True
    )  # two files of a second may be of one size
    monkeypatch.setattr(scorer_module, "_CACHE", {})

    def forget() -> None:
        sys.modules.pop("my_scorers", None)
        scorer_class.cache_clear()

    def write(text: str) -> None:
        forget()
        scorer_module._CACHE.clear()
        (tmp_path / "my_scorers.py").write_text(text, encoding="utf-8")

    yield write
    forget()


def gives(expression: str) -> str:
    return f"import numpy as np, torch\n\ndef politeness(texts):\n    return {expression}\n"


def test_a_function_scores(write: Callable[[str], None]) -> None:
    write(POLITE)
    scores = cached_scorer(ScorerArgs(name=NAME)).score(TEXTS)
    assert scores.tolist() == [1.0, 0.0, 0.0, 2.0]
    assert scores.dtype == np.float64
    assert cached_scorer(ScorerArgs(name=NAME)) is cached_scorer(ScorerArgs(name=NAME))
    with pytest.raises(ValueError, match="has no option 'factor'; allowed: none"):
        ScorerArgs(name=NAME, factor=2.0)


@pytest.mark.parametrize(
    "expression",
    [
        "[0, True, 2.5]",
        "(0, 1, 2.5)",
        "np.array([0, 1, 2.5], dtype=np.float32)",
        "[np.int64(0), np.bool_(True), np.float16(2.5)]",
        "torch.tensor([0, 1, 2.5], requires_grad=True)",
        "list(torch.tensor([0, 1, 2.5]))",
        "(score for score in (0, 1, 2.5))",
        "[texts.pop() and 0, 1, 2.5]",
    ],
)
def test_numbers_of_every_kind_are_taken(write: Callable[[str], None], expression: str) -> None:
    write(gives(expression))
    assert build_scorer(ScorerArgs(name=NAME)).score(["a", "b", "c"]).tolist() == [0, 1, 2.5]


@pytest.mark.parametrize(
    "expression,says",
    [
        ("[0.0] * 3", "my_scorers:politeness returned 3 numbers for 4 texts"),
        ("[0.0, None, 1, 1]", "gave no finite number for 'no': it gave None"),
        ("[0.0, 1, 1, float('nan')]", "for 'thank you, please': it gave nan"),
        ("[10**400, 1, 1, 1]", "gave no finite number for 'please do'"),
        ("['0.5'] * 4", "gave no finite number for 'please do': it gave '0.5'"),
        ("np.zeros((4, 1))", r"it gave \[0.0\]"),
        ("0.5", "returned no list but a float for 4 texts"),
        ("dict.fromkeys(texts, 0.5)", "returned no list but a dict"),
        ("None", "returned no list but a NoneType"),
        ("[float(text) for text in texts]", r"ValueError: .*my_scorers.py, line 4: return \[float"),
        ("(1 / 0 for text in texts)", r"raised ZeroDivisionError: .*line 4: return \(1 / 0"),
        ("len(texts.split())", "'list' object has no attribute 'split' .*to take a list of texts"),
        ("np.dot([1, 2], [1])", r"raised ValueError: shapes .*line 4: return np\.dot"),
    ],
)
def test_what_is_no_number_for_each_text_is_one_clear_error(
    write: Callable[[str], None], expression: str, says: str
) -> None:
    write(gives(expression))
    with pytest.raises(ScorerError, match=says) as caught:
        build_scorer(ScorerArgs(name=NAME)).score(TEXTS)
    assert str(caught.value).startswith(NAME)
    assert "\n" not in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_other_parameters_than_one_list_are_an_error(write: Callable[[str], None]) -> None:
    write("\ndef politeness(text, language):\n    return 0.0\n")
    with pytest.raises(ScorerError, match=r"missing 1 required .*my_scorers.py, line 2\); it has"):
        build_scorer(ScorerArgs(name=NAME)).score(TEXTS)


def test_a_changed_file_is_another_scorer(write: Callable[[str], None]) -> None:
    attribute = {"scorer": {"name": NAME}, "labels": ["plain", "polite"], "edges": [0.0]}
    args = AttributeArgs.model_validate
    write(POLITE)
    attributes = attributes_from_args({"tone": args({**attribute, "desired": "polite"})})
    recorded = {"tone": cached_scorer(attributes["tone"].scorer).fingerprint()}
    assert recorded["tone"]["name"] == NAME
    write(POLITE)
    assert check_scorers(attributes, recorded) == recorded
    write(POLITE.replace('"thank"', '"thanks"'))
    with pytest.raises(ArtifactError, match=r"tone.sha256 of module my_scorers: was") as caught:
        check_scorers(attributes, recorded)
    assert "files that the data set was made with" in str(caught.value)


def test_the_file_that_a_function_is_imported_from_counts_too(
    write: Callable[[str], None], tmp_path: Path
) -> None:
    (tmp_path / "tone.py").write_text(POLITE)
    write("from tone import politeness\n")
    try:
        found = build_scorer(ScorerArgs(name=NAME)).fingerprint()
    finally:
        sys.modules.pop("tone", None)
    assert {"sha256 of module my_scorers", "sha256 of module tone"} <= set(found)


@pytest.mark.parametrize(
    "name,says",
    [
        ("my_scorer:politeness", r"no module my_scorer: looked in {cwd}, .*mean my_scorers:polite"),
        ("my_scorers.py:politeness", "no module my_scorers.py: .*mean my_scorers:politeness"),
        ("tones.my_scorers:x", "no module tones.my_scorers: looked in {cwd}"),
        (
            "my_scorers:politness",
            r"\({cwd}/my_scorers.py\) has no 'politness'.*mean my_scorers:poli",
        ),
        ("my_scorers:", "has no ''"),
        ("my_scorers", "allowed: .*, or module:function or module:Class"),
        (":politeness", "cannot be imported: ValueError: Empty module name"),
        ("my_scorers:WORDS", "is a tuple; needed is a function, or a subclass of `Scorer`"),
        ("my_scorers:Path", "is a class; needed"),
        ("subprocess:call", "a function of an installed package .*: write one that calls it"),
        ("my_scorers:iskeyword", "is a builtin_function_or_method"),
    ],
)
def test_a_name_that_leads_to_no_scorer_says_why(
    write: Callable[[str], None], tmp_path: Path, name: str, says: str
) -> None:
    write(f"from pathlib import Path\nfrom keyword import iskeyword\n{POLITE}")
    with pytest.raises(ValueError, match=says.format(cwd=tmp_path)):
        ScorerArgs(name=name)


@pytest.mark.parametrize(
    "text,says",
    [
        (
            "import nonesuch\n",
            "No module named 'nonesuch' .*my_scorers.py, line 1: import nonesuch",
        ),
        ("\nint('a')\n", r"cannot be imported: ValueError: .*my_scorers.py, line 2: int\('a'\)"),
        ("def politeness(texts)\n", r"SyntaxError: expected ':' \(my_scorers.py, line 1\)"),
    ],
)
def test_a_file_that_cannot_be_imported_says_where(
    write: Callable[[str], None], text: str, says: str
) -> None:
    write(text)
    with pytest.raises(ValueError, match=says):
        ScorerArgs(name=NAME)


def _score_in_worker(args: ScorerArgs) -> list[float]:
    return cached_scorer(args).score(TEXTS).tolist()


@pytest.mark.parametrize("start", ["fork", "spawn", "forkserver"])
def test_workers_find_it_too(write: Callable[[str], None], start: str) -> None:
    write(POLITE)
    scorer = cached_scorer(ScorerArgs(name=NAME))
    again = pickle.loads(pickle.dumps(scorer))
    assert again.fingerprint() == scorer.fingerprint()
    with multiprocessing.get_context(start).Pool(1) as pool:
        assert pool.map(_score_in_worker, [ScorerArgs(name=NAME)]) == [again.score(TEXTS).tolist()]


def test_a_script_elsewhere_finds_it_and_packages_stay_first(
    write: Callable[[str], None], tmp_path: Path
) -> None:
    write(POLITE)
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')\n")
    script = tmp_path / "scripts" / "run.py"
    script.parent.mkdir()
    script.write_text(
        "from src.config.scorers import scorer_class\n"
        f"print(scorer_class({NAME!r})(None).score(['please']))\n"
        "import json.tool, colorsys\n"
    )
    (tmp_path / "colorsys.py").write_text("raise SystemExit('the wrong colorsys')\n")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "[1.]\n"), done.stderr
