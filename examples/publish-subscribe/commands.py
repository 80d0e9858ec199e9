"""What publisher and subscriber share: the command. The counterpart of commands.ts."""

from zmqrpc import ICommand


class Reading(ICommand):
    def __init__(self, sensor='', celsius=0):
        super().__init__()
        self.sensor = sensor
        self.celsius = celsius

    def set_command_state(self, state):
        self.sensor = state['sensor']
        self.celsius = state['celsius']

    def get_command_state(self):
        return {'sensor': self.sensor, 'celsius': self.celsius}
