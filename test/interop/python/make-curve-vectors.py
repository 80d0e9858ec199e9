"""Prints conversations of CURVE, worked out with libsodium, for test/unit/wire/curve*.test.ts:

    python make-curve-vectors.py > ../../unit/wire/curve-vectors.json

Needs PyNaCl. Nothing is random: each secret and nonce is a hash of its name.
"""

import hashlib
import json
import struct

from nacl.bindings import crypto_box, crypto_scalarmult_base


def secret(name, length):
    return hashlib.shake_256(name.encode()).digest(length)


def key_pair(name):
    key = secret(name, 32)
    return crypto_scalarmult_base(key), key


def metadata(*properties):
    return b"".join(
        bytes([len(name)]) + name + struct.pack(">I", len(value)) + value for name, value in properties
    )


def command(name, *data):
    return bytes([len(name)]) + name + b"".join(data)


def counter(number):
    return struct.pack(">Q", number)


def conversation(name, client_metadata, server_metadata, frames):
    client_public, client_secret = key_pair(name + " client")
    server_public, server_secret = key_pair(name + " server")
    client_transient_public, client_transient_secret = key_pair(name + " client transient")
    server_transient_public, server_transient_secret = key_pair(name + " server transient")
    cookie = secret(name + " cookie", 96)
    welcome_nonce = secret(name + " welcome nonce", 16)
    vouch_nonce = secret(name + " vouch nonce", 16)

    hello = command(
        b"HELLO",
        b"\1\0",
        bytes(72),
        client_transient_public,
        counter(1),
        crypto_box(bytes(64), b"CurveZMQHELLO---" + counter(1), server_public, client_transient_secret),
    )
    welcome = command(
        b"WELCOME",
        welcome_nonce,
        crypto_box(server_transient_public + cookie, b"WELCOME-" + welcome_nonce, client_transient_public, server_secret),
    )
    vouch = crypto_box(
        client_transient_public + server_public, b"VOUCH---" + vouch_nonce, server_transient_public, client_secret
    )
    initiate = command(
        b"INITIATE",
        cookie,
        counter(2),
        crypto_box(
            client_public + vouch_nonce + vouch + client_metadata,
            b"CurveZMQINITIATE" + counter(2),
            server_transient_public,
            client_transient_secret,
        ),
    )
    ready = command(
        b"READY",
        counter(1),
        crypto_box(server_metadata, b"CurveZMQREADY---" + counter(1), client_transient_public, server_transient_secret),
    )
    assert (len(hello), len(welcome), len(initiate), len(ready)) == (
        200,
        168,
        257 + len(client_metadata),
        30 + len(server_metadata),
    )

    numbers = {"client": 2, "server": 1}
    messages = []
    for sender, flags, body in frames:
        numbers[sender] += 1
        number = counter(numbers[sender])
        if sender == "client":
            nonce, theirs, ours = b"CurveZMQMESSAGEC", server_transient_public, client_transient_secret
        else:
            nonce, theirs, ours = b"CurveZMQMESSAGES", client_transient_public, server_transient_secret
        box = crypto_box(bytes([flags]) + body, nonce + number, theirs, ours)
        messages.append({"from": sender, "flags": flags, "body": body.hex(), "sealed": command(b"MESSAGE", number, box).hex()})
        assert len(messages[-1]["sealed"]) // 2 == 33 + len(body)

    return {
        "name": name,
        "clientPublic": client_public.hex(),
        "clientSecret": client_secret.hex(),
        "serverPublic": server_public.hex(),
        "serverSecret": server_secret.hex(),
        "clientTransientSecret": client_transient_secret.hex(),
        "serverTransientSecret": server_transient_secret.hex(),
        "cookie": cookie.hex(),
        "welcomeNonce": welcome_nonce.hex(),
        "vouchNonce": vouch_nonce.hex(),
        "clientMetadata": client_metadata.hex(),
        "serverMetadata": server_metadata.hex(),
        "hello": hello.hex(),
        "welcome": welcome.hex(),
        "initiate": initiate.hex(),
        "ready": ready.hex(),
        "messages": messages,
    }


MORE, COMMAND = 1, 2
DEALER = metadata((b"Socket-Type", b"DEALER"), (b"Identity", b""))
ROUTER = metadata((b"Socket-Type", b"ROUTER"), (b"Identity", b""))
SUB = metadata((b"Socket-Type", b"SUB"))
XPUB = metadata((b"Socket-Type", b"XPUB"), (b"X-Note", b"\0\1\2\xff"))

print(
    json.dumps(
        [
            conversation(
                "DEALER to ROUTER",
                DEALER,
                ROUTER,
                [
                    ("client", 0, b"a"),
                    ("server", 0, b""),
                    ("client", MORE, b""),
                    ("client", COMMAND, command(b"PING", b"\0\5", b"abc")),
                    ("client", 0, bytes(range(256))),
                    ("server", COMMAND, command(b"PONG", b"abc")),
                    ("server", MORE, b"x" * 31),
                    ("server", MORE, b"x" * 32),
                    ("server", 0, b"x" * 33),
                ],
            ),
            conversation(
                "SUB to XPUB",
                SUB,
                XPUB,
                [
                    ("client", COMMAND, command(b"SUBSCRIBE", b"topic")),
                    ("client", 0, b"\1other"),
                    ("client", COMMAND, command(b"CANCEL", b"topic")),
                    ("server", 0, b"other news"),
                ],
            ),
        ],
        indent=2,
    )
)
