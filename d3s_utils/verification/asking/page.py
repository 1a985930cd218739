"""A web page on which many people verify the images of a run at once.

    python -m d3s_utils annotate --profile pocket                   for yourself: http://127.0.0.1:8765
    python -m d3s_utils annotate --profile pocket --host 0.0.0.0    for a class: prints the address with its token
    python -m d3s_utils annotate --profile pocket --export          write votes.csv from what has been answered so far

Each person types a name and gets pictures of their own; closing the page, or this server, loses nothing. votes.csv is
written when the server stops, and notebook 02 then goes by these votes.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import json
import secrets
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

from tornado import web
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.pages import STYLE, render
from d3s_utils.verification.asking.desk import Desk
from d3s_utils.verification.asking.task import INSTRUCTIONS, TEMPLATES, TITLE

COOKIE = "annotator"
POLICY = "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"


# The protocol ---------------------------------------------------------------------------------------------------------


class Handler(web.RequestHandler):
    """What all answers have in common."""

    @property
    def desk(self) -> Desk:
        return self.settings["desk"]

    def prepare(self) -> None:
        name = self.request.host_name.strip("[]")
        if self.settings["local"] and not is_local(name):
            raise web.HTTPError(403, reason="Open this page as 127.0.0.1 or localhost")
        if self.request.method == "POST" and not self.request.headers.get("Content-Type", "").startswith(
            "application/json"
        ):
            raise web.HTTPError(415, reason="Send JSON")

    def set_default_headers(self) -> None:
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Cache-Control", "no-store")

    def worker(self) -> str:
        """Who is asking.

        Raises:
            HTTPError 401: nobody who has come in.
        """
        cookie = self.get_signed_cookie(COOKIE, max_age_days=90)
        if cookie is None:
            raise web.HTTPError(401, reason="Say who you are first")
        return cookie.decode()

    def knows_token(self, given: str) -> bool:
        token = self.settings["token"]
        return not token or hmac.compare_digest(token.encode(), given.encode())

    def sent(self) -> dict:
        try:
            body = json.loads(self.request.body)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise web.HTTPError(400, reason="Send a JSON object")
        return body

    def write_error(self, status_code: int, **kwargs: object) -> None:
        error = kwargs.get("exc_info", (None, None, None))[1]
        told = isinstance(error, D3SError)
        if told:
            self.set_status(400)
        self.finish({"error": str(error) if told else self._reason})

    def log_exception(self, kind, error, trace) -> None:
        if not isinstance(error, D3SError):
            super().log_exception(kind, error, trace)


class Page(Handler):
    def get(self) -> None:
        known = self.knows_token(self.get_query_argument("token", ""))
        words = {"title": TITLE, "instructions": INSTRUCTIONS, "run": self.settings["run"]}
        self.finish(render(TEMPLATES / "annotate.html", **words, examples=self.desk.examples if known else []))


class Asset(Handler):
    """The style sheet and the script."""

    KINDS = {"annotate.css": "text/css", "annotate.js": "text/javascript"}

    def get(self, name: str) -> None:
        files = [STYLE, TEMPLATES / name] if name.endswith(".css") else [TEMPLATES / name]
        self.set_header("Content-Type", f"{self.KINDS[name]}; charset=utf-8")
        self.finish("\n".join(file.read_text(encoding="utf-8") for file in files))


class Picture(Handler):
    async def get(self, name: str) -> None:
        self.worker()
        data = await asyncio.get_running_loop().run_in_executor(self.settings["readers"], self.desk.album.png, name)
        self.set_header("Content-Type", "image/png")
        self.set_header("Cache-Control", "private, no-cache")  # an image made anew has the name of the old one
        self.finish(data)


class Api(Handler):
    """GET state; POST join, answer, undo and more. Each answers with what to show next (see `Desk.view`)."""

    def get(self, action: str) -> None:
        if action != "state":
            raise web.HTTPError(405)
        worker, wanted = self.worker(), self.get_query_argument("item", None)
        self.show(self.desk.view(worker, self.desk.session(worker).find(wanted) if wanted else None))

    def post(self, action: str) -> None:
        sent = self.sent()
        if action == "join":
            self.show(self.join(sent))
        elif action == "answer":
            missing = [name for name in ("item", "question", "answer") if not isinstance(sent.get(name), str)]
            if missing:
                raise D3SError(f"{missing[0]} is missing; send item, question and answer as text.")
            seconds = sent.get("seconds")
            seconds = float(seconds) if isinstance(seconds, int | float) and seconds == seconds else None
            self.show(self.desk.answer(self.worker(), sent["item"], sent["question"], sent["answer"], seconds))
        elif action in ("undo", "more"):
            self.show(getattr(self.desk, action)(self.worker()))
        else:
            raise web.HTTPError(405)

    def join(self, sent: dict) -> dict:
        if not self.knows_token(str(sent.get("token", ""))):
            raise web.HTTPError(
                403, reason="The token is missing or wrong: open the page by the address you were given"
            )
        worker = self.desk.store.join(str(sent.get("name", "")))
        self.set_signed_cookie(COOKIE, worker, expires_days=90, httponly=True, samesite="Strict")
        return self.desk.more(worker)

    def show(self, view: dict) -> None:
        for name in ("picture", "guide", "ahead"):
            if view.get(name):
                view[name] = address(view[name])
        if "examples" in view:
            view["examples"] = list(map(address, view["examples"]))
        self.finish(view)


def address(name: str) -> str:
    """Where the picture called `name` is served."""
    return f"/picture/{quote(name)}"


def is_local(host: str) -> bool:
    """Whether `host` is this machine to itself alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def reachable(host: str) -> str:
    """How a browser reaches what is served at `host`: for all addresses of this machine, the one others know it by."""
    if host in ("0.0.0.0", "::", ""):
        # Addresses of documentation (RFC 5737 and 3849); connecting a datagram socket sends nothing.
        family, far = (socket.AF_INET6, "2001:db8::1") if host == "::" else (socket.AF_INET, "192.0.2.1")
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((far, 9))
                host = probe.getsockname()[0]
            except OSError:
                host = socket.gethostname()
    return f"[{host}]" if ":" in host else host


