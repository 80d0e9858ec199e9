"""A pyzmqrpc3 process that a test drives: a JSON request a line on stdin, its JSON answer a line on stdout.

Requests run in threads of their own, so that one that waits holds up no other. Each has an `id`, which its answer has too:

    make CLASS OPTIONS          any of pyzmqrpc3's classes; a thread is started, an RPC server gets the services below. Each
                                `:?` in the options becomes a free port, `:=` the last one again -> `endpoints`, of each `:?`
    call HANDLE METHOD ARGS     any method
    execute HANDLE COMMAND      `execute_remote` of a command given as a Python expression, such as `Echo([1, None])`
    evaluate EXPRESSION         any expression, for what has no verb
    remembered HANDLE           what an RPC server was told by `Remember`
    alive HANDLE                whether a thread still runs
    crowd ENDPOINT CLIENTS CALLS  as many clients at once, each in a thread -> what went wrong
    raw ENDPOINT FRAMES         a bare REQ socket sends these frames (hexadecimal) -> the reply

A call's answer has `shown`, what Python shows of the result or the exception, and `value` or `error`.
"""

import base64
import errno
import json
import logging
import os
import socket
import sys
import threading
import zlib

import zmq
import zmqrpc
from zmqrpc.receiver import ZmqReceiver
from zmqrpc.server import ZmqRpcServerThread

# Faults are answers here.
logging.disable()


# ── Commands and services; commands.ts has the same ────────────────────────────────────────────────────────────────────


class Valued(zmqrpc.ICommand):
    def __init__(self, value=None):
        self.value = value

    def set_command_state(self, state):
        self.value = state['value']

    def get_command_state(self):
        return {'value': self.value}


class Echo(Valued):
    pass


class Describe(Valued):
    pass


class Raise(Valued):
    pass


class Nothing(Valued):
    pass


class Remember(Valued):
    pass


class Recall(Valued):
    """What was remembered."""


class Unwritable(Valued):
    """Its result cannot be written."""


class Orphan(Valued):
    """Has no service."""


class Picky(Valued):
    def set_command_state(self, state):
        if state['value'] < 0:
            raise ValueError('too small')
        super().set_command_state(state)


def stranger(value=None):
    """A command that only the process which calls this knows."""
    known = zmqrpc.ICommand.__subclasses__() + Valued.__subclasses__()
    strangers = [one for one in known if one.__name__ == 'Stranger']
    return (strangers[0] if strangers else type(zmqrpc.ICommand)('Stranger', (Valued,), {}))(value)


class EchoService(zmqrpc.IService):
    def __call__(self, command):
        return command.value


class DescribeService(zmqrpc.IService):
    """Results cannot hold commands: this tells what came."""

    def __call__(self, command):
        return self.describe(command.value)

    def describe(self, value):
        if isinstance(value, Valued):
            return {'command': type(value).__name__, 'value': self.describe(value.value)}
        if isinstance(value, list):
            return [self.describe(item) for item in value]
        if isinstance(value, dict):
            return {key: self.describe(item) for key, item in value.items()}
        return value


class RaiseService(zmqrpc.IService):
    def __call__(self, command):
        raise RuntimeError(command.value)


class NothingService(zmqrpc.IService):
    def __call__(self, command):
        return None


class RememberService(zmqrpc.IService):
    def __init__(self):
        self.remembered = []

    def __call__(self, command):
        self.remembered.append(command.value)


class RecallService(zmqrpc.IService):
    def __init__(self, memory):
        self.memory = memory

    def __call__(self, command):
        return self.memory.remembered


class UnwritableService(zmqrpc.IService):
    def __call__(self, command):
        return object()


# ── Helpers for expressions ────────────────────────────────────────────────────────────────────────────────────────────


def nested(levels):
    value = 'deep'
    for level in range(levels):
        value = [value] if level % 2 else {'a': value}
    return value


def zipped(content):
    """As a request is written, whatever is in it."""
    return base64.b64encode(zlib.compress(content if isinstance(content, bytes) else content.encode())).decode()


# ── Requests ───────────────────────────────────────────────────────────────────────────────────────────────────────────

objects = {}
memories = {}
output = threading.Lock()


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def with_ports(options):
    endpoints = []

    def resolve(value):
        if isinstance(value, list):
            return tuple(resolve(item) for item in value)
        if isinstance(value, str) and value.endswith(':?'):
            endpoints.append('%s%d' % (value[:-1], free_port()))
            return endpoints[-1]
        return endpoints[-1] if isinstance(value, str) and value.endswith(':=') else value

    return {name: resolve(value) for name, value in options.items()}, endpoints


