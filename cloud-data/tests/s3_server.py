"""A real S3 server (moto's) with the faults of a bad day, for `cloud-data/test`.

Prints its port, serves until its input ends. In the bucket `flaky` every 20th read of an object fails: by status 503, by a
body that ends early, by no answer at all, in turns. An object called `unreadable...` fails always, in any bucket.
"""

import itertools
import socket
import sys
import threading

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

EVERY = 20


class Faults:
    def __init__(self, app):
        self.app = app
        self.reads = itertools.count(1)

    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"]
        is_read = environ["REQUEST_METHOD"] == "GET" and path.count("/") > 1 and "list-type" not in environ["QUERY_STRING"]
        if is_read and path.rsplit("/", 1)[-1].startswith("unreadable"):
            start_response("500 Internal Server Error", [("Content-Length", "0")])
            return [b""]
        if is_read and path.startswith("/flaky/"):
            number = next(self.reads)
            if number % EVERY == 0:
                return self.fail(number // EVERY % 3, environ, start_response)
        return self.app(environ, start_response)

    def fail(self, kind, environ, start_response):
        if kind == 0:
            start_response("503 Slow Down", [("Content-Length", "0")])
            return [b""]
        if kind == 1:
            body = b"".join(self.app(environ, start_response))
            # Fewer bytes than the header says: the client sees the connection close.
            return [body[: len(body) // 2]]
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        raise ConnectionError("the server went away")


def main():
    app = Faults(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
