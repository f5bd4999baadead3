"""The count of the votes, as JSON."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg2

import database


class Result(BaseHTTPRequestHandler):
    """`GET /` is `{"option": votes}`."""

    def do_GET(self):
        try:
            connection = database.connect(attempts=1)
            with connection, connection.cursor() as cursor:
                cursor.execute("SELECT vote, count(*) FROM votes GROUP BY vote ORDER BY vote")
                self.answer(200, dict(cursor.fetchall()))
            connection.close()
        except psycopg2.Error as error:
            self.answer(503, {"error": str(error)})

    def answer(self, status, value):
        body = json.dumps(value).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("", int(os.environ.get("PORT", "80"))), Result).serve_forever()
