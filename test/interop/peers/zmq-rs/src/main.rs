//! A peer of the interop matrix: sockets of zmq.rs, driven over stdin. ../../README.md has the protocol.

use bytes::Bytes;
use std::collections::HashMap;
use std::error::Error;
use std::io::{stdin, BufRead, Write};
use tokio::sync::mpsc::{unbounded_channel, UnboundedSender};
use tokio::task::JoinHandle;
use zeromq::{prelude::*, util::PeerIdentity, Endpoint, SocketOptions, ZmqMessage, ZmqResult};
use zeromq::{DealerSocket, PubSocket, PullSocket, PushSocket, RepSocket, ReqSocket, RouterSocket, SubSocket, XPubSocket, XSubSocket};

type Fields = Result<String, Box<dyn Error + Send + Sync>>;

enum AnySocket {
    Req(ReqSocket),
    Rep(RepSocket),
    Dealer(DealerSocket),
    Router(RouterSocket),
    Pub(PubSocket),
    Sub(SubSocket),
    XPub(XPubSocket),
    XSub(XSubSocket),
    Push(PushSocket),
    Pull(PullSocket),
}

macro_rules! each {
    ($self:ident, $socket:ident => $call:expr) => {
        match $self {
            AnySocket::Req($socket) => $call,
            AnySocket::Rep($socket) => $call,
            AnySocket::Dealer($socket) => $call,
            AnySocket::Router($socket) => $call,
            AnySocket::Pub($socket) => $call,
            AnySocket::Sub($socket) => $call,
            AnySocket::XPub($socket) => $call,
            AnySocket::XSub($socket) => $call,
            AnySocket::Push($socket) => $call,
            AnySocket::Pull($socket) => $call,
        }
    };
}

impl AnySocket {
    fn open(kind: &str, options: SocketOptions) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(match kind {
            "REQ" => Self::Req(ReqSocket::with_options(options)),
            "REP" => Self::Rep(RepSocket::with_options(options)),
            "DEALER" => Self::Dealer(DealerSocket::with_options(options)),
            "ROUTER" => Self::Router(RouterSocket::with_options(options)),
            "PUB" => Self::Pub(PubSocket::with_options(options)),
            "SUB" => Self::Sub(SubSocket::with_options(options)),
            "XPUB" => Self::XPub(XPubSocket::with_options(options)),
            "XSUB" => Self::XSub(XSubSocket::with_options(options)),
            "PUSH" => Self::Push(PushSocket::with_options(options)),
            "PULL" => Self::Pull(PullSocket::with_options(options)),
            _ => return Err(format!("no such socket type: {kind}").into()),
        })
    }

    async fn bind(&mut self, endpoint: &str) -> ZmqResult<Endpoint> {
        each!(self, socket => socket.bind(endpoint).await)
    }

    async fn connect(&mut self, endpoint: &str) -> ZmqResult<()> {
        each!(self, socket => socket.connect(endpoint).await)
    }

    async fn send(&mut self, message: ZmqMessage) -> Fields {
        match self {
            Self::Req(socket) => socket.send(message).await?,
            Self::Rep(socket) => socket.send(message).await?,
            Self::Dealer(socket) => socket.send(message).await?,
            Self::Router(socket) => socket.send(message).await?,
            Self::Pub(socket) => socket.send(message).await?,
            Self::XPub(socket) => socket.send(message).await?,
            Self::XSub(socket) => socket.send(message).await?,
            Self::Push(socket) => socket.send(message).await?,
            Self::Sub(_) | Self::Pull(_) => return Err("this socket cannot send".into()),
        }
        Ok(String::new())
    }

    async fn receive(&mut self) -> Fields {
        let message = match self {
            Self::Req(socket) => socket.recv().await?,
            Self::Rep(socket) => socket.recv().await?,
            Self::Dealer(socket) => socket.recv().await?,
            Self::Router(socket) => socket.recv().await?,
            Self::Sub(socket) => socket.recv().await?,
            Self::XPub(socket) => socket.recv().await?,
            Self::XSub(socket) => socket.recv().await?,
            Self::Pull(socket) => socket.recv().await?,
            Self::Pub(_) | Self::Push(_) => return Err("this socket cannot receive".into()),
        };
        let frames: Vec<String> = message.iter().map(|frame| to_hex(frame)).collect();
        Ok(format!(",\"frames\":\"{}\"", frames.join(",")))
    }

    async fn act(&mut self, verb: &str, argument: &str) -> Fields {
        match (verb, self) {
            ("bind", socket) => return Ok(format!(",\"endpoint\":\"{}\"", socket.bind(argument).await?)),
            ("connect", socket) => socket.connect(argument).await?,
            ("send", socket) => {
                let frames: Vec<Bytes> = argument.split(',').map(from_hex).collect();
                return socket.send(ZmqMessage::try_from(frames).map_err(|error| error.to_string())?).await;
            }
            ("receive", socket) => return socket.receive().await,
            ("subscribe", Self::Sub(socket)) => socket.subscribe(std::str::from_utf8(&from_hex(argument))?).await?,
            ("unsubscribe", Self::Sub(socket)) => socket.unsubscribe(std::str::from_utf8(&from_hex(argument))?).await?,
            _ => return Err(format!("no such verb: {verb}").into()),
        }
        Ok(String::new())
    }
}

