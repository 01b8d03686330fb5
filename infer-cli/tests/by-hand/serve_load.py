#!/usr/bin/env python3
"""`infer-cli serve` under load: parallel uploads, slow clients and sockets that only wait.

    serve_load.py PROGRAM PHOTO [--seconds 60] [--uploads 200] [--idle 1000] [--slow 20] [-- OPTIONS OF SERVE]

Every request must end with a status. Prints how many got which, the slowest, and the service's largest memory; exits
with 1 when a request ended without a status. Needs nothing but Python; `ulimit -n` must allow the sockets.
"""

import argparse
import asyncio
import collections
import subprocess
import sys
import time


async def upload(address, request, counts, times):
    start = time.monotonic()
    status = "no status"
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(*address), 120)
        try:
            writer.write(request)
            await writer.drain()
        except OSError as error:
            status = f"while sending: {type(error).__name__}"
        line = await asyncio.wait_for(reader.readline(), 120)
        if line.startswith(b"HTTP/1.1 "):
            status = int(line.split()[1])
            await asyncio.wait_for(reader.read(), 120)
        writer.close()
    except (OSError, asyncio.TimeoutError) as error:
        if not isinstance(status, int):
            status = type(error).__name__
    counts[status] += 1
    times.append(time.monotonic() - start)
    return status


async def keep_uploading(address, request, end, counts, times):
    while time.monotonic() < end:
        if await upload(address, request, counts, times) == 503:
            await asyncio.sleep(1)  # What Retry-After says.


async def wait_idle(address, end, idle):
    """Holds one socket open without a word, and opens another where it is closed."""
    while time.monotonic() < end:
        try:
            reader, writer = await asyncio.open_connection(*address)
            try:
                answer = await asyncio.wait_for(reader.read(), max(0.1, end - time.monotonic()))
                idle["told to come again" if answer.startswith(b"HTTP/1.1 503") else "closed"] += 1
            except asyncio.TimeoutError:
                idle["kept"] += 1
            writer.close()
        except OSError as error:
            idle[type(error).__name__] += 1
        await asyncio.sleep(0.5)


async def trickle(address, request, end, counts):
    """Sends a photo a few bytes at a time."""
    while time.monotonic() < end:
        status = "no status"
        try:
            reader, writer = await asyncio.open_connection(*address)
            answer = asyncio.ensure_future(reader.readline())
            step = max(1, len(request) // 100)
            for at in range(0, len(request), step):
                if answer.done():
                    break
                writer.write(request[at : at + step])
                await writer.drain()
                await asyncio.sleep(0.1)
            line = await asyncio.wait_for(answer, 120)
            status = int(line.split()[1]) if line.startswith(b"HTTP/1.1 ") else status
            writer.close()
        except (OSError, asyncio.TimeoutError) as error:
            status = type(error).__name__
        counts[f"slow: {status}"] += 1


def peak_mib(pid):
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    return 0.0


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("photo")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--uploads", type=int, default=200)
    parser.add_argument("--idle", type=int, default=1000)
    parser.add_argument("--slow", type=int, default=20)
    ours, options = sys.argv[1:], []
    if "--" in ours:
        ours, options = ours[: ours.index("--")], ours[ours.index("--") + 1 :]
    args = parser.parse_args(ours)
    service = subprocess.Popen(
        [args.program, "serve", "--port", "0", *options], stdout=subprocess.PIPE, text=True
    )
    try:
        host, port = service.stdout.readline().strip().rsplit("/", 1)[1].rsplit(":", 1)
        address = (host, int(port))
        with open(args.photo, "rb") as file:
            body = file.read()
        head = (
            f"POST /api/classify HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        request = head.encode() + body
        before = peak_mib(service.pid)
        counts, idle, times = collections.Counter(), collections.Counter(), []
        end = time.monotonic() + args.seconds
        tasks = [wait_idle(address, end, idle) for _ in range(args.idle)]
        tasks += [trickle(address, request, end, counts) for _ in range(args.slow)]
        tasks += [keep_uploading(address, request, end, counts, times) for _ in range(args.uploads)]
        await asyncio.gather(*tasks)
        print("requests:", dict(counts))
        print("idle sockets:", dict(idle))
        print(f"slowest: {max(times):.1f} s; memory: {before:.0f} MiB before, at most {peak_mib(service.pid):.0f} MiB")
        bad = [status for status in counts if not str(status).split()[-1].isdigit()]
        return 1 if bad else 0
    finally:
        service.terminate()
        service.wait()


raise SystemExit(asyncio.run(main()))
