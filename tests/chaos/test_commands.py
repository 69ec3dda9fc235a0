"""The warm process itself: what one command's death must not do to the next."""

import signal


def test_a_command_killed_in_its_progress_bar_leaves_no_lock_to_the_next(commands):
    for _ in range(2):
        commands.run("tests/chaos/die_in_a_progress_bar.py", expect=-signal.SIGKILL)


def test_a_command_can_be_killed_as_soon_as_it_is_started(commands):
    for _ in range(50):
        command = commands.start("tests/chaos/die_in_a_progress_bar.py")
        command.kill()
        assert command.wait().code == -signal.SIGKILL
