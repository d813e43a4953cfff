//! A dashboard: a server on a thread of its own.

use crate::error::Error;
use crate::feed::{Feed, Inbox};
use crate::guard::{Hosts, Rules};
use crate::images::{Images, Lent};
use crate::models::Models;
use crate::news::News;
use crate::pictures::Pictures;
use crate::routes::router;
use crate::run::{Live, Run};
use crate::runs::Runs;
use crate::serve::serve;
use crate::shared::{Shared, clock};
use crate::token::Token;
use crate::turns::{THREADS, Turns};
use glassbox::Control;
use glassbox::data::LoadOptions;
use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::sync::watch;

/// Where a dashboard listens, and what it shows.
#[derive(Clone, Debug)]
pub struct Options {
    /// The name or the address it listens at.
    pub host: String,
    /// The port; without one, the first that is free from [`PORT`] on.
    pub port: Option<u16>,
    /// Names under which proxies show it.
    pub behind: Vec<String>,
    /// Folders that are runs or have some.
    pub folders: Vec<PathBuf>,
    /// Where data are looked for. They are never fetched over the network.
    pub data: LoadOptions,
}

/// The port of the first dashboard on a machine.
pub const PORT: u16 = 8642;

/// So many ports are tried.
const TRIES: u16 = 20;

/// A dashboard that is being served. It ends when it is dropped.
pub struct Dashboard {
    shared: Arc<Shared>,
    link: String,
    over: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Dashboard {
    /// Begins to serve.
    ///
    /// # Errors
    /// If a folder cannot be read, a name is none, the address cannot be listened at, or the system has no random numbers.
    pub fn start(options: &Options) -> Result<Dashboard, Error> {
        let runs = Runs::new(&options.folders)?;
        let hosts = Hosts::new(&options.host, &options.behind)?;
        let token = Token::new()?;
        let life = u32::from_str_radix(&Token::new()?.digits()[..8], 16).unwrap_or(0);
        let listener = listen(&options.host, options.port)?;
        let at = listener.local_addr().map_err(|error| cannot(options, 0, error))?;
        let link = format!("http://{}/?token={}", shown(&options.host, at), token.digits());
        let rules = Rules { token, hosts, cookie: format!("glassbox-{}-{life:08x}", at.port()) };
        let (over, is_over) = watch::channel(false);
        let shared = Arc::new(Shared {
            runs,
            news: Mutex::new(News::new(life)),
            pictures: Pictures::new(),
            models: Models::default(),
            images: Images::new(options.data.clone()),
            turns: Turns::new(),
            viewers: AtomicUsize::new(0),
            bell: watch::Sender::new(0),
            host: watch::Sender::new(String::new()),
            is_silent: watch::Sender::new(false),
        });
        let thread = spawn(listener, Arc::clone(&shared), Arc::new(rules), is_over)?;
        Ok(Dashboard { shared, link, over, thread: Some(thread) })
    }

    /// The address of the page, with the key in it.
    pub fn link(&self) -> &str {
        &self.link
    }

    /// Shows a run that this process trains in `folder` on the images that are lent, and lets viewers control it. The
    /// trainer emits into the feed.
    pub fn live(&self, folder: &Path, control: Control, lent: Lent) -> Feed {
        let inbox = Arc::new(Inbox::default());
        let name = glassbox::run::name(folder);
        let live = Live { inbox: Arc::clone(&inbox), control };
        let run = Run::new(folder, &name, Some(live));
        // What happened before a run was resumed stands in its folder, which nobody else reads yet: from now on the
        // training itself says what happens.
        run.with_story(|_, _| ());
        self.shared.images.lend(lent);
        let run = self.shared.runs.train(run);
        self.shared.look_at(&run);
        Feed(inbox)
    }
}

impl Drop for Dashboard {
    /// Tells viewers that it is over, and waits a moment for those who listen.
    fn drop(&mut self) {
        self.over.send_replace(true);
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

/// A thread with a server.
fn spawn(
    listener: TcpListener,
    shared: Arc<Shared>,
    rules: Arc<Rules>,
    is_over: watch::Receiver<bool>,
) -> Result<JoinHandle<()>, Error> {
    let mut runtime = Builder::new_current_thread();
    runtime.enable_all().max_blocking_threads(THREADS).thread_name("dashboard");
    let runtime = runtime.build().map_err(Error::Thread)?;
    let thread = std::thread::Builder::new().name("dashboard".to_string());
    let serve = move || {
        #[cfg(target_os = "linux")]
        enlarge_descriptor_table(&listener);
        runtime.block_on(async {
            let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
            let is_silent = shared.is_silent.subscribe();
            let clock = tokio::spawn(clock(Arc::clone(&shared), is_over));
            serve(listener, router(shared, rules), is_silent).await;
            _ = clock.await;
        });
        runtime.shutdown_timeout(Duration::from_millis(200));
    };
    thread.spawn(serve).map_err(Error::Thread)
}

/// The usual limit of open files.
#[cfg(target_os = "linux")]
const DESCRIPTORS: i32 = 1024;

/// Enlarges the table of file descriptors, which Linux may begin with 64. Later, when viewers have come, whoever opens the
/// file for which it is too small waits for a larger one until no processor uses the old one any more (an RCU grace period,
/// many milliseconds where processors are busy); and that may be the training, as where a GPU's driver loads a kernel.
#[cfg(target_os = "linux")]
fn enlarge_descriptor_table(listener: &TcpListener) {
    // Where a process may not have so many, all goes on as it did.
    drop(rustix::io::fcntl_dupfd_cloexec(listener, DESCRIPTORS - 1));
}

/// A listener at the port that was asked for, or at the first that is free.
fn listen(host: &str, port: Option<u16>) -> Result<TcpListener, Error> {
    let ports = match port {
        Some(port) => port..=port,
        None => PORT..=PORT + TRIES,
    };
    let mut last = None;
    // If all are taken, the system chooses one.
    for port in ports.chain(port.is_none().then_some(0)) {
        match bind(host, port) {
            Ok(listener) => return Ok(listener),
            Err(error) => {
                let is_taken = error.kind() == std::io::ErrorKind::AddrInUse;
                last = Some((port, error));
                if !is_taken {
                    break;
                }
            }
        }
    }
    let (port, error) = last.expect("there is a port to try");
    let hint = match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            "another program has that port; leave --port out, and the next free one is taken"
        }
        std::io::ErrorKind::PermissionDenied => "take a --port above 1023",
        _ => "--host is 127.0.0.1, or a name or an address of this machine",
    };
    Err(Error::Listen { host: host.to_string(), port, error, hint })
}

fn bind(host: &str, port: u16) -> std::io::Result<TcpListener> {
    let listener =
        TcpListener::bind((host, port).to_socket_addrs()?.collect::<Vec<_>>().as_slice())?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn cannot(options: &Options, port: u16, error: std::io::Error) -> Error {
    let hint = "leave --host and --port out";
    Error::Listen { host: options.host.clone(), port, error, hint }
}

/// The address in the link: who listens everywhere is reached at localhost, and from elsewhere by a name it does not know.
fn shown(host: &str, at: SocketAddr) -> String {
    let port = at.port();
    match (host.parse::<IpAddr>(), at.ip()) {
        (Ok(address), _) if address.is_unspecified() => format!("localhost:{port}"),
        (Ok(IpAddr::V6(address)), _) => format!("[{address}]:{port}"),
        _ => format!("{host}:{port}"),
    }
}
