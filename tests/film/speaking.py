"""A small program in place of espeak-ng: it writes down how it was called and speaks in tones."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

PROGRAM = """#!{python}
import json, math, struct, sys, wave
if "--version" in sys.argv:
    print("eSpeak NG text-to-speech: 9.87  Data at: /nowhere")
    raise SystemExit
said = sys.stdin.buffer.read().decode("utf-8")
with open({log!r}, "a", encoding="utf-8") as log:
    log.write(json.dumps({{"arguments": sys.argv[1:], "said": said}}) + "\\n")
if "fail" in said:
    sys.stderr.write("voice does not exist\\n")
    raise SystemExit(3)
rate, wpm = 22050, int(sys.argv[sys.argv.index("-s") + 1])
count = int(rate * 60 * len(said.split()) / wpm)
tone = [int(20000 * math.sin(2 * math.pi * 440 * at / rate)) for at in range(count)]
with wave.open(sys.argv[sys.argv.index("-w") + 1], "wb") as file:
    file.setnchannels(1); file.setsampwidth(2); file.setframerate(rate)
    file.writeframes(struct.pack(f"<{{len(tone) + 2000}}h", *[0] * 2000, *tone))
"""


class FakeSpeech:
    """folder: to be the first on PATH."""

    def __init__(self, root: Path) -> None:
        self.folder, self.log = root / "speech", root / "speech.log"
        self.folder.mkdir()
        program = self.folder / "espeak-ng"
        program.write_text(PROGRAM.format(python=sys.executable, log=str(self.log)), encoding="utf-8")
        program.chmod(0o755)
        self.path = f"{self.folder}{os.pathsep}{os.environ['PATH']}"

    @property
    def calls(self) -> list[dict[str, object]]:
        """{"arguments", "said"} of each, in order."""
        lines = self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []
        return [json.loads(line) for line in lines]
