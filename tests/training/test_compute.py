import pytest
import torch

from training.compute import CPU, Compute
from training.events import RunError


def test_a_card_that_is_not_there_is_said_in_one_sentence():
    if torch.cuda.is_available():
        pytest.skip("this machine has a card")
    with pytest.raises(RunError) as caught:
        Compute.choose("cuda")
    assert caught.value.hint


def test_the_cpu_computes_in_what_it_is_fast_in():
    chosen = Compute.choose("cpu")
    assert chosen.device.type == "cpu" and chosen.lower in (None, torch.bfloat16)
    with chosen.autocast():
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == (chosen.lower or torch.float32)
    assert CPU.lower is None and CPU.put(product).device.type == "cpu"
