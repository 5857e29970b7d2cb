"""The stage that puts clips of one size and rate one behind the other, with what is burnt in."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import ClassVar

import numpy as np

from diffscaler.errors import InvalidRequest, MediaError
from diffscaler.film.burn_in import burnt_in, captioned
from diffscaler.film.cutting import ShotInFilm, faded, mixed, parts_of
from diffscaler.media import Chunk, ClipMeta, Frames, Stream, gathered
from diffscaler.screenplay.export.timecode import frame_of, timecode_of
from diffscaler.stage import ModelRef, Params, StageContext
from diffscaler.video.soundtrack import Caption, at_frame


class JoinShotsParams(Params):
    """labels: one a clip, burnt in with the timecode; none: the pictures stay clean

    rate: its name, for the timecode; timecode: of the first frame, a semicolon counts drop-frame
    shots: which frames of each clip are shown, with dissolves and fades; none: all of them, with hard cuts
    captions: words burnt in, by frames of the film
    """

    labels: tuple[str, ...] = ()
    rate: str = "24"
    timecode: str = "01:00:00:00"
    shots: tuple[ShotInFilm, ...] = ()
    captions: tuple[Caption, ...] = ()
    later: ClassVar[frozenset[str]] = frozenset({"labels", "rate", "timecode", "shots", "captions"})


class JoinShots:
    """Clips as a film. It joins, as its inputs are read one after another, two of them at once where one turns into the
    other; a chunk of each of these is in memory at a time, however many there are."""

    name, version, lookback, joins = "join_shots", 2, 0, True
    Params = JoinShotsParams

    def __init__(self, params: JoinShotsParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def reads_from(self, start: int) -> int:
        """Clips are read from their own first frame; those that lie before `start` are not read at all."""
        return 0

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        """Raises InvalidRequest for clips of several sizes or rates, and for frames a clip does not have."""
        first = inputs[0]
        for meta in inputs:
            if (meta.width, meta.height, meta.fps) != (first.width, first.height, first.fps) or meta.vfr:
                raise InvalidRequest(
                    "Clips of several sizes or frame rates cannot be joined.", "Bring them to one size and rate first."
                )
        count = sum(shot.frames for shot in self._shots(inputs))
        return first.change(
            kind="frames", num_frames=count, duration_s=float(count / first.fps), sound=None, still=False
        )

    def _shots(self, inputs: tuple[ClipMeta, ...]) -> tuple[ShotInFilm, ...]:
        shots = self.params.shots or tuple(ShotInFilm(start=0, stop=meta.num_frames) for meta in inputs)
        ends = [shot.dissolve // 2 for shot in shots[1:]] + [0]
        fits = len(shots) == len(inputs) and all(
            shot.dissolve // 2 <= shot.start < shot.stop <= meta.num_frames - end
            for shot, end, meta in zip(shots, ends, inputs, strict=True)
        )
        if not fits or shots[0].dissolve:
            raise InvalidRequest("The cut asks for frames that its clips do not have.", "Make the shots longer.")
        return shots

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        metas = tuple(source.meta for source in inputs)
        whole = self.describe(metas)

        def timed() -> Iterator[tuple[Frames, float]]:
            pictures = self._pictures(inputs, self._shots(metas), ctx.start)
            for index, (frame, number) in enumerate(pictures, ctx.start):
                ctx.step(index + 1, whole.num_frames, "frame")
                yield self._told(frame, number, index), index * whole.fps.denominator / whole.fps.numerator

        yield from gathered(timed(), ctx.start, whole.chunk_frames)

    def _pictures(
        self, inputs: tuple[Stream, ...], shots: tuple[ShotInFilm, ...], start: int
    ) -> Iterator[tuple[Frames, int]]:
        """The film's pictures from frame `start` on, each with the number of the shot it is named by."""
        begins = list(np.cumsum([0, *(shot.frames for shot in shots)]))
        reading: dict[int, Generator[tuple[int, Frames], None, None]] = {}

        def picture(number: int, index: int) -> Frames:
            """Of a shot, what frame `index` of the film shows; asked for in rising order."""
            shot = shots[number]
            wanted = shot.start + index - int(begins[number])
            source = reading.setdefault(number, _numbered(inputs[number]))
            frame = next((frame for at, frame in source if at == wanted), None)
            if frame is None:
                raise MediaError(f"Clip {number + 1} of the film holds fewer frames than it says.", "Make it again.")
            return faded(frame, shot, wanted - shot.start)

        for part in parts_of(shots):
            for index in range(max(start, part.start), part.stop):
                frame = picture(part.shot, index)
                if not part.mixed:
                    yield frame.copy(), part.shot  # a view would keep all of its chunk in memory
                    continue
                other = picture(part.shot + 1, index)
                frames = part.stop - part.start
                at_cut = index >= part.start + frames // 2
                yield mixed(frame, other, index - part.start, frames), part.shot + at_cut
            if part.stop >= begins[part.shot + 1] and (read := reading.pop(part.shot, None)):
                read.close()

    def _told(self, frame: Frames, number: int, index: int) -> Frames:
        p = self.params
        if text := at_frame(p.captions, index):
            frame = captioned(frame, text)
        if p.labels:
            code = timecode_of(frame_of(p.timecode, p.rate) + index, p.rate, ";" in p.timecode)
            frame = burnt_in(frame, p.labels[number], code)
        return frame


def _numbered(source: Stream) -> Generator[tuple[int, Frames], None, None]:
    for chunk in source:
        yield from enumerate(chunk.frames, chunk.start)
