"""A second implementation of reading the native dialect, written from docs/protocol.md: msgpack and struct, nothing of ours.

On stdin and stdout, one request and one answer a line:

    message FRAMES    reads a message: body frames in hex, with dots between -> its description, in the JSON of the page
    value FRAMES      the same for one value, without a header; further frames are large binaries
    make SEED         a random value of plain MessagePack -> its bytes in hex, a space, and the value in the JSON of the page

What must be refused is answered `refused: ` and why.
"""

import json
import math
import random
import struct
import sys

import msgpack

KINDS = ['CALL', 'REPLY', 'ERROR', 'CANCEL', 'ITEM', 'END', 'FAILED', 'CREDIT', 'STOP', 'HELLO', 'GOAWAY', 'ACCEPTED']
KNOWN_KEYS = {
    'HELLO': ('features', 'contracts', 'maxMessageBytes'),
    'GOAWAY': ('reason',),
    'ACCEPTED': ('id', 'by', 'ageMs'),
}
EXTRAS = 1
MAX_SAFE = 2**53 - 1

# Element type -> name, code of `struct`.
ELEMENTS = {
    1: ('Int8Array', 'b'),
    2: ('Uint8ClampedArray', 'B'),
    3: ('Int16Array', 'h'),
    4: ('Uint16Array', 'H'),
    5: ('Int32Array', 'i'),
    6: ('Uint32Array', 'I'),
    7: ('Float32Array', 'f'),
    8: ('Float64Array', 'd'),
    9: ('BigInt64Array', 'q'),
    10: ('BigUint64Array', 'Q'),
}


class Refused(Exception):
    pass


class Tagged:
    """A value that JSON does not have, as JSON."""

    def __init__(self, json_value):
        self.json_value = json_value


class Reader:
    """Reads values one after the other. Extensions that hold values are read by readers of their own, with the same frames."""

    def __init__(self, data, frames, shared=None):
        self.frames = frames
        self.shared = shared or {'last_frame': 0}
        self.unpacker = msgpack.Unpacker(
            raw=False,
            strict_map_key=False,
            timestamp=0,
            ext_hook=self.extension,
            object_pairs_hook=self.pairs,
            max_buffer_size=2**30,
        )
        self.unpacker.feed(data)

    def value(self):
        try:
            return self.unpacker.unpack()
        except msgpack.OutOfData:
            raise Refused('cut short')
        except (ValueError, UnicodeDecodeError, msgpack.UnpackException) as error:
            raise Refused(str(error))

    def pairs(self, pairs):
        """A map: of an object, or of extras. Keys that no map of this dialect has are refused by whoever wants another map."""
        return dict(pairs)

    def inner(self, data):
        return Reader(data, self.frames, self.shared)

    def extension(self, code, data):
        if code == 0:
            if data != b'\0':
                raise Refused('an undefined of another form')
            return Tagged({'$undefined': True})
        if code == 1:
            if not data:
                raise Refused('a bigint without a byte')
            return Tagged({'$bigint': str(int.from_bytes(data, 'big', signed=True))})
        if code == 2:
            if not data:
                raise Refused('no element type')
            return binary(data[0], data[1:])
        if code == 3:
            if len(data) != 5:
                raise Refused('a frame reference of another form')
            element_type, number = struct.unpack('>BI', data)
            if not self.shared['last_frame'] < number <= len(self.frames):
                raise Refused('a frame that is not there, or was there before')
            self.shared['last_frame'] = number
            frame = self.frames[number - 1]
            return frame if element_type == 0 else binary(element_type, frame)
        if code == 4:
            reader = self.inner(data)
            name = reader.value()
            if not isinstance(name, str):
                raise Refused('a command without a name')
            return Tagged({'$command': name, 'state': describe(reader.value())})
        if code == 5:
            items = self.inner(data).value()
            if not isinstance(items, list) or len(items) % 2:
                raise Refused('no keys and values in turn')
            return Tagged({'$map': [[describe(items[i]), describe(items[i + 1])] for i in range(0, len(items), 2)]})
        if code == 6:
            items = self.inner(data).value()
            if not isinstance(items, list):
                raise Refused('a Set that is no array')
            return Tagged({'$set': [describe(item) for item in items]})
        if code == 7:
            if len(data) != 2:
                raise Refused('a stream without its number')
            return Tagged({'$stream': struct.unpack('>H', data)[0]})
        if code == 8:
            if len(data) % 2:
                raise Refused('half a code unit')
            return data.decode('utf-16-le', 'surrogatepass')
        raise Refused('an unknown extension type')


