"""The page's server: many annotators at once, a kill in the middle, and nobody who was not let in."""

import os
import signal
import statistics
import threading
import time

import pandas as pd
import pytest
from conftest import Client, Served

ANNOTATORS, VOTES = 50, 100


def votes_in(folder):
    return pd.read_csv(folder / "votes.csv")


@pytest.fixture
def place(asked_outputs, tmp_path):
    """A profile and an outputs folder of one's own."""
    import shutil

    shutil.copytree(asked_outputs, tmp_path, dirs_exist_ok=True)
    return tmp_path / "asked.yaml", tmp_path / "outputs"


def annotate(port, name, most, acknowledged, seconds, stop=None):
    """Answer `most` questions; what the server acknowledged goes to `acknowledged`, and how long each took."""
    client = Client(port)
    _, view = client.join(name)
    while len(acknowledged) < most:
        if view["item"] is None:
            _, view = client.ask("POST", "/api/more", {})
            assert view["item"] is not None
        vote = {"item": view["item"], "question": view["open"], "answer": "yes" if len(acknowledged) % 3 else "no"}
        begun = time.perf_counter()
        try:
            status, view = client.ask("POST", "/api/answer", vote)
        except OSError:
            assert stop is not None, "the server went away"
            return
        assert status == 200
        seconds.append(time.perf_counter() - begun)
        acknowledged.append((vote["item"], name, vote["question"], vote["answer"]))


def at_once(port, stop=None, most=VOTES):
    """`ANNOTATORS` of them on threads; their acknowledged votes and times."""
    told, times = [[] for _ in range(ANNOTATORS)], []
    threads = [
        threading.Thread(target=annotate, args=(port, f"annotator {i}", most, told[i], times, stop))
        for i in range(ANNOTATORS)
    ]
    for thread in threads:
        thread.start()
    if stop is not None:
        stop(told)
    for thread in threads:
        thread.join(600)
    return sorted(sum(told, [])), times


def stored(outputs):
    """The votes as they lie in the file, gold ones too."""
    from d3s_utils.verification.asking.store import Store

    votes = Store(outputs / "asked" / "annotation" / "votes.sqlite").votes()
    return sorted(votes[["image_id", "worker_id", "question", "answer"]].itertuples(index=False, name=None))


def test_fifty_annotators_at_once_and_every_vote_stored_exactly_once(place):
    profile, outputs = place
    with Served(profile, outputs, "--set", "verification.votes_per_image=20 verification.workers=20") as page:
        told, times = at_once(page.port)
        said = page.stop()
    assert len(told) == ANNOTATORS * VOTES and stored(outputs) == told
    assert f"of {ANNOTATORS} annotators" in said
    print(f"median {1000 * statistics.median(times):.1f} ms")
    exported = votes_in(outputs / "asked")
    assert exported.groupby(["image_id", "question"])["worker_id"].nunique().max() <= 20


def test_after_kill_9_every_acknowledged_vote_is_there(place):
    profile, outputs = place
    page = Served(profile, outputs, "--set", "verification.votes_per_image=20 verification.workers=20")

    def kill(told):
        while sum(map(len, told)) < 1000:
            time.sleep(0.01)
        os.kill(page.process.pid, signal.SIGKILL)

    told, _ = at_once(page.port, kill)
    page.process.wait()
    kept = stored(outputs)
    assert len(told) >= 1000 and set(told) <= set(kept)
    assert len(kept) - len(told) <= ANNOTATORS, "at most the votes under way were stored without their word"
    with Served(profile, outputs, "--set", "verification.votes_per_image=20 verification.workers=20") as again:
        name, last = told[-1][1], [vote for vote in told if vote[1] == told[-1][1]]
        _, view = Client(again.port).join(name)
        assert (view["item"], view["open"]) not in {(item, question) for item, _, question, _ in last}
    assert set(told) <= set(stored(outputs))


def test_annotators_get_pictures_of_their_own_and_undo_their_own_votes(place):
    profile, outputs = place
    with Served(profile, outputs) as page:
        ann, bea = Client(page.port), Client(page.port)
        _, first = ann.join("ann")
        bea.join("bea")
        ann.ask(
            "POST", "/api/answer", {"item": first["item"], "question": "foreground", "answer": "yes", "seconds": 2.5}
        )
        status, nothing = bea.ask("POST", "/api/undo", {})
        assert status == 200 and nothing["complete"] == 0
        _, back = ann.ask("GET", "/api/state")
        assert (back["item"], back["open"]) == (first["item"], "background")
        assert ann.ask("POST", "/api/undo", {})[1]["open"] == "foreground"
        _, other = ann.ask("GET", f"/api/state?item={first['next']}")
        assert other["number"] == 2 and other["previous"] == first["item"]
        assert ann.ask("GET", first["picture"])[1][:4] == b"\x89PNG"
        assert all(ann.ask("GET", name)[0] == 200 for name in (first["guide"], *first["examples"]))
        assert "Nothing to write yet" in page.stop()


