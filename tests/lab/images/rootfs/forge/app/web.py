"""A small forge: repositories over HTTP, their list in PostgreSQL, the count of pushes in Redis."""

import json
import os
import pathlib
import re
import subprocess
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import psycopg2
import redis

DATA = pathlib.Path(os.environ.get("FORGE_DATA", "/srv/git"))
STORE = redis.Redis(host=os.environ.get("REDIS_HOST", "redis"), socket_timeout=2, socket_connect_timeout=2)
NAME = re.compile(r"[a-z][a-z0-9-]{0,40}")


def connect():
    """A connection; the password comes from a file where one is named."""
    file = os.environ.get("DB_PASS_FILE")
    connection = psycopg2.connect(
        host=os.environ.get("DB_HOST", "postgresql"),
        user=os.environ.get("DB_USER", "forge"),
        dbname=os.environ.get("DB_NAME", "forge"),
        password=pathlib.Path(file).read_text().strip() if file else os.environ.get("DB_PASS", ""),
        connect_timeout=2,
    )
    connection.autocommit = True
    return connection


def query(text, values=()):
    """The rows of one statement."""
    connection = connect()
    try:
        with connection.cursor() as cursor:
            cursor.execute(text, values)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


class Forge(BaseHTTPRequestHandler):
    """Repositories under `/NAME.git`, files under `/NAME/raw/PATH`, the list under `/projects`."""

    protocol_version = "HTTP/1.0"

    def do_GET(self):
        self.guarded(self.get)

    def do_POST(self):
        self.guarded(self.post)

    def guarded(self, handler):
        """The stores may be away for a moment."""
        try:
            handler(urlsplit(self.path).path.strip("/").split("/"))
        except (psycopg2.Error, redis.RedisError) as error:
            self.answer(503, {"error": str(error)})

    def get(self, parts):
        if parts == ["healthz"]:
            query("SELECT 1")
            STORE.ping()
            self.answer(200, {"ok": True})
        elif parts == ["projects"]:
            rows = query("SELECT name, description FROM projects ORDER BY name")
            self.answer(
                200, [{"name": n, "description": d, "pushes": int(STORE.get(f"pushes:{n}") or 0)} for n, d in rows]
            )
        elif len(parts) > 2 and parts[1] == "raw" and NAME.fullmatch(parts[0]):
            shown = subprocess.run(
                ["git", "-C", DATA / f"{parts[0]}.git", "show", "HEAD:" + "/".join(parts[2:])],
                capture_output=True, check=False,
            )
            self.send(200 if shown.returncode == 0 else 404, "text/plain", shown.stdout or shown.stderr)
        elif parts[0].endswith(".git"):
            self.backend()
        else:
            self.answer(404, {"error": "nothing here"})

    def post(self, parts):
        if parts == ["projects"]:
            project = json.loads(self.body())
            if not NAME.fullmatch(project["name"]):
                self.answer(400, {"error": "a name has small letters, digits and dashes"})
                return
            query("INSERT INTO projects (name, description) VALUES (%s, %s)", (project["name"], project["description"]))
            folder = DATA / f"{project['name']}.git"
            subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", folder], check=True)
            subprocess.run(["git", "-C", folder, "config", "http.receivepack", "true"], check=True)
            self.answer(201, project)
        elif parts[0].endswith(".git"):
            self.backend()
            if parts[-1] == "git-receive-pack":
                STORE.incr(f"pushes:{parts[0].removesuffix('.git')}")
        else:
            self.answer(404, {"error": "nothing here"})

    def backend(self):
        """Git's own server side, as a CGI program."""
        url = urlsplit(self.path)
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(DATA),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": url.path,
            "QUERY_STRING": url.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        body = self.body()
        environment["CONTENT_LENGTH"] = str(len(body))
        done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def body(self):
        """The body of a request, chunked or not."""
        if self.headers.get("Transfer-Encoding") == "chunked":
            content = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                content += self.rfile.read(size)
                self.rfile.readline()
            return content
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def answer(self, status, value):
        self.send(status, "application/json", json.dumps(value).encode() + b"\n")

    def send(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main():
    """Waits for the database, then serves."""
    DATA.mkdir(parents=True, exist_ok=True)
    # The volume may belong to another user than the one that git runs as.
    subprocess.run(["git", "config", "--system", "safe.directory", "*"], check=False)
    while True:
        try:
            query("CREATE TABLE IF NOT EXISTS projects (name text PRIMARY KEY, description text NOT NULL)")
            break
        except psycopg2.Error as error:
            print("database:", error)
            time.sleep(1)
    ThreadingHTTPServer(("", int(os.environ.get("PORT", "8080"))), Forge).serve_forever()


main()
