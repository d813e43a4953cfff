//! Connections: how many there may be, and how long each may dawdle.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, Sleep, sleep, timeout};

/// The most connections at a time: a browser opens six, so this is for ten of them.
const MOST_CONNECTIONS: usize = 64;

/// So many files that this process may have open are not for them: a training needs some, and never fails because of a
/// viewer. Of the others they get half.
const FILES_OF_OTHERS: u64 = 32;

/// Of as many connections as have a place, one in so many is told that there is none for it; more are closed without a word.
const TURNED_AWAY: usize = 4;

/// The most bytes of a request's line and headers.
const MOST_HEADER_BYTES: usize = 16 << 10;
const MOST_HEADERS: usize = 64;

/// So long a client may take to say what it wants, also between two requests; and to take what it is sent.
const PATIENCE_READING: Duration = Duration::from_secs(15);
const PATIENCE_WRITING: Duration = Duration::from_secs(30);

/// Serves until `is_over` turns true, then a moment longer to those who still listen.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    mut is_over: watch::Receiver<bool>,
) {
    let most = most_connections();
    let places = Arc::new(Semaphore::new(most));
    let door = Arc::new(Semaphore::new((most / TURNED_AWAY).max(1)));
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                // There may be too many open files; there is no other thing to do than to wait.
                Err(_) => {
                    sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            _ = is_over.wait_for(|over| *over) => break,
        };
        match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => {
                let (router, is_over) = (router.clone(), is_over.clone());
                tokio::spawn(async move {
                    connection(stream, router, is_over).await;
                    drop(place);
                });
            }
            Err(_) => {
                if let Ok(place) = Arc::clone(&door).try_acquire_owned() {
                    tokio::spawn(async move {
                        turn_away(stream).await;
                        drop(place);
                    });
                }
            }
        }
    }
    drop(listener);
    _ = timeout(Duration::from_millis(500), places.acquire_many(most as u32)).await;
}

/// How many connections there may be at a time.
#[cfg(unix)]
fn most_connections() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let share = limit.map_or(u64::MAX, |limit| limit.saturating_sub(FILES_OF_OTHERS) / 2);
    share.clamp(1, MOST_CONNECTIONS as u64) as usize
}

#[cfg(not(unix))]
fn most_connections() -> usize {
    MOST_CONNECTIONS
}

async fn connection(stream: TcpStream, router: Router, mut is_over: watch::Receiver<bool>) {
    _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE_READING)
        .max_buf_size(MOST_HEADER_BYTES)
        .max_headers(MOST_HEADERS)
        .serve_connection(TokioIo::new(Patient::new(stream)), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    tokio::select! {
        // What a client did wrong is between it and its programmer.
        _ = connection.as_mut() => return,
        _ = is_over.wait_for(|over| *over) => {}
    }
    connection.as_mut().graceful_shutdown();
    _ = connection.await;
}

/// Says that there is no place, to whoever still listens.
async fn turn_away(stream: TcpStream) {
    const FULL: &[u8] =
        b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 2\r\ncontent-length: 0\r\n\
        connection: close\r\n\r\n";
    // There is room for a line in a connection that is new.
    if let Ok(Ok(())) = timeout(Duration::from_secs(1), stream.writable()).await {
        _ = stream.try_write(FULL);
    }
}

/// A connection that fails when its client takes nothing for too long: it would keep its place for ever.
struct Patient {
    stream: TcpStream,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    fn new(stream: TcpStream) -> Patient {
        Patient { stream, stalled: None }
    }

    /// The outcome of a write, unless it has stalled for too long.
    fn watch<T>(
        &mut self,
        outcome: Poll<std::io::Result<T>>,
        context: &mut Context,
    ) -> Poll<std::io::Result<T>> {
        if outcome.is_ready() {
            self.stalled = None;
            return outcome;
        }
        let until = Instant::now() + PATIENCE_WRITING;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        match stalled.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(std::io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context,
        buffer: &mut ReadBuf,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(outcome, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context,
        slices: &[std::io::IoSlice],
    ) -> Poll<std::io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch(outcome, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
