"""kill -9 while an evaluation is made, resumed by the same command: the same bytes, nothing left behind."""

from tests.chaos.kill_tests import (  # noqa: F401  # pytest finds them here
    test_a_kill_before_every_step_on_the_file_system,
    test_kills_at_random_moments,
)

STAGE = "evaluation"