/// Does its requests in order, each when the one before it is done.
struct Opened {
    requests: UnboundedSender<(String, String, String)>,
    task: JoinHandle<()>,
}

fn open(kind: &str, options: &[&str]) -> Result<Opened, Box<dyn Error + Send + Sync>> {
    let mut socket_options = SocketOptions::default();
    for option in options {
        match option.split_once('=') {
            Some(("routing-id", id)) => drop(socket_options.peer_identity(PeerIdentity::try_from(from_hex(id))?)),
            _ => return Err(format!("no such option: {option}").into()),
        }
    }
    let mut socket = AnySocket::open(kind, socket_options)?;
    let (requests, mut incoming) = unbounded_channel::<(String, String, String)>();
    let task = tokio::spawn(async move {
        while let Some((id, verb, argument)) = incoming.recv().await {
            answer(&id, socket.act(&verb, &argument).await);
        }
    });
    Ok(Opened { requests, task })
}

fn answer(id: &str, fields: Fields) {
    let rest = fields.unwrap_or_else(|error| format!(",\"failed\":\"{}\"", error.to_string().replace(['"', '\\', '\n'], "'")));
    let mut output = std::io::stdout().lock();
    let _ = output.write_all(format!("{{\"id\":{id}{rest}}}\n").as_bytes()).and_then(|()| output.flush());
}

fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]).collect();
    String::from_utf8(digits).expect("digits are text")
}

fn from_hex(text: &str) -> Bytes {
    let value = |digit: u8| (digit as char).to_digit(16).expect("a hex digit") as u8;
    text.as_bytes().chunks_exact(2).map(|pair| value(pair[0]) << 4 | value(pair[1])).collect::<Vec<u8>>().into()
}

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let _entered = runtime.enter();
    let mut sockets: HashMap<String, Opened> = HashMap::new();
    for line in stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        let (id, verb, name, arguments) = (words[0], words[1], words[2], &words[3..]);
        match verb {
            "open" => answer(
                id,
                open(arguments[0], &arguments[1..]).map(|opened| {
                    sockets.insert(name.into(), opened);
                    String::new()
                }),
            ),
            // At once: it ends what the socket is waiting for.
            "close" => {
                if let Some(opened) = sockets.remove(name) {
                    opened.task.abort();
                    let _ = runtime.block_on(opened.task);
                }
                answer(id, Ok(String::new()));
            }
            _ => {
                let argument = arguments.first().copied().unwrap_or_default();
                let request = (id.to_string(), verb.to_string(), argument.to_string());
                match sockets.get(name) {
                    Some(opened) => opened.requests.send(request)?,
                    None => answer(id, Err("closed".into())),
                }
            }
        }
    }
    std::process::exit(0)
}
