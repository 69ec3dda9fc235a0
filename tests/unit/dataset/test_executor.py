"""What the workers of pass 1 share."""

from importlib.util import find_spec

import pytest

from src.attributes.scorer import cached_scorer
from src.config.attributes import ScorerArgs
from src.config.scorers import SCORERS
from src.dataset.executor import executor_for


def test_what_scorers_import_slowly_is_imported_once_for_all_workers(make_args, tmp_path):
    attributes = make_args().model_dump(mode="json")["attributes"]
    scorers = {name: one["scorer"]["name"] for name, one in attributes.items()}
    assert scorers == {"toxicity": "profanity_check", "sentiment": "vader"}
    both = executor_for(make_args(), [], tmp_path)
    assert both.shared_imports == ("src.dataset.pass_one", "profanity_check")
    vader = make_args(attributes={"sentiment": attributes["sentiment"]})
    assert executor_for(vader, [], tmp_path).shared_imports == ("src.dataset.pass_one",)


@pytest.mark.parametrize("name", SCORERS)
def test_slow_imports_are_modules_that_are_installed(name):
    options = {"model": "owner/name"} if name == "huggingface" else {}
    for module in cached_scorer(ScorerArgs(name=name, **options)).slow_imports:
        assert find_spec(module) is not None
