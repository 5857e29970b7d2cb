"""Servers that refuse, put off and send elsewhere: what is told, and where the token goes."""

from __future__ import annotations

import time
import urllib.request
from pathlib import Path

import pytest

from diffscaler.errors import DownloadFailed, InvalidRequest
from diffscaler.models.web import Hub, Redirects, Web
from tests.models.fakehub import DATA, QUICK, TOKEN, FakeHub, Fault, running
from tests.models.fakehub import get_file as get


@pytest.mark.parametrize(
    ("status", "headers", "token", "words"),
    [
        (401, {}, "", "without a token"),
        (401, {"X-Error-Code": "GatedRepo"}, "", "accepted its licence"),
        (401, {}, TOKEN, "did not accept the token"),
        (403, {}, TOKEN, "accepted its licence"),
        (404, {}, "", "has no studio/tiny/a.safetensors"),
        (418, {}, "", "HTTP 418"),
    ],
)
def test_a_refusal_is_said_at_once_and_what_came_before_is_kept(
    hub: FakeHub, tmp_path: Path, status: int, headers: dict[str, str], token: str, words: str
) -> None:
    file, part = hub.file("a.safetensors", DATA), tmp_path / "a.part"
    hub.faults["a.safetensors"] = [Fault(drop_after=4000), Fault(status=status, headers=headers)]
    with pytest.raises(DownloadFailed, match=words) as caught:
        get(hub, file, part, token)
    assert len(hub.seen) == 2 and caught.value.hint and TOKEN not in str(caught.value)
    assert part.read_bytes() == DATA[:4000]
    if status in (401, 403):
        assert f"{hub.endpoint}/studio/tiny," in caught.value.hint and "HF_TOKEN" in caught.value.hint


@pytest.mark.parametrize(("status", "wait"), [(429, 1), (500, 0), (502, 0), (503, 0)])
def test_a_busy_server_is_asked_again_after_the_time_it_wants(
    hub: FakeHub, tmp_path: Path, status: int, wait: int
) -> None:
    file = hub.file("a.safetensors", DATA)
    hub.faults["a.safetensors"] = [Fault(status=status, headers={"Retry-After": str(wait)}), Fault(status=status)]
    began = time.monotonic()
    get(hub, file, tmp_path / "a.part")
    assert len(hub.seen) == 3 and time.monotonic() - began >= wait


def test_a_server_that_stays_busy_is_given_up(hub: FakeHub, tmp_path: Path) -> None:
    file = hub.file("a.safetensors", DATA)
    hub.faults["a.safetensors"] = [Fault(status=429)] * 9
    with pytest.raises(DownloadFailed, match="asks to wait") as caught:
        get(hub, file, tmp_path / "a.part")
    assert len(hub.seen) == QUICK.attempts and "later" in caught.value.hint


def test_the_token_stays_with_the_hub_when_it_sends_us_elsewhere(hub: FakeHub, tmp_path: Path) -> None:
    hub.token = TOKEN
    file = hub.file("a.safetensors", DATA)
    with running() as cdn:
        cdn.file("a.safetensors", DATA)
        there = f"{cdn.endpoint}/studio/tiny/resolve/main/a.safetensors?Signature=abc"
        hub.faults["a.safetensors"] = [Fault(redirect=there)] * 3
        cdn.faults["a.safetensors"] = [Fault(drop_after=900)]
        get(hub, file, tmp_path / "a.part", TOKEN)
        assert (tmp_path / "a.part").read_bytes() == DATA
        assert all(seen.headers["Authorization"] == f"Bearer {TOKEN}" for seen in hub.seen)
        assert [seen.start for seen in cdn.seen] == [None, 900], "Range goes along"
        assert all(TOKEN not in str(seen) for seen in cdn.seen)
        assert not any(TOKEN in path.read_text("latin-1") for path in tmp_path.iterdir())

        cdn.faults["a.safetensors"] = [Fault(status=403)] * 9  # an address that ran out
        hub.faults["a.safetensors"] = [Fault(redirect=there)] * 9
        with pytest.raises(DownloadFailed) as caught:
            get(hub, file, tmp_path / "b.part", TOKEN)
        assert "Signature" not in str(caught.value) and TOKEN not in str(caught.value)


def test_an_address_that_ran_out_is_asked_for_anew(hub: FakeHub, tmp_path: Path) -> None:
    file = hub.file("a.safetensors", DATA)
    with running() as cdn:
        cdn.file("a.safetensors", DATA)
        hub.faults["a.safetensors"] = [Fault(redirect=f"{cdn.endpoint}/studio/tiny/resolve/main/a.safetensors")] * 2
        cdn.faults["a.safetensors"] = [Fault(status=403)]
        get(hub, file, tmp_path / "a.part")
    assert (tmp_path / "a.part").read_bytes() == DATA and len(hub.seen) == len(cdn.seen) == 2


def test_a_redirect_inside_the_hub_keeps_the_token(hub: FakeHub, tmp_path: Path) -> None:
    hub.token = TOKEN
    file = hub.file("a.json", b"{}")
    hub.faults["a.json"] = [Fault(redirect="/studio/tiny/resolve/0000/a.json")]
    get(hub, file, tmp_path / "a.part", TOKEN)
    assert len(hub.seen) == 2


@pytest.mark.parametrize(
    "target", ["http://elsewhere.example/a", "ftp://elsewhere.example/a", "file:///etc/passwd", "data:,x"]
)
def test_a_redirect_from_https_stays_https(target: str) -> None:
    redirects = Redirects(Web(Hub("https://hub.example", TOKEN)))
    request = urllib.request.Request("https://hub.example/a")
    with pytest.raises(DownloadFailed), open("/dev/null", "rb") as body:
        redirects.redirect_request(request, body, 302, "", {}, target)


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/a", "http://[bad", "http://127.0.0.1:x/"])
def test_a_redirect_to_no_web_address_is_a_failure(hub: FakeHub, tmp_path: Path, target: str) -> None:
    file = hub.file("a.json", b"{}")
    hub.faults["a.json"] = [Fault(redirect=target)] * 9
    with pytest.raises(DownloadFailed):
        get(hub, file, tmp_path / "a.part")
    assert not (tmp_path / "a.part").exists() or (tmp_path / "a.part").stat().st_size == 0


def test_redirects_in_a_circle_end(hub: FakeHub, tmp_path: Path) -> None:
    file = hub.file("a.json", b"{}")
    hub.faults["a.json"] = [Fault(redirect="/studio/tiny/resolve/main/a.json")] * 200
    with pytest.raises(DownloadFailed):
        get(hub, file, tmp_path / "a.part")
    assert len(hub.seen) < 20


@pytest.mark.parametrize("token", [f"{TOKEN}\nX-Evil: 1", f"{TOKEN} x", "hf_ü"])
def test_a_token_that_no_header_takes_is_refused_and_not_repeated(token: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        Hub("https://hub.example", token)
    assert TOKEN not in str(caught.value) and "hf_ü" not in str(caught.value) and caught.value.hint


def test_no_representation_of_the_hub_shows_the_token() -> None:
    assert TOKEN not in repr(Hub("https://hub.example", TOKEN))


@pytest.mark.parametrize(
    "endpoint", ["", "huggingface.co", "ftp://hub.example", "https://me:secret@hub.example", "http://[x"]
)
def test_an_address_that_is_no_hub_is_refused(endpoint: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        Hub(endpoint)
    assert "secret" not in str(caught.value)
