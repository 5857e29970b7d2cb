import pytest

from training.events import RunError
from training.lock import only_run_in


def test_a_second_run_in_the_same_folder_is_refused_with_a_hint(tmp_path):
    refused = pytest.raises(RunError, match="still using this folder")
    with only_run_in(tmp_path / "out", False), refused as caught, only_run_in(tmp_path / "out", False, wait_s=0.2):
        pass
    assert caught.value.hint


def test_the_folder_is_free_again_afterwards(tmp_path):
    with pytest.raises(KeyError), only_run_in(tmp_path, False):
        raise KeyError
    with only_run_in(tmp_path, False, wait_s=0):
        pass


def test_a_run_that_waits_can_be_stopped(tmp_path):
    with only_run_in(tmp_path, False), pytest.raises(RunError), only_run_in(tmp_path, True, wait_s=60):
        pass
