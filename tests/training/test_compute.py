from dataclasses import replace

import pytest
import torch

from diffscaler.models import device as devices
from training.compute import CPU, Compute
from training.events import RunError


def test_a_card_that_is_not_there_is_said_in_one_sentence():
    with pytest.raises(RunError) as caught:
        Compute.choose("cuda:99")
    assert caught.value.hint


@pytest.mark.parametrize(("dtype", "product"), [("bfloat16", torch.bfloat16), ("float32", torch.float32),
                                                ("float16", torch.float32)])  # fmt: skip
def test_products_are_lower_only_where_that_is_fast_and_safe(monkeypatch, dtype, product):
    told = replace(devices.pick_device("cpu"), dtype=dtype)
    monkeypatch.setattr("training.compute.pick_device", lambda wanted: told)
    with Compute.choose("auto").autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == product
    with CPU.autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
