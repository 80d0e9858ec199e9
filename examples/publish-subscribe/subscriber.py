"""The counterpart of subscriber.ts with pyzmqrpc3. It cannot take a password: start publisher.ts with --username ''."""

import argparse

from commands import Reading
from zmqrpc import IService, ZmqRpcServer

parser = argparse.ArgumentParser()
parser.add_argument('--endpoint', action='append')
arguments = parser.parse_args()
endpoints = arguments.endpoint or ['tcp://localhost:30001']


class ReadingService(IService):
    def __call__(self, command):
        print(f'{command.sensor} {command.celsius} °C', flush=True)


# Sixty seconds without a message or heartbeat, and the connection is made again.
server = ZmqRpcServer(zmq_sub_connect_addresses=tuple((endpoint, 60) for endpoint in endpoints))
server.register_service(command_class=Reading, service=ReadingService())
print(f'listening to {", ".join(endpoints)}', flush=True)
server.run()