def application(desk: Desk, run: str, local: bool, token: str | None) -> web.Application:
    """The pages for `desk`.

    Args:
        local: whether only this machine may ask; then others' names for it are refused.
        token: what a newcomer has to know, None for nothing.
    """
    routes = [
        (r"/", Page),
        (r"/(annotate\.css|annotate\.js)", Asset),
        (r"/picture/(.+)", Picture),
        (r"/api/(\w+)", Api),
    ]
    given = {"desk": desk, "run": run, "local": local, "token": token, "readers": ThreadPoolExecutor(2)}
    return web.Application(routes, cookie_secret=desk.store.secret(), log_function=lambda handler: None, **given)


# The command ----------------------------------------------------------------------------------------------------------


def serve_until_stopped(desk: Desk, run: str, host: str, port: int, token: str | None) -> None:
    """Serve the page, its address printed first, until Ctrl-C.

    Args:
        run: its name, which the page shows.
        token: what newcomers have to know; None makes one up where others than this machine may ask.

    Raises:
        D3SError: host and port cannot be had.
    """
    token = token or (None if is_local(host) else secrets.token_urlsafe(12))
    try:
        asyncio.run(serve(desk, run, host, port, token))
    except OSError as error:
        raise D3SError(f"--host {host} --port {port}: {error.strerror}; choose another.") from error


async def serve(desk: Desk, run: str, host: str, port: int, token: str | None) -> None:
    """Serve until SIGINT or SIGTERM."""
    host = "127.0.0.1" if host == "localhost" else host  # which may mean two sockets with two ports
    sockets = bind_sockets(port, host)
    server = HTTPServer(application(desk, run, is_local(host), token), max_body_size=65536)
    server.add_sockets(sockets)
    number = sockets[0].getsockname()[1]
    print(f"http://{reachable(host)}:{number}/" + (f"?token={quote(token)}" if token else ""), flush=True)
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for kind in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(kind, stop.set)
    await stop.wait()
    server.stop()
    await server.close_all_connections()
