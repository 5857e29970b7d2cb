from fractions import Fraction

import pytest
from pydantic import ValidationError

from diffscaler.video.encodings import (
    Encoding,
    bit_rate,
    encoder_options,
    formats,
    muxer_options,
    stored_size,
    time_base,
)


def test_the_default_is_high_quality_h264():
    encoding = Encoding()
    options = encoder_options(encoding, Fraction(30))
    assert (encoding.suffix, encoding.pix_fmt) == (".mp4", "yuv420p")
    assert (options["crf"], options["preset"], options["threads"], options["g"]) == ("14", "medium", "4", "60")
    assert "+faststart" in muxer_options(encoding)["movflags"]


def test_a_bitrate_takes_the_place_of_a_quality():
    encoding = Encoding(name="h264", bitrate_mbps=12.5)
    assert bit_rate(encoding) == 12_500_000
    assert "crf" not in encoder_options(encoding, Fraction(30))


@pytest.mark.parametrize(
    "settings",
    [
        {"name": "h264", "quality": 52},
        {"name": "prores", "quality": 3},
        {"name": "gif", "bitrate_mbps": 2},
        {"name": "h264", "quality": 10, "bitrate_mbps": 2},
        {"name": "wmv"},
        {"name": "h264", "speed": 3},
    ],
)
def test_settings_that_do_not_exist_are_refused(settings):
    with pytest.raises(ValidationError):
        Encoding(**settings)


@pytest.mark.parametrize("name", formats())
def test_only_formats_that_must_round_sizes_up_do(name):
    expected = (66, 50) if formats()[name].even else (65, 49)
    assert stored_size(Encoding(name=name), 65, 49) == expected
    assert stored_size(Encoding(name=name), 64, 48) == (64, 48)


@pytest.mark.parametrize("fps", [Fraction(30000, 1001), Fraction(25), Fraction(12), Fraction(1, 3), Fraction(240)])
def test_constant_rates_fall_on_the_clock_exactly(fps):
    clock = time_base(Encoding(), fps, vfr=False)
    assert (1 / fps / clock).denominator == 1
    assert clock <= Fraction(1, 10_000)
    assert time_base(Encoding(), fps, vfr=True) == Fraction(1, 90000)


def test_x264_is_kept_from_code_that_gives_other_bytes_each_time():
    assert encoder_options(Encoding(), Fraction(30), avx512=True)["x264-params"] == "asm=AVX2"
    assert "x264-params" not in encoder_options(Encoding(), Fraction(30), avx512=False)