def test_what_cannot_be_is_refused_in_words(place):
    profile, outputs = place
    with Served(profile, outputs) as page:
        client, view = Client(page.port), None
        assert client.ask("GET", "/api/state")[0] == 401 and client.ask("GET", "/picture/item/x")[0] == 401
        assert client.join("")[0] == 400
        _, view = client.join("ann")
        for body, named in [
            ({"item": "no such", "question": "adult", "answer": "no"}, "no such"),
            ({"item": view["item"], "question": "taste", "answer": "no"}, "taste"),
            ({"item": view["item"], "question": "adult", "answer": "maybe"}, "maybe"),
            ({"item": view["item"], "question": "adult"}, "answer is missing"),
        ]:
            status, said = client.ask("POST", "/api/answer", body)
            assert status == 400 and named in said["error"], body
        assert client.ask("GET", "/picture/photo/..%2F..%2Fasked.yaml")[0] == 400
        assert client.ask("GET", "/api/answer")[0] == 405 and client.ask("GET", "/nowhere")[0] == 404


def test_other_sites_cannot_vote_through_somebodys_browser(place):
    profile, outputs = place
    with Served(profile, outputs) as page:
        client = Client(page.port)
        client.join("ann")
        assert client.ask("POST", "/api/undo", {}, **{"Content-Type": "text/plain"})[0] == 415
        assert client.ask("GET", "/", Host=f"evil.example:{page.port}")[0] == 403
        assert client.ask("GET", "/api/state", Cookie="annotator=ann")[0] == 401, "cookies are signed"


def test_who_comes_from_elsewhere_needs_the_token(place):
    profile, outputs = place
    with Served(profile, outputs, "--host", "0.0.0.0") as page:
        token = page.url.partition("token=")[2]
        assert "0.0.0.0" not in page.url, "an address that others can open"
        assert len(token) >= 16
        client = Client(page.port)
        assert client.join("ann")[0] == 403 and client.join("ann", "wrong")[0] == 403
        assert client.join("ann", token)[0] == 200 and client.ask("GET", "/api/state")[0] == 200


def test_an_image_made_anew_is_not_shown_from_the_browsers_memory(place):
    profile, outputs = place
    with Served(profile, outputs) as page:
        client = Client(page.port)
        _, view = client.join("ann")
        client._http.request("GET", view["picture"], headers={"Cookie": client.cookie})
        first = client._http.getresponse()
        first.read()
        assert "no-cache" in first.headers["Cache-Control"]
        again = {"Cookie": client.cookie, "If-None-Match": first.headers["Etag"]}
        client._http.request("GET", view["picture"], headers=again)
        same = client._http.getresponse()
        assert same.status == 304 and same.read() == b""


def test_export_says_how_far_things_are(place, capsys):
    profile, outputs = place
    with Served(profile, outputs) as page:
        client = Client(page.port)
        _, view = client.join("ann")
        client.ask("POST", "/api/answer", {"item": view["item"], "question": "foreground", "answer": "yes"})
        os.kill(page.process.pid, signal.SIGKILL)
        page.process.wait()
    from d3s_utils.cli.parser import main

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("D3S_OUTPUTS", str(outputs))
        assert main(["annotate", "--profile", str(profile), "--export"]) == 0
    assert "1 votes of 1 annotators" in capsys.readouterr().out


def test_without_images_it_says_what_to_run(tmp_path, monkeypatch, capsys):
    from d3s_utils.cli.parser import main

    monkeypatch.setenv("D3S_OUTPUTS", str(tmp_path))
    assert main(["annotate", "--profile", "smoke"]) == 1
    assert "error:" in capsys.readouterr().err


def test_a_taken_port_is_named(place, capsys):
    profile, outputs = place
    with Served(profile, outputs) as page, pytest.MonkeyPatch.context() as patch:
        from d3s_utils.cli.parser import main

        patch.setenv("D3S_OUTPUTS", str(outputs))
        assert main(["annotate", "--profile", str(profile), "--port", str(page.port)]) == 1
    assert "choose another" in capsys.readouterr().err
