"""A model hub on this machine that answers as the real one does, or slowly, wrongly, or not at all."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LOGIN_PAGE = b"<!DOCTYPE html><html><body><h1>Sign in to the guest network</h1></body></html>"


class FakeHub:
    """Repositories of models (`name`) and data sets (`datasets/name`), each a folder.

    Attributes:
        behaviour: `well`; `silent`: takes the connection and says nothing; `html`: answers everything with
            the page of a guest network; `slow`: sends every file in small pieces.
        asked: `METHOD path` of every request.
    """

    def __init__(self, repositories: dict[str, Path]) -> None:
        self.repositories, self.behaviour, self.asked = repositories, "well", []
        self._port = 0  # any that is free; the same one after it was away
        self.come_back()

    def come_back(self) -> None:
        """Listen."""
        self.over = threading.Event()
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), handler)
        self._server.daemon_threads = True
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def go_away(self) -> None:
        """Connections are refused from now on."""
        self.over.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """What HF_ENDPOINT is set to."""
        return f"http://127.0.0.1:{self._port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.body = self.rfile.read(length)
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path).strip("/")
        self.hub.asked.append(f"{self.command} {path}")
        if self.hub.behaviour == "silent":
            self.hub.over.wait(120)
            self.close_connection = True
        elif self.hub.behaviour == "html":
            self._send(200, LOGIN_PAGE, {"Content-Type": "text/html"})
        elif path.startswith("api/"):
            self._api(path.split("/")[1:])
        else:
            self._file(path)

    def _api(self, parts: list[str]) -> None:
        """/api/models/OWNER/NAME[/revision/REV | /tree/REV | /paths-info/REV]"""
        kind, repository, rest = parts[0], "/".join(parts[1:3]), parts[3:]
        name = repository if kind == "models" else f"{kind}/{repository}"
        folder = self.hub.repositories.get(name)
        if folder is None:
            self._missing("RepoNotFound")
            return
        files = [_described(path, folder) for path in sorted(folder.rglob("*")) if path.is_file()]
        if rest[:1] == ["tree"]:
            below = "/".join(rest[2:])
            self._json([one for one in files if one["path"].startswith(below)])
        elif rest[:1] == ["paths-info"]:
            asked = json.loads(self.body)["paths"] if self.body.startswith(b"{") else []
            self._json([one for one in files if one["path"] in asked])
        else:
            siblings = [{"rfilename": one["path"], "size": one["size"]} for one in files]
            self._json(
                {
                    "id": repository,
                    "sha": COMMIT,
                    "siblings": siblings,
                    "private": False,
                    "tags": [],
                }
            )

    def _file(self, path: str) -> None:
        """/OWNER/NAME/resolve/REV/FILE"""
        name, _, rest = path.partition("/resolve/")
        folder = self.hub.repositories.get(name)
        file = None if folder is None else folder / rest.partition("/")[2]
        if file is None or not file.is_file():
            self._missing("RepoNotFound" if folder is None else "EntryNotFound")
            return
        content = file.read_bytes()
        headers = {
            "X-Repo-Commit": COMMIT,
            "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
            "Content-Type": "application/octet-stream",
            "Accept-Ranges": "bytes",
        }
        asked = self.headers.get("Range", "").removeprefix("bytes=")
        if asked and self.command == "GET":
            first, _, last = asked.partition("-")
            start, end = int(first), min(int(last or len(content)), len(content) - 1)
            headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
            self._send(206, content[start : end + 1], headers)
        else:
            self._send(200, content, headers)

    def _missing(self, code: str) -> None:
        self._send(404, b"{}", {"X-Error-Code": code, "X-Repo-Commit": COMMIT})

    def _json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return
        is_file = "ETag" in headers
        if is_file and self.hub.behaviour == "slow":
            piece = max(1, len(content) // 20)
            for start in range(0, len(content), piece):
                self.wfile.write(content[start : start + piece])
                self.wfile.flush()
                time.sleep(0.02)
        else:
            self.wfile.write(content)


def _described(path: Path, folder: Path) -> dict[str, object]:
    content = path.read_bytes()
    return {
        "type": "file",
        "path": path.relative_to(folder).as_posix(),
        "size": len(content),
        "oid": hashlib.sha1(content).hexdigest(),
    }
