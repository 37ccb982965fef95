#!/usr/bin/env python3
"""delay.py PORT TARGET_PORT MILLISECONDS: passes connections on to another port of loopback, all bytes later by so many milliseconds each way. The first
bytes of a connection wait for two ways more, which a TCP handshake takes. TLS is refused at once: a client that tries it first, as podman does with
insecure registries, does so with none that matters. For where the kernel has no `tc netem`."""
import asyncio
import sys

# What is on its way, for each direction, in bytes: a window of this size at 20 ms is 400 MB/s.
WINDOW = 8 << 20


async def copy(reader, writer, delay, first, data=b""):
    loop = asyncio.get_running_loop()
    queue, room, on_way = asyncio.Queue(), asyncio.Event(), 0

    async def deliver():
        nonlocal on_way
        while (item := await queue.get()) is not None:
            at, data = item
            await asyncio.sleep(max(0, at - loop.time()))
            writer.write(data)
            await writer.drain()
            on_way -= len(data)
            room.set()
        writer.close()

    async def take():
        nonlocal on_way, data
        not_before = loop.time() + first
        try:
            while data := data or await reader.read(1 << 18):
                on_way += len(data)
                queue.put_nowait((max(not_before, loop.time()) + delay, data))
                data = b""
                while on_way > WINDOW:
                    room.clear()
                    await room.wait()
        except OSError:
            pass
        finally:
            queue.put_nowait(None)
    try:
        await asyncio.gather(deliver(), take())
    except OSError:
        pass


async def main(port, target, delay):
    async def connected(reader, writer):
        first = await reader.read(1 << 18)
        if not first[:1].isalpha():
            return writer.close()
        there, back = await asyncio.open_connection("127.0.0.1", target, limit=1 << 19)
        # Whoever connects may send once its handshake is over: from then on, data takes one way.
        await asyncio.gather(copy(reader, back, delay, 2 * delay, first), copy(there, writer, delay, 0))
    async with await asyncio.start_server(connected, "127.0.0.1", port, limit=1 << 19) as server:
        await server.serve_forever()


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1000))
