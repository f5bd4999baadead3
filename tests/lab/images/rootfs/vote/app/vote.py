"""The ballot: a vote goes into a list in Redis."""

import json
import os
import pathlib
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import redis

BALLOT = pathlib.Path("/app/ballot.json")
STORE = redis.Redis(host=os.environ.get("REDIS_HOST", "redis"), socket_timeout=2, socket_connect_timeout=2)


def options():
    """What can be voted for: from the ballot's file where there is one."""
    if BALLOT.exists():
        return json.loads(BALLOT.read_text())["options"]
    return [os.environ.get("OPTION_A", "Cats"), os.environ.get("OPTION_B", "Dogs")]


class Ballot(BaseHTTPRequestHandler):
    """`GET /` shows the options, `POST /` with `vote=...` casts a vote."""

    def do_GET(self):
        buttons = "".join(f'<button name="vote" value="{o}">{o}</button>' for o in options())
        self.answer(200, f"<form method=post>{buttons}</form>\n")

    def do_POST(self):
        length = int(self.headers.get("Content-Length", "0"))
        choice = parse_qs(self.rfile.read(length).decode()).get("vote", [""])[0]
        if choice not in options():
            self.answer(400, "there is no such option\n")
            return
        try:
            STORE.rpush("votes", json.dumps({"voter": uuid.uuid4().hex, "vote": choice}))
            self.answer(200, f"voted for {choice}\n")
        except redis.RedisError as error:
            self.answer(503, f"the store does not answer: {error}\n")

    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("", int(os.environ.get("PORT", "80"))), Ballot).serve_forever()
