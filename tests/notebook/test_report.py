"""The report: one ledger, one table of runtimes, one page that opens offline."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import nbformat
import pandas as pd
import pytest

from d3s_utils.figures.shapes import image_grid
from d3s_utils.ground import claims
from d3s_utils.ground.columns import require_columns
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import read_table, write_figure, write_json, write_table, write_text
from d3s_utils.notebook.pages import contents, first_paragraph, notebook_page
from d3s_utils.notebook.report import in_order, report

LOADS = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "object": "data"}


class Loads(HTMLParser):
    """Collects what a page loads by itself, and the places its links lead to."""

    def __init__(self, page: str):
        super().__init__()
        self.loads, self.links = [], []
        self.feed(page)
        self.loads += re.findall(r"url\(([^)]*)\)|@import\s+(\S+)", page)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if LOADS.get(tag) in given:
            self.loads.append(given[LOADS[tag]])
        if tag == "a":
            self.links.append(given.get("href", ""))


def executed_notebook() -> nbformat.NotebookNode:
    new = nbformat.v4
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "interactive(children=())"}
    outputs = [
        new.new_output("display_data", widget),
        new.new_output("execute_result", {"text/html": "<table class='dataframe'><tr><td>42.0</td></tr></table>"}),
        new.new_output("stream", text="a line\n"),
    ]
    cells = [new.new_markdown_cell("# 01 · A <b>bold</b> title"), new.new_code_cell("x = 1 < 2", outputs=outputs)]
    return new.new_notebook(cells=cells, metadata={"widgets": {"state": {}}})


@pytest.fixture
def folder(tmp_path):
    """A small finished run of one notebook, with hostile text in the ledger."""
    run = tmp_path / "toy"
    rows = [
        claims.claim("fg_from_fg", measured=91.25, ci=(89, 93.5), n=1000, met=True),
        claims.claim("own", "less < more", measured=12.0, met=False, why="the style & the light"),
        claims.claim("votes", "people agree", measured=80.0, simulated=True),
    ]
    write_table(run / "claims" / "01_generation.csv", claims.claims_table(rows))
    cost = {"notebook": "01_generation", "seconds": 75.5, "peak_memory_mb": 1234.5, "device": "cpu", "host_cores": 2}
    write_json(run / "runtime" / "01_generation.json", cost)
    write_table(run / "manifest.parquet", pd.DataFrame({"image_id": range(3000)}))
    write_table(run / "tables" / "01_generation_share_by_class.csv", pd.DataFrame({"a": [1]}))
    write_figure(run / "figures" / "01_generation_ten_backgrounds", image_grid([[[0.1, 0.5, 0.9]]] * 3))
    figure, _ = plt.subplots()
    write_figure(run / "figures" / "01_generation_strength", figure)
    write_text(run / "html" / "01_generation.html", notebook_page(executed_notebook(), "01_generation"))
    nbformat.write(executed_notebook(), run.joinpath("notebooks").mkdir() or run / "notebooks" / "01_generation.ipynb")
    return run


def test_the_tables_have_the_columns_of_the_contract(folder):
    report(folder)
    ledger, runtimes = read_table(folder / "claims.csv"), read_table(folder / "runtime.csv")
    require_columns(ledger, "claims", "claims.csv")
    assert list(runtimes.columns) == ["notebook", "seconds", "peak_memory_mb", "device", "host_cores"]
    assert runtimes.to_dict("records")[0]["seconds"] == 75.5
    mine = ledger[ledger["notebook"] == "01_generation"].set_index("id")
    assert mine.loc["own", "status"] == "not met" and mine.loc["fg_from_fg", "seconds"] == 75.5
    assert (ledger[~ledger["id"].isin(["fg_from_fg", "own", "votes"])]["status"] == "not run").all()


def test_the_page_shows_claims_figures_and_links_and_escapes_text(folder):
    page = report(folder).read_text()
    for text in ("less &lt; more", "the style &amp; the light", "91.2 %", "89.0 to 93.5", "3,000"):
        assert text in page, text
    for status in ("met", "not-met", "simulated", "not-run"):
        assert f'<span class="status {status}">' in page
    places = [page.index(text) for text in ("What was drawn?", "Ten backgrounds", "less &lt; more", "Share by class")]
    assert places == sorted(places), "answers, notebooks with figures, the ledger, then the rest"


@pytest.mark.parametrize("name", ["index.html", "01_generation.html"])
def test_pages_load_nothing_from_the_net_and_every_link_leads_somewhere(folder, name):
    report(folder)
    path = folder / "html" / name
    found = Loads(path.read_text())
    assert not [source for source in found.loads if "//" in str(source) and not str(source).startswith("data:")]
    assert path.read_text().count("<script>") == (name == "index.html") and "<script " not in path.read_text()
    outward = [link for link in found.links if link.startswith("http")]
    assert outward == ["https://arxiv.org/abs/2211.10370"] * (name == "index.html")
    found.links = [link for link in found.links if link not in outward]
    for link in found.links + [source for source in found.loads if not str(source).startswith("data:")]:
        if link.startswith("#"):
            assert f'id="{link[1:]}"' in path.read_text(), link
        else:
            assert (path.parent / link).exists(), link


def test_figures_come_in_the_order_of_the_story(folder):
    notebook = executed_notebook()
    notebook.cells[1].source = 'run.save_figure(\n    "zebra", x)\nrun.save_table("mouse", run.save_figure("ant", y))'
    found = [folder / f"01_generation_{word}.png" for word in ("ant", "new", "zebra", "mouse")]
    ordered = [path.stem.removeprefix("01_generation_") for path in in_order(notebook, "01_generation", found)]
    assert ordered == ["zebra", "mouse", "ant", "new"]


def test_a_notebook_page_keeps_tables_and_drops_what_needs_scripts(folder):
    page = (folder / "html" / "01_generation.html").read_text()
    assert "42.0" in page and "a line" in page
    assert "interactive(children" not in page and "widget-view" not in page


def test_the_page_is_the_same_bytes_each_time(folder):
    first = report(folder).read_bytes()
    assert report(folder).read_bytes() == first


def test_an_unfinished_run_has_a_page_too(tmp_path):
    (tmp_path / "fresh").mkdir()
    assert "No claim" in report(tmp_path / "fresh").read_text() or "not run" in report(tmp_path / "fresh").read_text()
    with pytest.raises(D3SError, match="make all PROFILE=absent"):
        report(tmp_path / "absent")


def test_pages_of_notebooks_lead_to_each_other_and_fold_their_code(folder):
    new = nbformat.v4
    cells = [new.new_markdown_cell("# Two\n\n## A part & more\n\n### Within"), new.new_code_cell("y = 2")]
    write_text(folder / "html" / "02_next.html", notebook_page(new.new_notebook(cells=cells), "02_next"))
    first, second = (folder / "html" / f"{name}.html" for name in ("01_generation", "02_next"))
    report(folder)
    assert '<a rel="next" href="02_next.html">' in first.read_text() and 'rel="prev"' not in first.read_text()
    assert '<a rel="prev" href="01_generation.html">' in second.read_text() and 'rel="next"' not in second.read_text()
    before = second.stat().st_mtime_ns
    report(folder)
    assert second.stat().st_mtime_ns == before, "a page that leads where it should is left alone"
    page = second.read_text()
    assert [row["title"] for row in contents(page)] == ["A part & more", "Within"]
    assert '<details class="code" open' in page and 'href="#A-part-&amp;-more"' in page


def test_every_picture_of_a_page_has_a_text(folder):
    new, pixel = nbformat.v4, "iVBORw0KGgo="
    shown = [new.new_output("display_data", {"image/png": pixel}) for _ in range(3)]
    code = 'run.save_figure("strength", x)\nrun.save_figure("mine", y)'
    cells = [
        new.new_markdown_cell("# T\n\n## How *strong*?"),
        new.new_code_cell(code, outputs=shown[:2]),
        new.new_code_cell("picture", outputs=shown[2:]),
    ]
    page = notebook_page(new.new_notebook(cells=cells), "01_generation")
    texts = re.findall(r'<img[^>]*alt="([^"]*)"', page)
    assert texts[0].startswith("Two panels of lines over strength") and texts[1] == "Figure of notebook 01: Mine."
    assert texts[2] == "Picture in the section “How strong?”."
    assert page.count("<img") == 3


def test_the_first_paragraph_is_plain_text():
    text = "# Head\n\n> quoted\n\nA *word* and [a link](x.md),\nand `code`.\n\nMore."
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])
    assert first_paragraph(notebook) == "A word and a link, and code."
    assert first_paragraph(nbformat.v4.new_notebook()) == ""


CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
@pytest.mark.parametrize("name", ["index.html", "01_generation.html"])
def test_a_browser_without_network_draws_the_page(folder, tmp_path, name):
    report(folder)
    shot = tmp_path / "page.png"
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1200,1600",
               "--proxy-server=127.0.0.1:9", f"--user-data-dir={tmp_path / 'browser'}", f"--screenshot={shot}",
               f"file://{folder / 'html' / name}"]  # fmt: skip
    subprocess.run(command, check=True, timeout=300, capture_output=True)
    pixels = plt.imread(shot)
    assert pixels.shape[:2] == (1600, 1200)
    assert len({tuple(pixel) for pixel in pixels[::7, ::7].reshape(-1, pixels.shape[2]).tolist()}) > 20, "a blank page"
