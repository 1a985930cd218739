"""Pages on paper: printed where there is a browser, and a sentence where there is none."""

import shutil

import pytest

from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import write_text
from d3s_utils.notebook import pdf

CHROMIUM = next((found for name in pdf.BROWSERS if (found := shutil.which(name))), None)


@pytest.mark.skipif(CHROMIUM is None, reason="no browser on this machine")
def test_pages_are_printed_and_the_explorer_is_not(tmp_path):
    for name in ("index", "01_generation", "explore"):
        write_text(tmp_path / "html" / f"{name}.html", f"<!doctype html><title>{name}</title><h1>Page {name}</h1>")
    printed = pdf.print_pages(tmp_path)
    assert [path.name for path in printed] == ["01_generation.pdf", "index.pdf"]
    assert all(path.read_bytes().startswith(b"%PDF-") and len(path.read_bytes()) > 2000 for path in printed)
    assert {path.name for path in (tmp_path / "pdf").iterdir()} == {"01_generation.pdf", "index.pdf"}


def test_without_pages_or_a_browser_it_says_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(D3SError, match="make all PROFILE="):
        pdf.print_pages(tmp_path)
    write_text(tmp_path / "html" / "index.html", "<p>x")
    monkeypatch.setattr(pdf.shutil, "which", lambda name: None)
    with pytest.raises(D3SError, match="install Chromium"):
        pdf.print_pages(tmp_path)


def test_a_browser_that_fails_leaves_no_file(tmp_path):
    write_text(tmp_path / "html" / "index.html", "<p>x")
    with pytest.raises(D3SError, match="could not print"):
        pdf.print_page(shutil.which("false"), tmp_path / "html" / "index.html", tmp_path / "pdf" / "index.pdf")
    assert list((tmp_path / "pdf").iterdir()) == []
