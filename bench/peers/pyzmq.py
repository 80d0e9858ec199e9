"""ZeroMQ sockets in Python: the calls of `sockets.js`, one JSON line each on stdin and stdout."""

import json
import socket
import sys
import threading
import time

import zmq

CYCLE, BODY_BYTES, PROBE = 128, 64, 255
ACK_EVERY, WINDOW, BURST = 1000, 20 * 1000, 200
BODIES = [bytes([index]) * BODY_BYTES for index in range(CYCLE)]

context = zmq.Context()
state = {}


def bind(kind):
    bound = context.socket(kind)
    bound.set_hwm(50_000)
    return bound, bound.bind_to_random_port('tcp://127.0.0.1')


def in_background(loop):
    threading.Thread(target=loop, daemon=True).start()


def listen_echo(**_):
    router, port = bind(zmq.ROUTER)

    def loop():
        while True:
            router.send_multipart(router.recv_multipart(copy=True), copy=True)

    def loop_large():
        while True:
            router.send_multipart(router.recv_multipart(copy=False), copy=False)

    in_background(loop_large if state.get('large') else loop)
    return {'port': port}


def listen_echo_large(**_):
    state['large'] = True
    return listen_echo()


def connect(port, **_):
    state['dealer'] = context.socket(zmq.DEALER)
    state['dealer'].set_hwm(50_000)
    state['dealer'].connect(f'tcp://127.0.0.1:{port}')


def echo(inFlight, seconds):
    dealer = state['dealer']
    start = time.perf_counter()
    end = start + seconds
    sent = received = 0
    running = True
    while sent < inFlight:
        dealer.send(BODIES[sent % CYCLE])
        sent += 1
    while received < sent:
        if dealer.recv() != BODIES[received % CYCLE]:
            raise RuntimeError('a wrong reply')
        received += 1
        if running and received % 16 == 0 or inFlight == 1:
            running = time.perf_counter() < end
        if running:
            dealer.send(BODIES[sent % CYCLE])
            sent += 1
    return {'count': received, 'seconds': time.perf_counter() - start}


def echo_large(bytes, inFlight, seconds):
    dealer = state['dealer']
    large = (b'large' * (bytes // 5 + 1))[:bytes]
    start = time.perf_counter()
    sent = received = 0
    while sent < inFlight:
        dealer.send(large, copy=False)
        sent += 1
    while received < sent:
        if dealer.recv(copy=False).buffer != large:
            raise RuntimeError('wrong bytes')
        received += 1
        if time.perf_counter() - start < seconds:
            dealer.send(large, copy=False)
            sent += 1
    return {'count': received, 'seconds': time.perf_counter() - start}


def listen_publish(**_):
    state['publisher'], port = bind(zmq.PUB)
    acks = socket.create_server(('127.0.0.1', 0))
    state['acks'] = counts = {}
    state['acked'] = condition = threading.Condition()

    def loop():
        peer, _ = acks.accept()
        while chunk := peer.recv(4096):
            with condition:
                for subscriber in chunk:
                    counts[subscriber] = counts.get(subscriber, 0) + 1
                condition.notify_all()

    in_background(loop)
    return {'port': port, 'ackPort': acks.getsockname()[1]}


def introduce(count):
    while len(state['acks']) < count:
        state['publisher'].send(bytes([PROBE]) * BODY_BYTES)
        time.sleep(0.01)
    state['sent'] = 0


def publish(seconds, count):
    publisher, condition, counts = state['publisher'], state['acked'], state['acks']

    def acked():
        return (min(counts.values()) - 1) * ACK_EVERY

    start = time.perf_counter()
    first = sent = state['sent']
    while time.perf_counter() - start < seconds or sent % ACK_EVERY:
        if sent - acked() >= WINDOW:
            with condition:
                condition.wait_for(lambda: sent - acked() < WINDOW)
        for index in range(sent, sent + BURST):
            publisher.send(BODIES[index % CYCLE])
        sent += BURST
    with condition:
        condition.wait_for(lambda: acked() >= sent)
    state['sent'] = sent
    return {'count': (sent - first) * count, 'seconds': time.perf_counter() - start}


def subscribe(port, ackPort, count):
    acks = socket.create_connection(('127.0.0.1', ackPort))
    poller = zmq.Poller()
    numbers = {}
    for number in range(count):
        subscriber = context.socket(zmq.SUB)
        subscriber.set_hwm(50_000)
        subscriber.setsockopt(zmq.SUBSCRIBE, b'')
        subscriber.connect(f'tcp://127.0.0.1:{port}')
        poller.register(subscriber, zmq.POLLIN)
        numbers[subscriber] = number
    taken = [0] * count
    introduced = [False] * count

    def take(subscriber, number):
        for _ in range(ACK_EVERY):
            try:
                body = subscriber.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            if body == BODIES[taken[number] % CYCLE]:
                taken[number] += 1
                if taken[number] % ACK_EVERY == 0:
                    acks.sendall(bytes([number]))
            elif body[0] != PROBE:
                raise RuntimeError('a wrong message')
            elif not introduced[number]:
                introduced[number] = True
                acks.sendall(bytes([number]))

    def loop():
        while True:
            for subscriber, _ in poller.poll():
                take(subscriber, numbers[subscriber])

    in_background(loop)


METHODS = {
    'listenEcho': listen_echo,
    'listenEchoLarge': listen_echo_large,
    'connect': connect,
    'echo': echo,
    'echoLarge': echo_large,
    'listenPublish': listen_publish,
    'introduce': introduce,
    'publish': publish,
    'subscribe': subscribe,
}

for line in sys.stdin:
    call = json.loads(line)
    try:
        answer = {'result': METHODS[call['method']](**call['args'])}
    except Exception as error:  # noqa: BLE001
        answer = {'error': repr(error)}
    print(json.dumps(answer), flush=True)
