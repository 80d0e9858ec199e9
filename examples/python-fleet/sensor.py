"""One sensor: measures, reports to server.ts, and waits for as long as the server says."""

import argparse
import math
import time

from commands import Report
from zmqrpc import ZmqRpcClient

parser = argparse.ArgumentParser()
parser.add_argument('--endpoint', default='tcp://localhost:30024')
parser.add_argument('--name', default='sensor-1')
parser.add_argument('--password', default='secret')
arguments = parser.parse_args()

client = ZmqRpcClient(
    zmq_req_endpoints=(arguments.endpoint,),
    username=arguments.name,
    password=arguments.password,
)
try:
    while True:
        celsius = round(20 + 5 * math.sin(time.time() / 60), 1)
        wait = 5
        try:
            # One answer for each endpoint.
            (wait,) = client.execute_remote(Report(celsius), time_out_in_sec=5)
            print(f'{arguments.name} reported {celsius}', flush=True)
        except Exception as error:
            # The server is away: the next report tells what counts then.
            print(f'{arguments.name} is not heard: {error}', flush=True)
        time.sleep(wait)
except KeyboardInterrupt:
    pass
finally:
    client.destroy()
