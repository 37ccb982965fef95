#!/usr/bin/env python3
"""faulty.py PORT TARGET_PORT MODE_FILE: passes HTTP requests on to another port of loopback. MODE_FILE says, for each request anew, what becomes of
blobs (GET only); what is no blob passes unchanged, but with `expired`:

  none          nothing
  cut PERCENT   so many of the answers end somewhere before their end, with the connection
  slow BYTES    so many bytes a second
  busy COUNT    the first request of each of so many blobs gets 429 with Retry-After: 1
  expired COUNT every request needs a token, and a token is good for so many requests; then they get 401
  flip          one byte of each 206 is another one
  short         a 206 has one byte less than was asked for, and says so in its Content-Length
  shifted       a 206 says in Content-Range that it begins one byte later
"""
import asyncio
import json
import random
import re
import sys

HEAD = b"\r\n\r\n"
chance = random.Random(14)
busy = set()
# How many requests each token is still good for.
tokens = {}


async def head(reader):
    try:
        first = await reader.readexactly(1)
        # Else a client that tries TLS first would wait for its answer.
        if not first.isalpha():
            return None
        return (first + await reader.readuntil(HEAD))[:-len(HEAD)].decode("latin-1").split("\r\n")
    except (asyncio.IncompleteReadError, OSError):
        return None


def value(lines, name):
    return next((line.split(":", 1)[1].strip() for line in lines if line.lower().startswith(name + ":")), None)


def changed(lines, name, text):
    return [line for line in lines if not line.lower().startswith(name + ":")] + ([f"{name}: {text}"] if text is not None else [])


def shifted(lines):
    """Later by a byte."""
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", value(lines, "content-range"))
    first, last, size = map(int, found.groups())
    return changed(lines, "content-range", f"bytes {first + 1}-{last + 1}/{size}")


def refusal(path, shown, host, good_for):
    """The answer to a request that needs a token and has none that is good, or that wants one."""
    if path.startswith("/token"):
        tokens[token := f"token{len(tokens)}"] = good_for
        body = json.dumps({"token": token})
        return f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    token = shown.removeprefix("Bearer ")
    if tokens.get(token, 0) > 0:
        tokens[token] -= 1
        return None
    return f'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer realm="http://{host}/token",service="faulty"\r\nContent-Length: 0\r\n\r\n'


async def one(asked, to_client, target, mode):
    """Whether the connection goes on."""
    method, path, _ = asked[0].split(" ")
    if mode[0] == "expired" and (said := refusal(path, value(asked, "authorization") or "", value(asked, "host"), int(mode[1]))):
        to_client.write(said.encode())
        return True
    mode = mode if "/blobs/" in path and method == "GET" else ["none"]
    if mode[0] == "busy" and path not in busy and len(busy) < int(mode[1]):
        busy.add(path)
        to_client.write(b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n")
        return True
    there, back = await asyncio.open_connection("127.0.0.1", target, limit=1 << 18)
    try:
        back.write(("\r\n".join(changed(asked, "connection", "close")) + "\r\n\r\n").encode("latin-1"))
        answer = changed(await head(there), "connection", None)
        length = 0 if method == "HEAD" else int(value(answer, "content-length") or 0)
        whole, wrong, is_part = length, None, " 206 " in answer[0]
        if mode[0] == "cut" and chance.random() * 100 < float(mode[1]):
            length = chance.randrange(length)
        elif mode[0] == "flip" and is_part:
            wrong = chance.randrange(length)
        elif mode[0] == "short" and is_part:
            length = whole = length - 1
            answer = changed(answer, "content-length", length)
        elif mode[0] == "shifted" and is_part:
            answer = shifted(answer)
        to_client.write(("\r\n".join(answer) + "\r\n\r\n").encode("latin-1"))
        sent = 0
        while sent < length and (data := await there.read(min(16384, length - sent))):
            if wrong is not None and sent <= wrong < sent + len(data):
                data = bytearray(data)
                data[wrong - sent] ^= 1
            to_client.write(data)
            sent += len(data)
            await to_client.drain()
            if mode[0] == "slow":
                await asyncio.sleep(len(data) / float(mode[1]))
        return sent == whole
    finally:
        back.close()


async def main(port, target, mode_file):
    async def connected(reader, writer):
        try:
            while asked := await head(reader):
                with open(mode_file) as f:
                    mode = f.read().split()
                if not await one(asked, writer, target, mode):
                    break
        except OSError:
            pass
        finally:
            writer.close()
    async with await asyncio.start_server(connected, "127.0.0.1", port, limit=1 << 18) as server:
        await server.serve_forever()


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
