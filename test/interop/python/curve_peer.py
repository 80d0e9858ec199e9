"""pyzmq with CURVE and its ThreadAuthenticator, driven by a test: a JSON request a line on stdin, its JSON answer a line on stdout.

    server SECRET ALLOWED       a REP that echoes; ALLOWED: public keys (Z85), or null for any -> `endpoint`
    call ENDPOINT SERVER_KEY SECRET TEXT TIMEOUT  a REQ -> `reply`, or null after TIMEOUT ms
    publisher SECRET ALLOWED    a PUB that repeats "news" -> `endpoint`
    listen ENDPOINT SERVER_KEY SECRET TIMEOUT     a SUB -> `reply`, or null after TIMEOUT ms
"""

import json
import os
import sys
import tempfile
import threading
import time

import zmq
import zmq.auth
from zmq.auth.thread import ThreadAuthenticator


def server_socket(kind, secret, allowed):
    # A context of its own: there is one authenticator in each.
    context = zmq.Context()
    authenticator = ThreadAuthenticator(context)
    authenticator.start()
    if allowed is None:
        authenticator.configure_curve(domain="*", location=zmq.auth.CURVE_ALLOW_ANY)
    else:
        folder = tempfile.mkdtemp()
        for number, key in enumerate(allowed):
            with open(os.path.join(folder, f"{number}.key"), "w") as file:
                file.write(f'metadata\ncurve\n    public-key = "{key}"\n')
        authenticator.configure_curve(domain="*", location=folder)
    socket = context.socket(kind)
    socket.linger = 0
    socket.curve_server = True
    socket.curve_secretkey = secret.encode()
    socket.bind("tcp://127.0.0.1:*")
    return socket, socket.last_endpoint.decode()


def client_socket(kind, endpoint, server_key, secret, timeout):
    socket = zmq.Context.instance().socket(kind)
    socket.linger = 0
    socket.rcvtimeo = timeout
    socket.curve_serverkey = server_key.encode()
    socket.curve_secretkey = secret.encode()
    socket.curve_publickey = zmq.curve_public(secret.encode())
    if kind == zmq.SUB:
        socket.subscribe(b"")
    socket.connect(endpoint)
    return socket


def received(socket):
    try:
        return socket.recv().decode()
    except zmq.Again:
        return None
    finally:
        socket.close()


def echo(socket):
    while True:
        socket.send_multipart(socket.recv_multipart())


def repeat(socket):
    while True:
        socket.send(b"news")
        time.sleep(0.02)


def answer(verb, secret, allowed=None, endpoint=None, serverKey=None, text=None, timeout=None):
    if verb in ("server", "publisher"):
        kind, run = (zmq.REP, echo) if verb == "server" else (zmq.PUB, repeat)
        socket, bound = server_socket(kind, secret, allowed)
        threading.Thread(target=run, args=(socket,), daemon=True).start()
        return {"endpoint": bound}
    kind = zmq.REQ if verb == "call" else zmq.SUB
    socket = client_socket(kind, endpoint, serverKey, secret, timeout)
    if verb == "call":
        socket.send(text.encode())
    return {"reply": received(socket)}


def serve(request):
    number = request.pop("id")
    try:
        result = answer(**request)
    except Exception as error:
        result = {"failed": repr(error)}
    print(json.dumps({"id": number, **result}), flush=True)


for line in sys.stdin:
    threading.Thread(target=serve, args=(json.loads(line),), daemon=True).start()
# Threads that still run do not hold up the end.
os._exit(0)
