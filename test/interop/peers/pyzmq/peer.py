"""A peer of the interop matrix: sockets of pyzmq (libzmq), driven over stdin. ../README.md has the protocol."""

import json
import queue
import sys
import threading

import zmq
from zmq.utils import z85

context = zmq.Context()
output = threading.Lock()
# What the ZAP handler lets in: `user:password` and public keys, in hex.
allowed: set[str] = set()


def answer(number: str, fields: dict[str, str]) -> None:
    with output:
        sys.stdout.write(json.dumps({"id": int(number), **fields}) + "\n")
        sys.stdout.flush()


class Opened:
    """Does its requests in order, each when the one before it is done, in a thread of its own."""

    def __init__(self, kind: str, *options: str) -> None:
        self.requests: queue.SimpleQueue[list[str]] = queue.SimpleQueue()
        self.closing = False
        self.socket = context.socket(getattr(zmq, kind))
        self.socket.linger = 0
        # So that it sees when it is to be closed.
        self.socket.rcvtimeo = self.socket.sndtimeo = 50
        for option in options:
            name, value = option.split("=")
            values = [bytes.fromhex(part) for part in value.split(":")]
            if name == "routing-id":
                self.socket.routing_id = values[0]
            elif name == "plain-client":
                self.socket.plain_username, self.socket.plain_password = values
            elif name == "plain-server":
                self.socket.plain_server = True
                allowed.add(value)
            elif name == "curve-client":
                self.socket.curve_serverkey, self.socket.curve_publickey, self.socket.curve_secretkey = map(z85.encode, values)
            elif name == "curve-server":
                self.socket.curve_server = True
                self.socket.curve_publickey, self.socket.curve_secretkey = map(z85.encode, values[:2])
                allowed.add(values[2].hex())
            else:
                raise ValueError(f"no such option: {name}")
        threading.Thread(target=self.run, daemon=True).start()

    def run(self) -> None:
        while True:
            number, verb, _, *arguments = self.requests.get()
            if verb == "close":
                self.socket.close()
                return answer(number, {})
            try:
                answer(number, self.act(verb, *arguments))
            except Exception as error:
                answer(number, {"failed": repr(error)})

    def act(self, verb: str, argument: str = "") -> dict[str, str]:
        if verb == "bind":
            self.socket.bind(argument.removesuffix(":0") + ":*" if argument.endswith(":0") else argument)
            return {"endpoint": self.socket.last_endpoint.decode()}
        if verb == "connect":
            self.socket.connect(argument)
        elif verb == "subscribe":
            self.socket.subscribe(bytes.fromhex(argument))
            # Connections that came in are taken notice of, and told the topics, in the next call only.
            self.socket.getsockopt(zmq.EVENTS)
        elif verb == "unsubscribe":
            self.socket.unsubscribe(bytes.fromhex(argument))
        elif verb == "send":
            frames = [bytes.fromhex(frame) for frame in argument.split(",")]
            self.retry(lambda: self.socket.send_multipart(frames))
        elif verb == "receive":
            return {"frames": ",".join(frame.hex() for frame in self.retry(self.socket.recv_multipart))}
        else:
            raise ValueError(f"no such verb: {verb}")
        return {}

    def retry(self, call):
        while not self.closing:
            try:
                return call()
            except zmq.Again:
                pass
        raise RuntimeError("closed")


def answer_zap() -> None:
    handler = context.socket(zmq.REP)
    handler.bind("inproc://zeromq.zap.01")

    def serve() -> None:
        while True:
            version, number, _, _, _, mechanism, *credentials = handler.recv_multipart()
            ok = mechanism == b"NULL" or ":".join(part.hex() for part in credentials) in allowed
            handler.send_multipart([version, number, b"200" if ok else b"400", b"OK" if ok else b"refused", b"", b""])

    threading.Thread(target=serve, daemon=True).start()


def main() -> None:
    answer_zap()
    sockets: dict[str, Opened] = {}
    for line in sys.stdin:
        words = line.rstrip("\n").split(" ")
        number, verb, name, *arguments = words
        if verb == "open":
            try:
                sockets[name] = Opened(*arguments)
                answer(number, {})
            except Exception as error:
                answer(number, {"failed": repr(error)})
        elif name not in sockets:
            answer(number, {"failed": "closed"})
        else:
            opened = sockets[name]
            if verb == "close":
                opened.closing = True
                del sockets[name]
            opened.requests.put(words)


main()
