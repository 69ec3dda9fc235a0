"""kill -9 while a model is trained, resumed by the same command: equal weights, nothing left behind."""

from tests.chaos.kill_tests import (  # noqa: F401  # pytest finds them here
    test_a_kill_before_every_step_on_the_file_system,
    test_kills_at_random_moments,
)

STAGE = "training"
