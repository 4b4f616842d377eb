"""stub"""


class CallsInOrder:
    def __init__(self, *a):
        raise AssertionError


class MessagesInOrder:
    def __init__(self, *a):
        raise AssertionError
