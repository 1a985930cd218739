"""The pages of a run on paper: each notebook's page and the report as a PDF, printed by a browser that is there."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import write_atomically

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
LEFT_OUT = ("explore",)  # pages that are nothing without their scripts
SECONDS = 600  # that printing one page may take


def print_pages(folder: Path) -> list[Path]:
    """Write pdf/<page>.pdf for the report and every notebook of the run in `folder`; returns the files.

    Raises:
        D3SError: if there is no page, no browser, or the browser fails.
    """
    pages = sorted(path for path in (folder / "html").glob("*.html") if path.stem not in LEFT_OUT)
    if not pages:
        raise D3SError(f"There are no pages in {folder / 'html'}; `make all PROFILE={folder.name}` makes them.")
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise D3SError(
            f"Printing needs one of {', '.join(BROWSERS)}; install Chromium, or print a page from a browser."
        )
    return [print_page(browser, page, folder / "pdf" / f"{page.stem}.pdf") for page in pages]


def print_page(browser: str, page: Path, path: Path) -> Path:
    """Print `page` to `path`, without a network."""

    def write(part: Path) -> None:
        with tempfile.TemporaryDirectory() as profile:
            command = [
                browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer",
                "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={profile}", f"--print-to-pdf={part}",
                page.resolve().as_uri(),
            ]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode or not part.is_file():
            raise D3SError(f"{browser} could not print {page}: {done.stderr.strip()[-300:]}")

    return write_atomically(path, write)
