"""pyzmqrpc3 itself: the calls of `rpc.js`, one at a time, as it does them."""

import json
import socket
import sys
import time

from zmqrpc import ICommand, IService, ZmqRpcClient, ZmqRpcServerThread

kept = {}


class SimpleCommand(ICommand):
    def __init__(self, param1='', param2=''):
        super().__init__()
        self.param1 = param1
        self.param2 = param2

    def set_command_state(self, state):
        self.param1 = state['param1']
        self.param2 = state['param2']

    def get_command_state(self):
        return {'param1': self.param1, 'param2': self.param2}


class SimpleService(IService):
    def __call__(self, command):
        return f'{command.param1} {command.param2}'


def listen_echo():
    with socket.create_server(('127.0.0.1', 0)) as free:
        port = free.getsockname()[1]
    server = kept['server'] = ZmqRpcServerThread(zmq_rep_bind_address=f'tcp://127.0.0.1:{port}')
    server.daemon = True
    server.register_service(SimpleCommand, SimpleService())
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
        if client.execute_remote(SimpleCommand('Hello', name)) != (f'Hello {name}',):
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
