"""Receive a venue's webhooks: WEBHOOK_SECRET=whsec_... python receive.py 9000 (nothing to install)."""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

key = base64.b64decode(os.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))
seen = set()  # of a real receiver: a table, in the transaction that does what the message asks for


def is_genuine(headers, body):
    """Tell whether the hub has signed this, and within these five minutes; two signatures come after a new secret."""
    to_sign = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.new(key, to_sign, hashlib.sha256).digest()).decode()
    is_fresh = abs(time.time() - int(headers["webhook-timestamp"])) < 300
    return is_fresh and any(hmac.compare_digest(wanted, one) for one in headers["webhook-signature"].split())


class Receiver(BaseHTTPRequestHandler):
    """Takes what is posted, whatever the path."""

    protocol_version = "HTTP/1.1"  # so that messages share a connection

    def do_POST(self):
        """Take a message once, whoever often it comes, and say so before doing anything that takes long."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        is_taken = is_genuine(self.headers, body)
        self.send_response(204 if is_taken else 401)
        self.send_header("Content-Length", "0")
        self.end_headers()
        if is_taken and self.headers["webhook-id"] not in seen:
            seen.add(self.headers["webhook-id"])
            told = json.loads(body)
            print(told["sequence"], told["type"], told["data"], flush=True)

    def log_message(self, *_):
        """Print messages only."""


HTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
