"""Whatever a clip went through has a name in the page, while it runs and afterwards."""

from diffscaler.progress import LABELS
from diffscaler.stages import STAGES
from ui.lineage import NAMES


def test_every_stage_is_named_while_it_runs_and_in_a_clip_s_story():
    assert set(STAGES) <= set(LABELS) and set(STAGES) <= set(NAMES)
