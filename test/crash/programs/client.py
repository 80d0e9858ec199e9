"""`python client.py ENDPOINT NAME EPOCH ACKS`: has one Append after the other carried out, and writes each that was accepted to ACKS."""

import logging
import signal
import sys

import zmqrpc

logging.disable()
endpoint, name, epoch, acks = sys.argv[1:5]
stopping = False


def stop(*_):
    global stopping
    stopping = True


signal.signal(signal.SIGTERM, stop)


class Append(zmqrpc.ICommand):
    def __init__(self, sender='', epoch=0, n=0):
        self.sender, self.epoch, self.n = sender, epoch, n

    def set_command_state(self, state):
        self.__dict__.update(state)

    def get_command_state(self):
        return {'sender': self.sender, 'epoch': self.epoch, 'n': self.n}


client = zmqrpc.ZmqRpcClient(zmq_req_endpoints=(endpoint,))
print('ready', flush=True)
n = 0
while not stopping:
    try:
        client.execute_remote(Append(name, int(epoch), n), time_out_in_sec=2)
        with open(acks, 'a') as file:
            file.write(f'{name} {epoch} {n}\n')
    except Exception:
        # It may have been kept all the same; what counts is what was said.
        pass
    n += 1
client.destroy()
