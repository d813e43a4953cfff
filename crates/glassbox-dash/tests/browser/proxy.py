"""A proxy as people have before their notebooks: it shows a server under a prefix, and passes on what it is sent."""

import contextlib
import socket
import threading

PREFIX = b"/user/ada/proxy"


class Proxy:
    """Listens at a port of its own, and takes the prefix off each request."""

    def __init__(self, port):
        self.to = ("127.0.0.1", port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.is_cut = False
        self.open = set()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.is_cut:
                client.close()
                continue
            threading.Thread(target=self.one, args=(client,), daemon=True).start()

    def cut(self):
        """Ends all connections, and takes no new one until `mend`."""
        self.is_cut = True
        for client in list(self.open):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def mend(self):
        self.is_cut = False

    def one(self, client):
        """One request a connection: what comes back is passed on until the server closes."""
        self.open.add(client)
        try:
            self.between(client)
        finally:
            self.open.discard(client)

    def between(self, client):
        with client, socket.create_connection(self.to) as server:
            head = b""
            while b"\r\n\r\n" not in head:
                more = client.recv(65536)
                if not more:
                    return
                head += more
            line, rest = head.split(b"\r\n", 1)
            method, path, version = line.split(b" ")
            if not path.startswith(PREFIX):
                client.sendall(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                return
            path = path[len(PREFIX):] or b"/"
            server.sendall(b" ".join([method, path, version]) + b"\r\nconnection: close\r\n" + rest.replace(b"\r\nConnection: keep-alive", b""))
            threading.Thread(target=self.pump, args=(client, server), daemon=True).start()
            self.pump(server, client)

    @staticmethod
    def pump(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass

    def close(self):
        self.listener.close()
