"""Starts a fleet of sensors (sensor.py), each a process of its own, and ends with them."""

import argparse
import os
import signal
import subprocess
import sys

parser = argparse.ArgumentParser()
parser.add_argument('--endpoint', default='tcp://localhost:30024')
parser.add_argument('--size', type=int, default=5)
arguments = parser.parse_args()

# `kill` ends it as Ctrl-C does.
signal.signal(signal.SIGTERM, signal.default_int_handler)

program = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'sensor.py')
sensors = [
    subprocess.Popen([sys.executable, program, '--endpoint', arguments.endpoint, '--name', f'sensor-{number}'])
    for number in range(1, arguments.size + 1)
]
try:
    for sensor in sensors:
        sensor.wait()
except KeyboardInterrupt:
    pass
finally:
    for sensor in sensors:
        sensor.terminate()
