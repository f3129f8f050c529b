"""A dataset hub on this machine: the requests with which huggingface_hub makes a repository and commits to it, files kept in memory."""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hub:
    """Repositories as `files[repository][path]`; `commits` has the summary and the paths of each, `refuse` a status for commits."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        self.stored: dict[str, bytes] = {}
        self.commits: list[tuple[str, list[str]]] = []
        self.private: dict[str, bool] = {}
        self.validated: list[dict] = []
        self.refuse = 0
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, content = hub.answer(self.command, self.path.partition("?")[0], body, self.headers)
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_HEAD = answer    # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, method: str, path: str, body: bytes, headers) -> tuple[int, object]:
        if path.startswith("/stored/"):
            digest = path.rpartition("/")[2]
            assert hashlib.sha256(body).hexdigest() == digest
            self.stored[digest] = body
            return 200, {}
        if path.endswith(".git/info/lfs/objects/batch"):
            return 200, {"transfer": "basic", "objects": [one | {"actions": {"upload": {"href": f"{self.address}/stored/{one['oid']}"}}}
                                                          for one in json.loads(body)["objects"]]}
        if headers.get("Authorization") != "Bearer secret":
            return 401, {"error": "Invalid credentials"}
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
            assert asked["type"] == "dataset"
            new = name not in self.files
            self.files.setdefault(name, {".gitattributes": b""})
            self.private.setdefault(name, bool(asked.get("private") or asked.get("visibility") == "private"))
            return (200 if new else 409), {"url": f"{self.address}/datasets/{name}", "error": "" if new else "it exists"}
        if path == "/api/validate-yaml":            # the metadata of a card, before it is uploaded
            self.validated.append(json.loads(body))
            return 200, {"errors": [], "warnings": []}
        _, _, kind, owner, repository, *rest = path.split("/")
        name = f"{owner}/{repository}"
        assert kind == "datasets" and name in self.files
        if rest and rest[0] == "preupload":
            return 200, {"files": [{"path": one["path"], "uploadMode": "lfs" if one["path"].endswith(".parquet") else "regular",
                                    "shouldIgnore": False} for one in json.loads(body)["files"]]}
        if rest and rest[0] == "tree":
            return 200, [{"type": "file", "path": one, "size": len(data), "oid": "0" * 40} for one, data in self.files[name].items()]
        if rest and rest[0] == "commit":
            return self.commit(name, [json.loads(line) for line in body.splitlines()])
        return 200, {"id": name, "siblings": [{"rfilename": one} for one in self.files[name]], "private": self.private[name],
                     "tags": [], "downloads": 0, "likes": 0}

    def commit(self, name: str, lines: list[dict]) -> tuple[int, object]:
        if self.refuse:
            return self.refuse, {"error": "you have no right to write here"}
        paths = []
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                assert value["encoding"] == "base64"
                self.files[name][value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.files[name][value["path"]] = self.stored[value["oid"]]
            elif line["key"] == "deletedFile":
                del self.files[name][value["path"]]
            paths += [value["path"]] if "path" in value else []
        self.commits.append((lines[0]["value"]["summary"], paths))
        return 200, {"commitUrl": f"{self.address}/datasets/{name}/commit/1", "commitOid": "1" * 40, "success": True}

    def __enter__(self) -> "Hub":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
