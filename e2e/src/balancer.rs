//! A TCP balancer in front of Podling that may cut what it carries, as those of clouds do after a time.

use std::{io, net::SocketAddr};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::broadcast,
    task::JoinSet,
};

/// It carries until it is dropped.
pub struct Balancer {
    pub address: SocketAddr,
    cuts: broadcast::Sender<()>,
    _carrying: JoinSet<()>,
}

impl Balancer {
    /// Carries connections to `to`, a host and port.
    pub async fn start(to: String) -> Balancer {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (cuts, _) = broadcast::channel(1);
        let mut carrying = JoinSet::new();
        carrying.spawn(carry_all(listener, to, cuts.clone()));
        Balancer { address, cuts, _carrying: carrying }
    }

    /// Cuts every connection, and says how many there were.
    pub fn cut(&self) -> usize {
        self.cuts.send(()).unwrap_or(0)
    }
}

async fn carry_all(listener: TcpListener, to: String, cuts: broadcast::Sender<()>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { return };
        let (to, mut cut) = (to.clone(), cuts.subscribe());
        connections.spawn(async move {
            tokio::select! {
                _ = carry(client, &to) => {}
                _ = cut.recv() => {}
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn carry(mut client: TcpStream, to: &str) -> io::Result<()> {
    let mut server = TcpStream::connect(to).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
