"""Keys name recipes: equal recipes have equal keys, any change has another, and plans survive the way through JSON."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffscaler import plan
from diffscaler.plan import Node
from diffscaler.stage import ModelRef

texts = st.text(max_size=30)
values = st.one_of(texts, st.integers(-(2**53), 2**53), st.booleans(), st.floats(allow_nan=False, allow_infinity=False))
params = st.dictionaries(texts, values, max_size=4)
refs = st.builds(ModelRef, name=texts, revision=texts)
leaves = st.builds(Node, stage=texts, version=st.integers(0, 9), params=params, models=st.tuples(refs))
trees = st.recursive(
    leaves,
    lambda inner: st.builds(
        Node, stage=texts, version=st.integers(0, 9), params=params, inputs=st.lists(inner, max_size=3).map(tuple)
    ),
    max_leaves=6,
)


@given(trees)
def test_plans_survive_json(root: Node) -> None:
    assert plan.load(json.loads(json.dumps(plan.dump(root)))).key == root.key


@given(trees, params)
def test_another_parameter_is_another_key(root: Node, other: dict[str, object]) -> None:
    changed = Node(root.stage, root.version, other, root.models, root.inputs)
    assert (changed.key == root.key) == (plan.canonical_json(other) == plan.canonical_json(root.params))


def test_version_model_revision_and_inputs_all_count() -> None:
    base = Node("upscale", 1, {"scale": 2}, (ModelRef(name="net", revision="a"),), (plan.imported("00"),))
    keys = {
        base.key,
        Node("upscale", 2, base.params, base.models, base.inputs).key,
        Node("upscale", 1, base.params, (ModelRef(name="net", revision="b"),), base.inputs).key,
        Node("upscale", 1, base.params, base.models, (plan.imported("01"),)).key,
        Node("swap_face", 1, base.params, base.models, base.inputs).key,
    }
    assert len(keys) == 5


def test_a_plan_that_was_tampered_with_is_refused() -> None:
    rows = plan.dump(Node("upscale", 1, {"scale": 2}))
    rows[0]["params"]["scale"] = 4
    with pytest.raises(ValueError, match="key"):
        plan.load(rows)


def test_no_chance_in_keys() -> None:
    with pytest.raises(ValueError):
        Node("denoise", 1, {"guidance": math.nan})


def test_shared_inputs_are_listed_once() -> None:
    clip = Node("clip", 1, {})
    root = Node("mix", 1, {}, (), (clip, Node("blur", 1, {}, (), (clip,))))
    assert [at.stage for at in plan.nodes(root)] == ["clip", "blur", "mix"]
