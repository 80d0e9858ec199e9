"""What server and sensors share: the command. The counterpart of commands.ts."""

from zmqrpc import ICommand


class Report(ICommand):
    def __init__(self, celsius=0):
        super().__init__()
        self.celsius = celsius

    def set_command_state(self, state):
        self.celsius = state['celsius']

    def get_command_state(self):
        return {'celsius': self.celsius}
