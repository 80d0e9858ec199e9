import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.Set;
import java.util.StringJoiner;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import org.zeromq.SocketType;
import org.zeromq.ZContext;
import org.zeromq.ZMQ;
import org.zeromq.ZMQException;

/** A peer of the interop matrix: sockets of JeroMQ, driven over stdin. ../README.md has the protocol. */
public final class Peer {
    private static final HexFormat HEX = HexFormat.of();
    private static final PrintStream OUTPUT = new PrintStream(System.out, false);
    private static final int HANDSHAKE_MS = 2000;
    private static final ZContext CONTEXT = new ZContext();
    /** What the ZAP handler lets in: `user:password` and public keys, in hex. */
    private static final Set<String> ALLOWED = ConcurrentHashMap.newKeySet();

    public static void main(String[] args) throws IOException {
        CONTEXT.setLinger(0);
        answerZap();
        Map<String, Opened> sockets = new HashMap<>();
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII), 1 << 20);
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String[] words = line.split(" ", -1);
            String id = words[0];
            String name = words[2];
            if (!words[1].equals("open") && !sockets.containsKey(name)) {
                fail(id, new IllegalStateException("closed"));
                continue;
            }
            switch (words[1]) {
                case "open" -> {
                    try {
                        sockets.put(name, new Opened(Arrays.copyOfRange(words, 3, words.length)));
                        answer(id, "");
                    } catch (RuntimeException error) {
                        fail(id, error);
                    }
                }
                case "close" -> sockets.remove(name).close(id);
                default -> sockets.get(name).requests.add(words);
            }
        }
        System.exit(0);
    }

    /** Does its requests in order, each when the one before it is done, in a thread of its own. */
    private static final class Opened {
        final BlockingQueue<String[]> requests = new LinkedBlockingQueue<>();
        private final ZMQ.Socket socket;
        private volatile boolean closing;

        Opened(String[] words) {
            socket = CONTEXT.createSocket(SocketType.valueOf(words[0]));
            // So that it sees when it is to be closed.
            socket.setReceiveTimeOut(50);
            socket.setSendTimeOut(50);
            // Some of its connections stay mute when TCP is up (pull request 1022 of JeroMQ); this is when it tries anew.
            socket.setHandshakeIvl(HANDSHAKE_MS);
            for (String option : Arrays.copyOfRange(words, 1, words.length)) {
                String[] values = option.substring(option.indexOf('=') + 1).split(":");
                switch (option.substring(0, option.indexOf('='))) {
                    case "routing-id" -> socket.setIdentity(HEX.parseHex(values[0]));
                    case "plain-client" -> {
                        socket.setPlainUsername(HEX.parseHex(values[0]));
                        socket.setPlainPassword(HEX.parseHex(values[1]));
                    }
                    case "plain-server" -> {
                        socket.setPlainServer(true);
                        ALLOWED.add(values[0] + ":" + values[1]);
                    }
                    case "curve-client" -> {
                        socket.setCurveServerKey(HEX.parseHex(values[0]));
                        socket.setCurvePublicKey(HEX.parseHex(values[1]));
                        socket.setCurveSecretKey(HEX.parseHex(values[2]));
                    }
                    case "curve-server" -> {
                        socket.setCurveServer(true);
                        socket.setCurvePublicKey(HEX.parseHex(values[0]));
                        socket.setCurveSecretKey(HEX.parseHex(values[1]));
                        ALLOWED.add(values[2]);
                    }
                    default -> throw new IllegalArgumentException("no such option: " + option);
                }
            }
            Thread thread = new Thread(this::run);
            thread.setDaemon(true);
            thread.start();
        }

        void close(String id) {
            closing = true;
            requests.add(new String[] {id, "close"});
        }

        private void run() {
            try {
                for (;;) {
                    String[] words = requests.take();
                    if (words[1].equals("close")) {
                        socket.close();
                        answer(words[0], "");
                        return;
                    }
                    try {
                        answer(words[0], act(words[1], words[3]));
                    } catch (RuntimeException error) {
                        fail(words[0], error);
                    }
                }
            } catch (InterruptedException end) {
                Thread.currentThread().interrupt();
            }
        }

        private String act(String verb, String argument) {
            switch (verb) {
                case "bind" -> {
                    if (!socket.bind(argument.replaceFirst(":0$", ":*"))) throw new ZMQException(socket.errno());
                    return ",\"endpoint\":\"" + socket.getLastEndpoint() + "\"";
                }
                case "connect" -> socket.connect(argument);
                case "subscribe" -> {
                    socket.subscribe(HEX.parseHex(argument));
                    // Connections that came in are taken notice of, and told the topics, in the next call only.
                    socket.getEvents();
                }
                case "unsubscribe" -> socket.unsubscribe(HEX.parseHex(argument));
                case "send" -> {
                    String[] frames = argument.split(",", -1);
                    for (int index = 0; index < frames.length; index++) {
                        send(HEX.parseHex(frames[index]), index + 1 < frames.length ? ZMQ.SNDMORE : 0);
                    }
                }
                case "receive" -> {
                    StringJoiner frames = new StringJoiner(",", ",\"frames\":\"", "\"");
                    do frames.add(HEX.formatHex(receive()));
                    while (socket.hasReceiveMore());
                    return frames.toString();
                }
                default -> throw new IllegalArgumentException("no such verb: " + verb);
            }
            return "";
        }

        private void send(byte[] frame, int flags) {
            while (!socket.send(frame, flags)) checkLater();
        }

        private byte[] receive() {
            for (;;) {
                byte[] frame = socket.recv();
                if (frame != null) return frame;
                checkLater();
            }
        }

        /** After a call that did not work out: whether to try again. */
        private void checkLater() {
            if (closing) throw new IllegalStateException("closed");
            if (socket.errno() != 0 && socket.errno() != ZMQ.Error.EAGAIN.getCode()) throw new ZMQException(socket.errno());
        }
    }

    private static void answerZap() {
        ZMQ.Socket handler = CONTEXT.createSocket(SocketType.REP);
        handler.bind("inproc://zeromq.zap.01");
        Thread thread = new Thread(() -> {
            for (;;) {
                String[] request = new String[6];
                for (int index = 0; index < 6; index++) request[index] = handler.recvStr();
                StringJoiner credentials = new StringJoiner(":");
                while (handler.hasReceiveMore()) credentials.add(HEX.formatHex(handler.recv()));
                boolean ok = request[5].equals("NULL") || ALLOWED.contains(credentials.toString());
                handler.sendMore(request[0]);
                handler.sendMore(request[1]);
                handler.sendMore(ok ? "200" : "400");
                handler.sendMore(ok ? "OK" : "refused");
                handler.sendMore("");
                handler.send("");
            }
        });
        thread.setDaemon(true);
        thread.start();
    }

    private static void fail(String id, RuntimeException error) {
        answer(id, ",\"failed\":\"" + error.toString().replaceAll("[\"\\\\\n]", "'") + "\"");
    }

    private static void answer(String id, String rest) {
        synchronized (OUTPUT) {
            OUTPUT.println("{\"id\":" + id + rest + "}");
            OUTPUT.flush();
        }
    }
}
