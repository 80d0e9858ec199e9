"""The counterpart of publisher.ts with pyzmqrpc3, with password. It does not know whether anybody listens."""

import argparse
import time

from commands import Reading
from zmqrpc import ZmqRpcClient

parser = argparse.ArgumentParser()
parser.add_argument('--endpoint', default='tcp://*:30001')
parser.add_argument('--username', default='pi')
parser.add_argument('--password', default='secret')
parser.add_argument('--sensor', default='cellar')
parser.add_argument('--count', type=int, default=20)
parser.add_argument('--interval', type=float, default=0.5, help='seconds')
arguments = parser.parse_args()

# A publisher of pyzmqrpc3 takes its password as bytes only (a client, as text only).
client = ZmqRpcClient(
    zmq_pub_endpoint=arguments.endpoint,
    username=arguments.username.encode(),
    password=arguments.password.encode(),
)
print(f'publishing on {arguments.endpoint}', flush=True)
for index in range(arguments.count):
    client.execute_remote(Reading(arguments.sensor, 10 + index / 2))
    time.sleep(arguments.interval)
client.destroy()
