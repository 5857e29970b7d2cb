"""Finds out whether everything the studio stands on really works here, and mends what pip can mend.

python app.py doctor          a table; exit status 1 when something is wrong
python app.py doctor --fix    repairs first
python app.py doctor --json   for programs
"""

from diffscaler.doctor.probes import Check, checks
from diffscaler.doctor.repair import fix
from diffscaler.doctor.report import main

__all__ = ["Check", "checks", "fix", "main"]