def binary(element_type, data):
    if element_type == 11:
        return Tagged({'$DataView': data.hex()})
    if element_type not in ELEMENTS:
        raise Refused('an unknown element type')
    name, code = ELEMENTS[element_type]
    size = struct.calcsize('<' + code)
    if len(data) % size:
        raise Refused('a part of an element')
    elements = struct.unpack('<%d%s' % (len(data) // size, code), data)
    return Tagged({'$' + name: [str(element) if code in 'qQ' else describe(element) for element in elements]})


def describe(value):
    """A value in the JSON of the page."""
    if isinstance(value, Tagged):
        return value.json_value
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return value if abs(value) <= MAX_SAFE else {'$bigint': str(value)}
    if isinstance(value, float):
        if math.isnan(value):
            return {'$number': 'NaN'}
        if math.isinf(value):
            return {'$number': 'Infinity' if value > 0 else '-Infinity'}
        return {'$number': '-0'} if value == 0 and math.copysign(1, value) < 0 else value
    if isinstance(value, bytes):
        return {'$bytes': value.hex()}
    if isinstance(value, msgpack.Timestamp):
        if value.nanoseconds > 999_999_999:
            raise Refused('too many nanoseconds')
        return {'$date': value.seconds * 1000 + value.nanoseconds // 1_000_000}
    if isinstance(value, list):
        return [describe(item) for item in value]
    if not all(isinstance(key, str) for key in value):
        raise Refused('a key that is no str')
    return {key: describe(item) for key, item in value.items()}


def error_of(value, causes=0):
    known = ('status', 'text', 'name', 'code', 'details', 'stack', 'started')
    error = {key: describe(value[key]) for key in known if key in value}
    if 'status' not in error:
        raise Refused('no status')
    if 'cause' in value and causes < 8:
        error['cause'] = error_of(value['cause'], causes + 1)
    return error


def message(frames):
    head = frames[0]
    if len(head) < 8 or head[0] != 0xF9:
        raise Refused('no header')
    kind_number, number, amount = struct.unpack('>BHI', head[1:8])
    kind = KINDS[kind_number - 1]
    reader = Reader(head[8:], frames[1:])
    told = {'kind': kind}
    if kind in ('CALL', 'REPLY', 'ERROR') and number & EXTRAS:
        given = reader.value()
        extras = {}
        if 1 in given:
            extras['metadata'] = given[1]
        if 2 in given:
            extras['idempotencyKey'] = given[2]
        if 3 in given:
            extras['orderingKey'] = given[3]
        if 4 in given:
            extras['keep'] = {'ttlMs': given[4][1]} if 1 in given[4] else {}
        told['extras'] = extras
    if kind == 'CALL':
        name = reader.value()
        if not isinstance(name, str) or not 0 < len(name) <= 255:
            raise Refused('no name')
        told.update(flags=number & ~EXTRAS, timeLeftMs=amount, name=name, state=describe(reader.value()))
    elif kind == 'REPLY':
        told.update(streams=amount, value=describe(reader.value()))
    elif kind == 'ERROR':
        told.update(error=error_of(reader.value()))
    elif kind in ('CANCEL', 'STOP'):
        reason = reader.value()
        if reason is not None:
            told.update(reason=reason)
        if kind == 'STOP':
            told.update(stream=number)
    elif kind == 'CREDIT':
        told.update(stream=number, bytes=amount)
    elif kind in KNOWN_KEYS:
        told.update({key: value for key, value in reader.value().items() if key in KNOWN_KEYS[kind]})
    else:
        told.update(stream=number, sequence=amount)
        if kind == 'ITEM':
            told.update(value=describe(reader.value()))
        if kind == 'FAILED':
            told.update(error=error_of(reader.value()))
    return told


def random_text(rng):
    alphabets = ['abc xyz', '"\\/\b\f\n\r\t\0\x1f\x7f', 'éß漢字ж', '😀\U0010ffff', '\ufeff\ufffd']
    return ''.join(rng.choice(rng.choice(alphabets)) for _ in range(rng.choice([0, 3, 12, 40, 300])))


def random_value(rng, depth):
    kind = rng.randrange(9 if depth > 0 else 7)
    if kind == 0:
        return rng.choice([None, True, False])
    if kind == 1:
        return rng.randrange(-70_000, 70_000)
    if kind == 2:
        return rng.choice([-1, 1]) * 2 ** rng.choice([7, 8, 15, 16, 31, 32, 52, 53, 62]) + rng.randrange(-2, 3)
    if kind == 3:
        return struct.unpack('<d', rng.randbytes(8))[0]
    if kind == 4:
        return rng.choice([math.nan, math.inf, -math.inf, -0.0, 0.0, 1e22, 9007199254740992.0, 5e-324])
    if kind == 5:
        return random_text(rng)
    if kind == 6:
        return rng.randbytes(rng.choice([0, 1, 31, 32, 255, 256, 5000]))
    if kind == 7:
        return [random_value(rng, depth - 1) for _ in range(rng.choice([0, 1, 5, 16]))]
    keys = ['__proto__', 'constructor', '7', *(random_text(rng) for _ in range(17))]
    return {rng.choice(keys): random_value(rng, depth - 1) for _ in range(rng.choice([0, 1, 5, 18]))}


def answer(line):
    verb, argument = line.split(' ')
    if verb == 'make':
        value = random_value(random.Random(int(argument)), 4)
        return msgpack.packb(value, use_bin_type=True).hex() + ' ' + json.dumps(describe(value))
    frames = [bytes.fromhex(frame) for frame in argument.split('.')]
    try:
        if verb == 'message':
            return json.dumps(message(frames))
        if verb == 'value':
            return json.dumps(describe(Reader(frames[0], frames[1:]).value()))
    except Refused as refused:
        return 'refused: %s' % refused
    raise AssertionError(line)


for line in sys.stdin:
    print(answer(line.rstrip('\n')))
