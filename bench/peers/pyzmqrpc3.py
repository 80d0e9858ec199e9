"""pyzmqrpc3 itself: the calls of `rpc.js`, one at a time, as it does them."""

import json
import socket
import sys
import time

from zmqrpc import ICommand, IService, ZmqRpcClient, ZmqRpcServerThread

kept = {}


class Greet(ICommand):
    def __init__(self, greeting='', name=''):
        super().__init__()
        self.greeting = greeting
        self.name = name

    def set_command_state(self, state):
        self.greeting = state['greeting']
        self.name = state['name']

    def get_command_state(self):
        return {'greeting': self.greeting, 'name': self.name}


class GreetService(IService):
    def __call__(self, command):
        return f'{command.greeting} {command.name}'


def listen_echo():
    with socket.create_server(('127.0.0.1', 0)) as free:
        port = free.getsockname()[1]
    server = kept['server'] = ZmqRpcServerThread(zmq_rep_bind_address=f'tcp://127.0.0.1:{port}')
    server.daemon = True
    server.register_service(Greet, GreetService())
    server.start()
    return {'port': port}


def connect(port):
    kept['client'] = ZmqRpcClient(zmq_req_endpoints=(f'tcp://127.0.0.1:{port}',))


def echo(inFlight, seconds):
    client = kept['client']
    start = time.perf_counter()
    count = 0
    while time.perf_counter() - start < seconds:
        name = f'caller {count % 100}'
        if client.execute_remote(Greet('Hello', name)) != (f'Hello {name}',):
            raise RuntimeError('a wrong answer')
        count += 1
    return {'count': count, 'seconds': time.perf_counter() - start}


METHODS = {'listenEcho': listen_echo, 'connect': connect, 'echo': echo}

for line in sys.stdin:
    call = json.loads(line)
    try:
        answer = {'result': METHODS[call['method']](**call['args'])}
    except Exception as error:  # noqa: BLE001
        answer = {'error': repr(error)}
    print(json.dumps(answer), flush=True)
