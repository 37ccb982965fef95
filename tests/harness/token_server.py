#!/usr/bin/env python3
"""token_server.py DIR PORT SECONDS: gives tokens for docker distribution (auth.token) that are good for SECONDS. DIR has
token.key and token.pem; DIR/tokens.log gets a JSON line for each answer.

`user` may pull and push, `reader` may pull, both with the password pw; whoever has no name may pull below public/. The
refresh token of user is user-refresh.
"""
import base64
import http.server
import json
import re
import subprocess
import sys
import time
import urllib.parse

MAY = {"user": {"pull", "push"}, "reader": {"pull"}}
# distribution takes a token for so many seconds longer.
LEEWAY = 60


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def granted(user, scopes):
    """What of the wanted scopes a user gets; what is refused is left out without a word, as the specification wants it."""
    access = []
    for scope in scopes:
        kind, _, rest = scope.partition(":")
        name, _, wanted = rest.rpartition(":")
        if user is None:
            may = {"pull"} if name.startswith("public/") else set()
        else:
            may = MAY[user]
        actions = [action for action in wanted.split(",") if kind == "repository" and action in may]
        if actions:
            access.append({"type": kind, "name": name, "actions": actions})
    return access


class Server(http.server.ThreadingHTTPServer):
    def __init__(self, folder, port, seconds):
        super().__init__(("127.0.0.1", port), Handler)
        self.folder, self.seconds = folder, seconds
        pem = open(f"{folder}/token.pem").read()
        self.certificate = re.search("-----BEGIN CERTIFICATE-----(.*?)-----END", pem, re.S)[1].replace("\n", "")

    def token(self, user, service, access):
        now = int(time.time())
        head = {"typ": "JWT", "alg": "RS256", "x5c": [self.certificate]}
        body = {"iss": "harness", "sub": user or "", "aud": service, "iat": now, "nbf": now - 1, "jti": str(time.time_ns()),
                "exp": now + self.seconds - LEEWAY, "access": access}
        text = b".".join(encoded(json.dumps(part).encode()) for part in (head, body))
        sign = ["openssl", "dgst", "-sha256", "-sign", f"{self.folder}/token.key"]
        return (text + b"." + encoded(subprocess.run(sign, input=text, stdout=subprocess.PIPE, check=True).stdout)).decode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        shown = self.headers.get("Authorization")
        if shown is None:
            return self.give(None, query)
        try:
            user, _, password = base64.b64decode(shown.removeprefix("Basic ")).decode().partition(":")
        except ValueError:
            user = password = ""
        if user in MAY and password == "pw":
            return self.give(user, query)
        self.refuse()

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if form.get("grant_type") == ["refresh_token"] and form.get("refresh_token") == ["user-refresh"]:
            return self.give("user", form)
        self.refuse()

    def give(self, user, wanted):
        scopes = " ".join(wanted.get("scope", [])).split()
        access = granted(user, scopes)
        self.answer(200, user, scopes, {"token": self.server.token(user, wanted.get("service", [""])[0], access),
                                        "expires_in": self.server.seconds})

    def refuse(self):
        self.answer(401, None, [], {"errors": [{"code": "UNAUTHORIZED", "message": "wrong user or password"}]})

    def answer(self, status, user, scopes, document):
        with open(f"{self.server.folder}/tokens.log", "a") as log:
            log.write(json.dumps({"status": status, "user": user, "scopes": scopes}) + "\n")
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    Server(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])).serve_forever()