def for_publishers(options):
    """pyzmqrpc3 gives a PUB socket its username with `socket.plain_username =`, to which pyzmq of today wants bytes."""
    names = ['username_pub', 'password_pub', 'send_username', 'send_password']
    if 'zmq_pub_endpoint' in options:
        names += ['username', 'password']
    return {name: value.encode() if name in names and isinstance(value, str) else value for name, value in options.items()}


def is_address_in_use(error):
    while error is not None:
        if isinstance(error, zmq.ZMQError) and error.errno == errno.EADDRINUSE:
            return True
        error = error.__cause__
    return False


def make(handle, class_name, options):
    makers = {'ZmqRpcServerThread': ZmqRpcServerThread}
    maker = makers.get(class_name) or getattr(zmqrpc, class_name)
    while True:
        chosen, endpoints = with_ports(options)
        try:
            made = maker(**for_publishers(chosen))
            break
        except Exception as error:
            # Somebody took the free port in between.
            if not endpoints or not is_address_in_use(error):
                raise
    if isinstance(made, ZmqRpcServerThread):
        memory = RememberService()
        memories[handle] = memory.remembered
        for command, service in [
            (Echo, EchoService()),
            (Picky, EchoService()),
            (Describe, DescribeService()),
            (Raise, RaiseService()),
            (Nothing, NothingService()),
            (Remember, memory),
            (Recall, RecallService(memory)),
            (Unwritable, UnwritableService()),
        ]:
            made.register_service(command, service)
    if isinstance(made, threading.Thread):
        made.daemon = True
        made.start()
    objects[handle] = made
    return {'endpoints': endpoints}


def outcome(function):
    try:
        result = function()
    except Exception as error:
        return {'shown': ascii(error), 'error': str(error)}
    answer = {'shown': ascii(result)}
    try:
        answer['value'] = json.loads(json.dumps(result, allow_nan=False))
    except ValueError:
        pass  # JSON.parse could not read it: `shown` has to do
    return answer


def crowd(endpoint, clients, calls, credentials):
    wrong = []

    def work(number):
        client = zmqrpc.ZmqRpcClient(zmq_req_endpoints=(endpoint,), **credentials)
        for index in range(calls):
            value = {'client': number, 'call': index, 'text': 'é' * index}
            try:
                result = client.execute_remote(Echo(value), time_out_in_sec=30)
                if result != (value,):
                    wrong.append('%r for %r' % (result, value))
            except Exception as error:
                wrong.append(repr(error))
        client.destroy()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {'wrong': wrong}


def raw(endpoint, frames):
    with zmq.Context() as context, context.socket(zmq.REQ) as request:
        request.setsockopt(zmq.LINGER, 0)
        request.connect(endpoint)
        request.send_multipart([bytes.fromhex(frame) for frame in frames])
        if not request.poll(10000):
            raise TimeoutError('no reply')
        return {'reply': [frame.decode() for frame in request.recv_multipart()]}


def evaluate(expression):
    return eval(expression, globals())


def answer(request):
    verb = request['verb']
    if verb == 'make':
        return make(request['handle'], request['class'], request['options'])
    if verb == 'evaluate':
        return outcome(lambda: evaluate(request['expression']))
    if verb == 'remembered':
        return {'values': memories[request['handle']]}
    if verb == 'alive':
        return {'alive': objects[request['handle']].is_alive()}
    if verb == 'call':
        return outcome(lambda: getattr(objects[request['handle']], request['method'])(*request['args']))
    if verb == 'execute':
        command, seconds = request['command'], request['seconds']
        return outcome(lambda: objects[request['handle']].execute_remote(evaluate(command), time_out_in_sec=seconds))
    if verb == 'send':
        text, seconds = request['text'], request['seconds']
        return outcome(lambda: objects[request['handle']].send(evaluate(text), time_out_in_sec=seconds))
    if verb == 'crowd':
        return crowd(request['endpoint'], request['clients'], request['calls'], request['credentials'])
    if verb == 'raw':
        return raw(request['endpoint'], request['frames'])
    raise ValueError('no verb %s' % verb)


def serve(request):
    try:
        response = answer(request)
    except Exception as error:
        response = {'failed': repr(error)}
    with output:
        print(json.dumps({'id': request['id'], **response}), flush=True)


for line in sys.stdin:
    threading.Thread(target=serve, args=(json.loads(line),), daemon=True).start()
# Neither threads that still run nor messages that still wait hold up the end.
os._exit(0)
