"""A page that counts its visits in Redis."""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import redis

KEY = os.environ.get("COUNTER_KEY", "visits")
GREETING = os.environ.get("GREETING", "Visits so far: ")
STORE = redis.Redis(
    host=os.environ.get("REDIS_HOST", "redis"),
    port=int(os.environ.get("REDIS_PORT", "6379")),
    socket_timeout=2,
    socket_connect_timeout=2,
)


class Page(BaseHTTPRequestHandler):
    """`/` counts, `/healthz` tells whether the store answers."""

    def do_GET(self):
        try:
            if self.path == "/":
                self.answer(200, f"{GREETING}{STORE.incr(KEY)}\n")
            elif self.path == "/healthz":
                STORE.ping()
                self.answer(200, "ok\n")
            else:
                self.answer(404, "nothing here\n")
        except redis.RedisError as error:
            self.answer(503, f"the store does not answer: {error}\n")

    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("", int(os.environ.get("PORT", "5000"))), Page).serve_forever()
