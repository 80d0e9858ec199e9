"""The counterpart of server.ts with pyzmqrpc3: answers clients that know the password."""

import argparse

from commands import SimpleCommand
from zmqrpc import IService, ZmqRpcServer

parser = argparse.ArgumentParser()
parser.add_argument('--endpoint', default='tcp://*:30000')
parser.add_argument('--username', default='pi')
parser.add_argument('--password', default='secret')
arguments = parser.parse_args()


class SimpleService(IService):
    def __call__(self, command):
        return f'SimpleCommand was executed with "{command.param1}" and "{command.param2}"'


server = ZmqRpcServer(
    zmq_rep_bind_address=arguments.endpoint,
    username=arguments.username,
    password=arguments.password,
)
server.register_service(command_class=SimpleCommand, service=SimpleService())
print(f'listening on {arguments.endpoint}', flush=True)
server.run()
