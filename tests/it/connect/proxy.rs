//! Proxies that carry everything to one server, whatever name they are asked for, and remember who asked.

use crate::connect::lock;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;

/// A proxy; it ends with the runtime it was started on.
pub struct Proxy {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone, Copy)]
pub enum Kind {
    /// `CONNECT host:port` (RFC 9110, 9.3.6).
    Connect,
    /// As `Connect`, but it says no with this status.
    Refuses(u16),
    /// SOCKS version 5 without authentication (RFC 1928).
    Socks5,
}

impl Proxy {
    /// Starts a proxy in front of `server`.
    pub fn start(runtime: &Handle, kind: Kind, server: SocketAddr) -> Self {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let proxy = Self { address: listener.local_addr().expect("an address"), asked: Arc::default() };
        let asked = proxy.asked.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let asked = asked.clone();
                tokio::spawn(async move {
                    // A client that leaves is none of the proxy's business.
                    let _ = match kind {
                        Kind::Socks5 => socks5(stream, server, &asked).await,
                        Kind::Connect => connect(stream, server, None, &asked).await,
                        Kind::Refuses(code) => connect(stream, server, Some(code), &asked).await,
                    };
                });
            }
        });
        proxy
    }

    /// What it was asked for: the head of each CONNECT, or `name:port`, `address:port`.
    pub fn asked(&self) -> Vec<String> {
        lock(&self.asked).clone()
    }
}

async fn connect(
    mut client: TcpStream,
    server: SocketAddr,
    refusal: Option<u16>,
    asked: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    lock(asked).push(String::from_utf8_lossy(&head).into_owned());
    if let Some(code) = refusal {
        return client.write_all(format!("HTTP/1.1 {code} No\r\nContent-Length: 0\r\n\r\n").as_bytes()).await;
    }
    let mut server = TcpStream::connect(server).await?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop)
}

async fn socks5(mut client: TcpStream, server: SocketAddr, asked: &Mutex<Vec<String>>) -> io::Result<()> {
    let _version = client.read_u8().await?;
    let mut methods = vec![0; client.read_u8().await?.into()];
    client.read_exact(&mut methods).await?;
    client.write_all(&[5, 0]).await?;
    let mut head = [0; 4];
    client.read_exact(&mut head).await?;
    let host = match head[3] {
        1 => std::net::Ipv4Addr::from(client.read_u32().await?).to_string(),
        3 => {
            let mut name = vec![0; client.read_u8().await?.into()];
            client.read_exact(&mut name).await?;
            String::from_utf8_lossy(&name).into_owned()
        }
        _ => std::net::Ipv6Addr::from(client.read_u128().await?).to_string(),
    };
    let port = client.read_u16().await?;
    lock(asked).push(format!("{host}:{port}"));
    let mut server = TcpStream::connect(server).await?;
    client.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop)
}
