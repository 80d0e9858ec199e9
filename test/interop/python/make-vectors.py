"""Writes test/unit/rpc/pyzmqrpc3-vectors.json: what the real pyzmqrpc3 writes and answers.

Run it with an interpreter that has pyzmqrpc3 (`.peers/python/bin/python`) and commit what it writes:

    .peers/python/bin/python test/interop/python/make-vectors.py
"""

import json
import logging
import os
import zlib
from base64 import b64decode, b64encode

from zmqrpc.command import ICommand, json_zip
from zmqrpc.server import ZmqRpcServer
from zmqrpc.service import IService

logging.disable(logging.CRITICAL)


class Stateful(ICommand):
    def __init__(self, state=None):
        self.state = {} if state is None else state

    def set_command_state(self, state):
        self.state = state

    def get_command_state(self):
        return self.state


class Greet(Stateful):
    pass


class Shape(Stateful):
    pass


class Point(Stateful):
    pass


class Strict(Stateful):
    def set_command_state(self, state):
        raise ValueError('refused')


class Echo(IService):
    """Answers what the test wants to see in a reply."""

    def __init__(self):
        self.result = None

    def __call__(self, command):
        return self.result


class Raises(IService):
    def __call__(self, command):
        raise ValueError('no such sensor')


VALUES = [
    None, True, False, 0, 1, -1, 2**53 - 1, 2**53, -2**53, 2**63, 2**64 - 1, 10**30, -10**30, 999999999999999,
    1000000000000000, 0.1, -0.0, 0.30000000000000004, 1e16, 1.5e300, 1e-4, 1e-5, 1.25e-7, 5e-324, 1.7976931348623157e308,
    9007199254740992.0, 123456789012345680.0, float('nan'), float('inf'), float('-inf'), '', 'Ada', 'é', '漢字', '😀',
    '\ud800', '\udc00x', '"\\/\b\f\n\r\t\0\x1f\x7f\u2028', 'NaN', '1234567890123456789', [], {}, [[]], [1, 'a', None, {'b': [2]}],
    {'a': 1, 'é': 2, '': 3, '__proto__': {'polluted': True}, 'constructor': 4}, {'9': 1, '10': 2},
]


def frame_of(json_bytes):
    return b64encode(zlib.compress(json_bytes)).decode('ascii')


def main():
    server = ZmqRpcServer()
    echo = Echo()
    server.register_service(Greet, echo)
    server.register_service(Shape, echo)
    server.register_service(Strict, echo)
    server.register_service(Point, Raises())

    nested = Shape({'corner': Point({'x': 1}), 'more': [Point({'x': 2}), {'deep': Point({'x': 3})}]})
    requests = [
        {'frame': json_zip(command), 'json': zlib_text(json_zip(command))}
        for command in [Greet({'name': 'Ada', 'polite': True}), Greet({'values': VALUES}), nested, Shape([1, 2])]
    ]

    failing = {
        'an empty frame': '',
        'no base64': '%%%',
        'base64 of something else': b64encode(b'hello').decode('ascii'),
        'an incomplete stream': b64encode(zlib.compress(b'{"a": 1}' * 20)[:-5]).decode('ascii'),
        'a damaged stream': b64encode(zlib.compress(b'{"a": 1}')[:-1] + b'x').decode('ascii'),
        'no JSON': frame_of(b'hello'),
        'nothing': frame_of(b''),
        'two values': frame_of(b'1 2'),
        'invalid UTF-8': frame_of(b'"\xff\xfe\xff"'),
        'a setter that raises': json_zip(Strict()),
        'a nested setter that raises': json_zip(Greet({'a': [Strict()]})),
        'an unknown nested command': frame_of(b'{"_icmd_": ["Greet", {"a": {"_icmd_": ["Unknown", {}]}}]}'),
        'an unknown command in a plain object': frame_of(b'{"a": {"_icmd_": ["Unknown", {}]}}'),
        'a command without a state': frame_of(b'{"_icmd_": ["Greet"]}'),
        'a command of three parts': frame_of(b'{"_icmd_": ["Greet", {}, 1]}'),
        'a command that is null': frame_of(b'{"_icmd_": null}'),
        'a command that is named by a number': frame_of(b'{"_icmd_": [1, {}]}'),
        'an integer that is too long': frame_of(b'1' * 4301),
        'nesting that is too deep': frame_of(b'[' * 5000 + b']' * 5000),
    }
    for text in ['[]', '{}', '"x"', '1', '-12', ' 7 ', '12345678901234567890', '1.0', '1e5', 'NaN', '-Infinity', 'true', 'null']:
        failing['not a command: %s' % text] = frame_of(text.encode())
    failing['not a command: an object with commands'] = frame_of(b'{"a": {"_icmd_": ["Greet", {}]}}')
    failing['after a byte order mark'] = frame_of(b'\xef\xbb\xbf[]')
    failing['with line breaks in the base64'] = '\n'.join([frame_of(b'[]')[:6], frame_of(b'[]')[6:], ''])
    failing['with something after the stream'] = b64encode(zlib.compress(b'[]') + b'junk').decode('ascii')

    failures = [
        {'what': what, 'frame': frame, 'reply': server.handle_incoming_message(frame)}
        for what, frame in failing.items()
    ]

    replies = []
    for value in VALUES:
        echo.result = value
        replies.append({'json': json.dumps(value), 'reply': server.handle_incoming_message(json_zip(Greet()))})

    vectors = {
        'requests': requests,
        'failures': failures,
        'replies': replies,
        'raised': server.handle_incoming_message(json_zip(Point())),
    }
    path = os.path.join(os.path.dirname(__file__), '..', '..', 'unit', 'rpc', 'pyzmqrpc3-vectors.json')
    with open(path, 'w', encoding='ascii') as file:
        json.dump(vectors, file, indent=1)
        file.write('\n')


def zlib_text(frame):
    return zlib.decompress(b64decode(frame)).decode('utf-8')


main()
os._exit(0)
