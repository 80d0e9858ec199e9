"""pyzmq sockets that a test drives: a JSON request a line on stdin, its JSON answer a line on stdout, in order.

    open NAME TYPE OPTIONS      a socket; options are pyzmq's own, such as {"PLAIN_SERVER": 1} -> null
    bind NAME ENDPOINT          -> the endpoint as bound
    connect NAME ENDPOINT       -> null
    send NAME FRAMES            frames in base64 -> null
    receive NAME                -> frames in base64
    subscribe NAME TOPIC        -> null
    close NAME                  without lingering -> null
    passwords USERS             lets only these in at PLAIN servers, until the process ends -> null

A failed request answers {"error": text}.
"""

import base64
import json
import sys

import zmq
from zmq.auth.thread import ThreadAuthenticator

context = zmq.Context()
sockets = {}
authenticator = None


def open_socket(name, kind, options):
    socket = context.socket(getattr(zmq, kind))
    for option, value in {"LINGER": 0, "RCVTIMEO": 10000, "SNDTIMEO": 10000, **options}.items():
        socket.setsockopt(getattr(zmq, option), value.encode() if isinstance(value, str) else value)
    sockets[name] = socket


def bind(name, endpoint):
    sockets[name].bind(endpoint)
    return sockets[name].getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode()


def connect(name, endpoint):
    sockets[name].connect(endpoint)


def send(name, frames):
    sockets[name].send_multipart([base64.b64decode(frame) for frame in frames])


def receive(name):
    return [base64.b64encode(frame).decode() for frame in sockets[name].recv_multipart()]


def subscribe(name, topic):
    sockets[name].setsockopt(zmq.SUBSCRIBE, base64.b64decode(topic))


def close(name):
    sockets.pop(name).close(linger=0)


def passwords(users):
    global authenticator
    if authenticator is None:
        authenticator = ThreadAuthenticator(context)
        authenticator.start()
    authenticator.configure_plain(domain="*", passwords=users)


VERBS = {"open": open_socket, "bind": bind, "connect": connect, "send": send, "receive": receive}
VERBS.update({"subscribe": subscribe, "close": close, "passwords": passwords})

for line in sys.stdin:
    verb, *arguments = json.loads(line)
    try:
        answer = {"value": VERBS[verb](*arguments)}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)

for socket in sockets.values():
    socket.close(linger=0)
if authenticator is not None:
    authenticator.stop()
context.term()
