"""A pyzmqrpc3 peer on stdin and stdout: reads what we wrote, writes what we read. One request and one answer a line.

    echo FRAME          decodes the command, checks its type, encodes it anew         -> a frame
    make SEED           a command of random values                                    -> a frame
    check SEED FRAME    is FRAME the command that `make SEED` made?                   -> ok, or the difference
    reply TEXT          reads a reply as the client does, writes its result as JSON   -> a JSON text
"""

import json
import math
import random
import struct
import sys

from zmqrpc.command import ICommand, json_unzip, json_zip


class Box(ICommand):
    def __init__(self, value=None):
        self.value = value

    def set_command_state(self, state):
        self.value = state['value']

    def get_command_state(self):
        return {'value': self.value}


def random_text(rng):
    alphabets = ['abc xyz', '"\\/\b\f\n\r\t\0\x1f\x7f', 'éß漢字ж', '😀\U0010ffff', '\ud800\udbff\udc00\udfff', '0123456789', 'NaN[]{}:,']
    return ''.join(rng.choice(rng.choice(alphabets)) for _ in range(rng.randrange(12)))


def random_value(rng, depth):
    kind = rng.randrange(11 if depth > 0 else 8)
    if kind == 0:
        return rng.choice([None, True, False])
    if kind == 1:
        return rng.randrange(-1000, 1000)
    if kind == 2:
        return rng.choice([-1, 1]) * rng.randrange(10 ** rng.randrange(1, 60))
    if kind == 3:
        return rng.choice([-1, 1]) * 2 ** rng.choice([31, 32, 52, 53, 54, 63, 64]) + rng.randrange(-2, 3)
    if kind == 4:
        return rng.uniform(-1000, 1000)
    if kind == 5:
        return struct.unpack('<d', rng.randbytes(8))[0]
    if kind == 6:
        return rng.choice([math.nan, math.inf, -math.inf, -0.0, 0.0, 1e16, 1e22, 9007199254740992.0, 1e-5, 5e-324])
    if kind == 7:
        return random_text(rng)
    if kind == 8:
        return [random_value(rng, depth - 1) for _ in range(rng.randrange(5))]
    if kind == 9:
        keys = ['__proto__', 'constructor', 'toString', '7', *(random_text(rng) for _ in range(3))]
        return {rng.choice(keys): random_value(rng, depth - 1) for _ in range(rng.randrange(5))}
    return Box(random_value(rng, depth - 1))


def same(left, right):
    """Equal, where JavaScript cannot but write 3.0 as 3, and NaN is NaN."""
    if isinstance(left, Box) or isinstance(right, Box):
        return type(left) is type(right) and same(left.value, right.value)
    if isinstance(left, (bool, str, type(None))) or isinstance(right, (bool, str, type(None))):
        return type(left) is type(right) and left == right
    if isinstance(left, list) or isinstance(right, list):
        return type(left) is type(right) and len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) or isinstance(right, dict):
        return type(left) is type(right) and left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, float) and math.isnan(left):
        return isinstance(right, float) and math.isnan(right)
    if isinstance(left, float) and not (left.is_integer() and abs(left) < 2**53):
        return type(right) is float and left == right
    if isinstance(left, int) and not isinstance(right, int):
        return False
    return left == right and math.copysign(1, left) == math.copysign(1, right)


def answer(line):
    verb, *rest = line.split(' ', 2 if line.startswith('check') else 1)
    if verb == 'echo':
        command = json_unzip(rest[0])
        assert type(command) is Box, type(command)
        return json_zip(command)
    if verb == 'make':
        return json_zip(Box(random_value(random.Random(int(rest[0])), 5)))
    if verb == 'check':
        # Read back by Python itself, which makes one character of two lone surrogates that meet.
        made = json_unzip(json_zip(Box(random_value(random.Random(int(rest[0])), 5))))
        got = json_unzip(rest[1])
        return 'ok' if same(made, got) else ascii('%r came back as %r' % (json_zip(made), rest[1]))
    if verb == 'reply':
        payload = json.loads(rest[0])
        assert payload['status_code'] == 200 and payload['status_message'] == 'OK', payload
        return json.dumps(payload.get('response_message'))
    raise AssertionError(line)


for line in sys.stdin:
    print(answer(line.rstrip('\n')))
