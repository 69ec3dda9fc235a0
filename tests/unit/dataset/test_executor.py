"""What the workers of pass 1 share."""

from importlib.util import find_spec

from src.config.scorers import SCORERS, scorer_class
from src.dataset.executors.local_executor import executor_for


def test_what_scorers_import_slowly_is_imported_once_for_all_workers(make_args, tmp_path):
    attributes = make_args().model_dump(mode="json")["attributes"]
    scorers = {name: one["scorer"]["name"] for name, one in attributes.items()}
    assert scorers == {"toxicity": "profanity_check", "sentiment": "vader"}
    both = executor_for(make_args(), [], tmp_path)
    assert both.shared_imports == ("src.dataset.pass_one.pass_one", "profanity_check")
    vader = make_args(attributes={"sentiment": attributes["sentiment"]})
    assert executor_for(vader, [], tmp_path).shared_imports == ("src.dataset.pass_one.pass_one",)


def test_slow_imports_are_modules_that_are_installed():
    slow = {name: scorer_class(name).slow_imports for name in SCORERS}
    assert slow["profanity_check"]
    assert all(find_spec(module) for modules in slow.values() for module in modules)
