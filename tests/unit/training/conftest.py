"""A tiny base model of each shape with its data set, made once."""

import pytest
import torch

from tests.builders import tiny_gpt2, tiny_llama
from tests.unit.training.small_data import small_data_set


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Sums of floats depend on the number of threads; a killed run is compared with one here."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def gpt2(tmp_path_factory):
    """(base, data set) of a GPT-2 with a tied head, which also has dropout."""
    folder = tmp_path_factory.mktemp("gpt2")
    base = tiny_gpt2(folder / "base")
    return base, small_data_set(folder / "data", base)


@pytest.fixture(scope="session")
def llama(tmp_path_factory):
    """(base, data set) of a Llama with a head of its own."""
    folder = tmp_path_factory.mktemp("llama")
    base = tiny_llama(folder / "base")
    return base, small_data_set(folder / "data", base)
