"""The counterpart of client.ts with pyzmqrpc3: has a server execute a SimpleCommand."""

import argparse

from commands import SimpleCommand
from zmqrpc import ZmqRpcClient

parser = argparse.ArgumentParser()
parser.add_argument('--endpoint', default='tcp://localhost:30000')
parser.add_argument('--username', default='pi')
parser.add_argument('--password', default='secret')
parser.add_argument('--timeout', type=float, default=5, help='seconds')
arguments = parser.parse_args()

client = ZmqRpcClient(
    zmq_req_endpoints=(arguments.endpoint,),
    username=arguments.username,
    password=arguments.password,
)
try:
    # One answer for each endpoint.
    (answer,) = client.execute_remote(SimpleCommand('value1', 'value2'), time_out_in_sec=arguments.timeout)
    print(answer)
finally:
    client.destroy()
