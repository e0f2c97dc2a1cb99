//! A TCP proxy whose links fail as networks do: refused, cut, slow, or silent with the connection still open.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

/// What is carried at once; also the step in which a slow link is slow.
const CHUNK: usize = 16 << 10;
/// A server that does not accept for so long is passed over for the next.
const CONNECT: Duration = Duration::from_millis(500);

/// How the links are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Links {
    Up,
    /// New connections are accepted and closed; those that stand are not touched.
    Refusing,
    /// Each direction of each connection carries so many bytes a second.
    Slow {
        bytes_per_second: f64,
    },
    /// Nothing is carried and nothing is closed, as when a router loses its state.
    Silent,
}

/// Which of several servers a connection goes to.
#[derive(Clone, Debug)]
pub enum Order {
    /// The next each time, past those that refuse.
    InTurn,
    /// The first that does not refuse.
    Fixed,
}

/// It carries until it is dropped.
pub struct Proxy {
    pub address: SocketAddr,
    links: watch::Sender<Links>,
    cuts: watch::Sender<usize>,
    open: Arc<AtomicUsize>,
    _carrying: JoinSet<()>,
}

#[derive(Clone)]
struct Carrier {
    servers: Arc<Vec<String>>,
    order: Order,
    turn: Arc<AtomicUsize>,
    links: watch::Receiver<Links>,
    cuts: watch::Receiver<usize>,
    open: Arc<AtomicUsize>,
}

impl Proxy {
    /// Carries connections to these hosts and ports, in turn.
    pub async fn start(servers: Vec<String>) -> Proxy {
        Proxy::start_in(Order::InTurn, servers).await
    }

    pub async fn start_in(order: Order, servers: Vec<String>) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let (links, cuts, open) = (watch::Sender::new(Links::Up), watch::Sender::new(0), Arc::default());
        let carrier = Carrier {
            servers: Arc::new(servers),
            order,
            turn: Arc::default(),
            links: links.subscribe(),
            cuts: cuts.subscribe(),
            open: Arc::clone(&open),
        };
        let mut carrying = JoinSet::new();
        carrying.spawn(carrier.carry_all(listener));
        Proxy { address, links, cuts, open, _carrying: carrying }
    }

    /// From now on, for connections that stand and for those to come.
    pub fn set(&self, links: Links) {
        self.links.send_replace(links);
    }

    /// Cuts every connection that stands, and says how many there were.
    pub fn cut(&self) -> usize {
        self.cuts.send_modify(|times| *times += 1);
        self.open.load(Ordering::Relaxed)
    }
}

impl Carrier {
    async fn carry_all(self, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            let Ok((client, _)) = listener.accept().await else { return };
            connections.spawn(self.clone().connection(client));
            while connections.try_join_next().is_some() {}
        }
    }

    async fn connection(mut self, client: TcpStream) {
        self.cuts.mark_unchanged();
        let mut cuts = self.cuts.clone();
        self.open.fetch_add(1, Ordering::Relaxed);
        tokio::select! {
            _ = self.carry(client) => {} // However it ended, both sides have been told.
            _ = cuts.changed() => {}
        }
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    async fn carry(&self, client: TcpStream) -> io::Result<()> {
        if *self.links.borrow() == Links::Refusing {
            return Ok(());
        }
        let server = self.connect().await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let ((client_reads, client_writes), (server_reads, server_writes)) = (client.into_split(), server.into_split());
        let up = pump(client_reads, server_writes, self.links.clone());
        let down = pump(server_reads, client_writes, self.links.clone());
        tokio::try_join!(up, down)?;
        Ok(())
    }

    /// To the server whose turn it is, or the next that accepts.
    async fn connect(&self) -> io::Result<TcpStream> {
        let first = match self.order {
            Order::InTurn => self.turn.fetch_add(1, Ordering::Relaxed),
            Order::Fixed => 0,
        };
        for place in 0..self.servers.len() {
            let server = &self.servers[(first + place) % self.servers.len()];
            if let Ok(Ok(stream)) = timeout(CONNECT, TcpStream::connect(server)).await {
                return Ok(stream);
            }
        }
        Err(io::ErrorKind::ConnectionRefused.into())
    }
}

/// One direction, to its end.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut links: watch::Receiver<Links>) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = from.read(&mut chunk).await?;
        let links = links.wait_for(|links| *links != Links::Silent).await.map(|links| *links);
        if count == 0 {
            return to.shutdown().await;
        }
        if let Ok(Links::Slow { bytes_per_second }) = links {
            sleep(Duration::from_secs_f64(count as f64 / bytes_per_second)).await;
        }
        to.write_all(&chunk[..count]).await?;
    }
}
