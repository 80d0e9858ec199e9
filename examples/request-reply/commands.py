"""What client and server share: the command. The counterpart of commands.ts."""

from zmqrpc import ICommand


class SimpleCommand(ICommand):
    def __init__(self, param1='', param2=''):
        super().__init__()
        self.param1 = param1
        self.param2 = param2

    def set_command_state(self, state):
        self.param1 = state['param1']
        self.param2 = state['param2']

    def get_command_state(self):
        return {'param1': self.param1, 'param2': self.param2}
