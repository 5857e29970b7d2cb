"""Serving the page: on this computer only, unless it is shared, and then never without a password."""

from __future__ import annotations

import logging
import os
import secrets
import sys
import threading
from importlib import import_module
from typing import Any

from diffscaler.privacy import tell_nobody
from diffscaler.studio import Studio

log = logging.getLogger("diffscaler.page")

BEAT_S = 5.0
USER = "studio"
# What a phone films in some minutes; larger material is imported by the command line.
MAX_UPLOAD = "8gb"


def run(
    studio: Studio,
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    share: bool = False,
    password: str | None = None,
    open_browser: bool = True,
) -> None:
    """Serve until Ctrl-C. A shared page always asks for a password; one is made and printed when none is given."""
    tell_nobody()
    os.environ.setdefault("GRADIO_TEMP_DIR", str(studio.settings.data_dir / "uploads"))
    if (share or host not in ("127.0.0.1", "localhost", "::1")) and not password:
        password = secrets.token_urlsafe(9)
    if password:
        sys.stdout.write(f"User: {USER}   Password: {password}\n")
        sys.stdout.flush()
    page, options = launchable(studio)
    auth = {"auth": (USER, password), "auth_message": "DiffScaler Studio"} if password else {}
    place: dict[str, Any] = {"server_name": host, "server_port": port, "share": share, "inbrowser": open_browser}
    page.launch(prevent_thread_lock=True, **place, **auth, **options)
    keep_ready(studio)  # only now: a worker importing torch would take the cores from the page's own start
    page.block_thread()


def launchable(studio: Studio) -> tuple[Any, dict[str, Any]]:
    """The page and the options every launch of it needs."""
    from gradio import themes

    from ui.page import build_page
    from ui.pictures import served

    theme = studio.settings.assets_dir / "theme"
    folders = served(studio)
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    script = "\n".join((theme / name).read_text(encoding="utf-8") for name in ("studio.js", "wipe.js", "region.js"))
    options: dict[str, Any] = {
        "theme": themes.Base(font=[themes.LocalFont("IBM Plex Sans"), "system-ui", "sans-serif"]),
        "css_paths": [theme / "studio.css"],
        "head": f'<meta name="color-scheme" content="dark"><script>{script}</script>',
        "favicon_path": theme / "icon.svg",
        "allowed_paths": [str(folder) for folder in folders],
        "footer_links": [],
        "run_history": False,
        "max_file_size": MAX_UPLOAD,
        "quiet": False,
    }
    page = build_page(studio)
    page.queue(max_size=200, default_concurrency_limit=4, api_open=True)
    return page, options


def keep_ready(studio: Studio) -> threading.Thread:
    """Tell the worker that somebody may want it, as long as this server runs; start it at once, so that it is warm."""

    def beat() -> None:
        # What the first poster and the first people strip need; imported now, while nobody waits for it.
        for name in ("diffscaler.faceswap.detections", "diffscaler.video.reader"):
            import_module(name)

        while True:
            try:
                studio.queue.client_seen(studio.keeper.client_id)
                studio.keep_workers()
            except Exception:  # a busy disk: the next beat makes up for it
                log.warning("could not look after the workers", exc_info=True)
            wake.wait(BEAT_S)

    wake = threading.Event()
    thread = threading.Thread(target=beat, name="keep-ready", daemon=True)
    thread.start()
    return thread
