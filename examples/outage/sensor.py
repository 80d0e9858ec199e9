"""The counterpart of sensor.ts with pyzmqrpc3, which knows nothing of buffers: it hears 200 once its sample is on the proxy's disk."""

import argparse
import logging
import time

from zmqrpc import ICommand, ZmqRpcClient

parser = argparse.ArgumentParser()
parser.add_argument('--endpoint', default='tcp://localhost:30001')
parser.add_argument('--name', default='sensor.py')
parser.add_argument('--count', type=int, default=300)
parser.add_argument('--interval', type=float, default=10, help='milliseconds')
arguments = parser.parse_args()
logging.disable()


class Sample(ICommand):
    def __init__(self, sensor='', n=0):
        self.sensor, self.n = sensor, n

    def get_command_state(self):
        return {'sensor': self.sensor, 'n': self.n}

    def set_command_state(self, state):
        self.__dict__.update(state)


client = ZmqRpcClient(zmq_req_endpoints=(arguments.endpoint,))
for n in range(1, arguments.count + 1):
    while True:
        try:
            client.execute_remote(Sample(arguments.name, n), time_out_in_sec=2)
            break
        except Exception:
            # No answer: the proxy may have it all the same, and the lab will know it by its number.
            pass
    time.sleep(arguments.interval / 1000)
client.destroy()
print(f'{arguments.name}: {arguments.count} samples were accepted')
