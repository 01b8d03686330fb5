"""`infer-cli serve` under more than it can do: 200 uploads at once for a minute, slow clients, 1,000 idle sockets.

    python3 serve_minute.py INFER_CLI PHOTO [SECONDS]

Every upload must be answered with a status (200, or 503 when there is too much to do); one whose connection ends without
is counted as lost. Slow clients send a byte a second and never finish. Prints how many there were of each, the time
to an answer, and the service's memory before, at the most, and at the end.
"""

import asyncio
import collections
import pathlib
import re
import resource
import subprocess
import sys
import time

cli, photo = sys.argv[1], pathlib.Path(sys.argv[2]).read_bytes()
seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 60.0
UPLOADERS, SLOW, IDLE = 200, 20, 1000

soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))

service = subprocess.Popen([cli, "serve", "--port", "0", "--model", "embedded"], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True)
port = None
for line in service.stdout:
    found = re.search(r"127\.0\.0\.1:(\d+)", line)
    if found:
        port = int(found.group(1))
        break


def resident():
    text = pathlib.Path(f"/proc/{service.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text).group(1)) / 1024


request = (f"POST /api/classify?topk=1&name=photo.jpg HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
           f"Content-Length: {len(photo)}\r\nConnection: close\r\n\r\n").encode() + photo
statuses, times = collections.Counter(), []
end = time.monotonic() + seconds


async def upload():
    begun = time.monotonic()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request)
            try:
                await writer.drain()
            except ConnectionError:
                pass  # An early answer may be there all the same.
            head = await asyncio.wait_for(reader.read(64), 120)
            status = int(head.split()[1]) if head.startswith(b"HTTP/1.1 ") else "closed without a status"
        finally:
            writer.close()
    except (ConnectionError, asyncio.TimeoutError, OSError) as error:
        status = type(error).__name__
    statuses[status] += 1
    if status == 200:
        times.append(time.monotonic() - begun)
    elif status == 503:
        await asyncio.sleep(1)  # Retry-After


async def uploader():
    while time.monotonic() < end:
        await upload()


async def idle():
    while time.monotonic() < end:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.wait_for(reader.read(1), max(0.1, end - time.monotonic()))
            writer.close()
        except (ConnectionError, asyncio.TimeoutError, OSError):
            pass
        await asyncio.sleep(1)


async def slow():
    while time.monotonic() < end:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for byte in request:
                if time.monotonic() > end:
                    break
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(1)
            writer.close()
        except (ConnectionError, OSError):
            pass


async def main():
    memory = [resident()]

    async def watch():
        while time.monotonic() < end:
            memory.append(resident())
            await asyncio.sleep(0.5)

    await asyncio.gather(watch(), *(uploader() for _ in range(UPLOADERS)), *(idle() for _ in range(IDLE)),
                         *(slow() for _ in range(SLOW)))
    return memory


memory = asyncio.run(main())
last = resident()
service.terminate()
code = service.wait(30)
times.sort()
print("answers      ", ", ".join(f"{count} x {status}" for status, count in statuses.most_common()))
if times:
    print(f"time         median {times[len(times) // 2]:.2f} s, 99 % {times[int(len(times) * 0.99)]:.2f} s, "
          f"{len(times) / seconds:.0f} photos/s")
print(f"memory       {memory[0]:.0f} MiB before, {max(memory):.0f} at the most, {last:.0f} at the end; exit code {code}")
lost = sum(count for status, count in statuses.items() if not isinstance(status, int))
sys.exit(1 if lost else 0)
