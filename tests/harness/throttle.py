#!/usr/bin/env python3
"""throttle.py PORT TARGET_PORT BYTES_PER_SECOND: passes connections on to another port of loopback, and what a client sends on each no faster
than that."""
import asyncio
import sys


class Line:
    def __init__(self, rate):
        self.rate, self.free = rate, 0.0

    async def wait(self, size):
        now = asyncio.get_running_loop().time()
        self.free = max(self.free, now) + size / self.rate
        await asyncio.sleep(self.free - now)


async def copy(reader, writer, line):
    try:
        while data := await reader.read(16384):
            if line:
                await line.wait(len(data))
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def main(port, target, rate):
    async def connected(reader, writer):
        there, back = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(copy(reader, back, Line(rate)), copy(there, writer, None))
    # Small buffers: what waits here was sent for the client, and is lost with it.
    async with await asyncio.start_server(connected, "127.0.0.1", port, limit=16384) as server:
        await server.serve_forever()


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    asyncio.run(main(*map(int, sys.argv[1:])))
