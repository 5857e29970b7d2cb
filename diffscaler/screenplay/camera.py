"""Words of a script that say how a shot is taken: CLOSE ON, FROM ABOVE, we pan, he walks."""

from __future__ import annotations

import re

from diffscaler.screenplay.shot import Angle, Move, Size

# Words in any case, abbreviations and WIDE in capitals only.
_SIZES: tuple[tuple[str, Size], ...] = (
    (r"(?i:\bextreme close[ -]?up)|\bECU\b", "extreme close-up"),
    (r"(?i:\bclose[ -]?ups?\b|\bclose on\b|\bclose shot\b|\btight on\b)|\bCU\b", "close-up"),
    (r"(?i:\binsert shot\b|\binsert on\b)|\bINSERT\b", "insert"),
    (r"(?i:\bextreme wide\b|\bextreme long\b|\baerial\b)", "extreme wide"),
    (r"(?i:\bwide (?:shot|angle|on)\b|\blong shot\b|\bpanorama\b)|\bWIDE\b", "wide"),
    (r"(?i:\bfull shot\b|\bhead to toe\b)", "full"),
    (r"(?i:\btwo[ -]shot\b|\bmedium shot\b|\bmid[ -]shot\b)", "medium"),
    (r"(?i:\bover (?:his|her|their|the|\w+'s) shoulder\b)", "over the shoulder"),
)
_ANGLES: tuple[tuple[str, Angle], ...] = (
    (r"(?i:\bpoint of view\b)|\bP\.?O\.?V\b", "point of view"),
    (r"(?i:\boverhead\b|\bbird'?s[ -]eye\b|\btop shot\b)", "overhead"),
    (r"(?i:\bfrom above\b|\bhigh angle\b)", "high"),
    (r"(?i:\bfrom below\b|\blow angle\b|\bworm'?s[ -]eye\b)", "low"),
)
_MOVES: tuple[tuple[str, Move], ...] = (
    (r"(?i:\bpan(?:s|ning)?\b.{0,20}\bleft\b)", "pan left"),
    (r"(?i:\b(?:we|camera|slow(?:ly)?) pan(?:s|ning)?\b|\bpan(?:s|ning)? (?:right|to|across|over)\b)", "pan right"),
    (r"(?i:\btilt(?:s|ing)? (?:up|down)\b)", "tilt"),
    (r"(?i:\bzoom(?:s|ing)? (?:in|on|to)\b)", "zoom in"),
    (r"(?i:\bpush(?:es|ing)? in\b|\bdolly in\b|\bmoves? in on\b|\bclosing in on\b)", "push in"),
    (r"(?i:\bpull(?:s|ing)? (?:back|out)\b|\bdolly out\b|\bcrane up\b)", "pull out"),
    (r"(?i:\bhand[ -]?held\b)", "handheld"),
    (r"(?i:\btrack(?:s|ing)? (?:with|shot|along)\b|\b(?:we|camera) follows?\b)", "tracking"),
)
#: A subject that crosses the picture takes the camera along.
_CROSSING = re.compile(
    r"\b(?:runs?|running|races?|racing|drives?|driving|chases?|chasing|gallops?|sprints?|sails?|sailing)\b",
    re.IGNORECASE,
)
#: Things too small for a medium shot.
_DETAIL = re.compile(
    r"\b(?:his|her|their|a|the|\w+'s) "
    r"(?:hands?|fingers?|eyes?|lips|letter|note|watch|key|ring|photo(?:graph)?|screen)\b",
    re.IGNORECASE,
)


def size_in(text: str) -> Size | None:
    """The size a text asks for."""
    asked = next((size for pattern, size in _SIZES if re.search(pattern, text)), None)
    return asked or ("insert" if _DETAIL.search(text) and len(text) < 60 else None)


def angle_in(text: str) -> Angle | None:
    """The angle a text asks for."""
    return next((angle for pattern, angle in _ANGLES if re.search(pattern, text)), None)


def move_in(text: str) -> Move | None:
    """The move of the camera a text asks for, or lets expect."""
    asked = next((move for pattern, move in _MOVES if re.search(pattern, text)), None)
    return asked or ("tracking" if _CROSSING.search(text) else None)
