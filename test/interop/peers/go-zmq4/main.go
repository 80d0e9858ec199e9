// A peer of the interop matrix: sockets of go-zeromq/zmq4, driven over stdin. ../README.md has the protocol.
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"sync"

	"github.com/go-zeromq/zmq4"
	"github.com/go-zeromq/zmq4/security/plain"
)

var makers = map[string]func(context.Context, ...zmq4.Option) zmq4.Socket{
	"REQ": zmq4.NewReq, "REP": zmq4.NewRep, "DEALER": zmq4.NewDealer, "ROUTER": zmq4.NewRouter,
	"PUB": zmq4.NewPub, "SUB": zmq4.NewSub, "XPUB": zmq4.NewXPub, "XSUB": zmq4.NewXSub,
	"PUSH": zmq4.NewPush, "PULL": zmq4.NewPull, "PAIR": zmq4.NewPair,
}

// socket does its requests in order, each when the one before it is done.
type socket struct {
	zmq4.Socket
	requests chan func()
}

var output sync.Mutex

func answer(id string, fields map[string]any, err error) {
	if err != nil {
		fields = map[string]any{"failed": err.Error()}
	} else if fields == nil {
		fields = map[string]any{}
	}
	fields["id"] = json.RawMessage(id)
	line, _ := json.Marshal(fields)
	output.Lock()
	defer output.Unlock()
	os.Stdout.Write(append(line, '\n'))
}

func open(args []string) (*socket, error) {
	maker, known := makers[args[0]]
	if !known {
		return nil, fmt.Errorf("no such socket type: %s", args[0])
	}
	options := []zmq4.Option{zmq4.WithAutomaticReconnect(true), zmq4.WithDialerMaxRetries(-1), zmq4.WithLogger(log.New(io.Discard, "", 0))}
	for _, option := range args[1:] {
		name, value, _ := strings.Cut(option, "=")
		switch name {
		case "routing-id":
			options = append(options, zmq4.WithID(zmq4.SocketIdentity(text(value))))
		case "plain-client", "plain-server":
			user, password, _ := strings.Cut(value, ":")
			options = append(options, zmq4.WithSecurity(plain.Security(text(user), text(password))))
		default:
			return nil, fmt.Errorf("no such option: %s", name)
		}
	}
	made := &socket{maker(context.Background(), options...), make(chan func(), 100_000)}
	go func() {
		for request := range made.requests {
			request()
		}
	}()
	return made, nil
}

func (s *socket) do(verb string, args []string) (map[string]any, error) {
	switch verb {
	case "bind":
		if err := s.Listen(args[0]); err != nil {
			return nil, err
		}
		if strings.HasPrefix(args[0], "tcp:") {
			return map[string]any{"endpoint": "tcp://" + s.Addr().String()}, nil
		}
		return map[string]any{"endpoint": args[0]}, nil
	case "connect":
		return nil, s.Dial(args[0])
	case "subscribe":
		return nil, s.SetOption(zmq4.OptionSubscribe, text(args[0]))
	case "unsubscribe":
		return nil, s.SetOption(zmq4.OptionUnsubscribe, text(args[0]))
	case "send":
		var frames [][]byte
		for _, frame := range strings.Split(args[0], ",") {
			frames = append(frames, []byte(text(frame)))
		}
		return nil, s.SendMulti(zmq4.NewMsgFrom(frames...))
	case "receive":
		message, err := s.Recv()
		if err != nil {
			return nil, err
		}
		var frames []string
		for _, frame := range message.Frames {
			frames = append(frames, hex.EncodeToString(frame))
		}
		return map[string]any{"frames": strings.Join(frames, ",")}, nil
	}
	return nil, fmt.Errorf("no such verb: %s", verb)
}

func text(inHex string) string {
	bytes, err := hex.DecodeString(inHex)
	if err != nil {
		log.Fatal(err)
	}
	return string(bytes)
}

func main() {
	sockets := map[string]*socket{}
	input := bufio.NewReaderSize(os.Stdin, 1<<20)
	for {
		line, err := input.ReadString('\n')
		if err != nil {
			return
		}
		words := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		id, verb, name, args := words[0], words[1], words[2], words[3:]
		s, known := sockets[name]
		switch {
		case verb == "open":
			made, err := open(args)
			if err == nil {
				sockets[name] = made
			}
			answer(id, nil, err)
		case !known:
			answer(id, nil, errors.New("closed"))
		case verb == "close":
			// At once: it ends what the socket is waiting for.
			delete(sockets, name)
			close(s.requests)
			go func() { answer(id, nil, s.Close()) }()
		default:
			s.requests <- func() {
				fields, err := s.do(verb, args)
				answer(id, fields, err)
			}
		}
	}
}
