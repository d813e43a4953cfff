//! `glassbox dashboard`, and `glassbox train --dashboard`.

use crate::Failure;
use crate::args::{Dashboard as Arguments, LOOPBACK, Serve, Train};
use crate::output::note;
use crate::train::{load_options, stop_on_interrupt};
use glassbox::Control;
use glassbox::run::shell_word;
use glassbox_dash::{Dashboard, Feed, Lent, Options};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A signal wakes nobody who sleeps longer than this.
const NAP: Duration = Duration::from_millis(100);

impl Serve {
    /// Whether something of it was given.
    pub fn is_given(&self) -> bool {
        self.host != LOOPBACK || self.port.is_some() || !self.behind.is_empty()
    }
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let stop = stop_on_interrupt();
    let folders = arguments.runs.clone();
    let dashboard = start(&arguments.serve, folders, arguments.data_dir.as_deref())?;
    note(format!("dashboard  {}\n           until Ctrl-C", at(&dashboard, &arguments.serve)));
    wait(&stop);
    Ok(())
}

fn start(
    serve: &Serve,
    folders: Vec<PathBuf>,
    data_dir: Option<&Path>,
) -> Result<Dashboard, Failure> {
    let Serve { host, port, behind } = serve.clone();
    let data = load_options(data_dir, false);
    let warning = beyond(&host);
    let options = Options { host, port, behind, folders, data };
    let dashboard = Dashboard::start(&options);
    let dashboard = dashboard.map_err(|error| Failure::Other(error.to_string()))?;
    warning.iter().for_each(note);
    Ok(dashboard)
}

/// What to know before others reach a dashboard. Nothing, where this machine alone does.
fn beyond(host: &str) -> Option<String> {
    let address = host.parse::<IpAddr>();
    let is_loopback = address.map_or(host == "localhost", |address| address.is_loopback());
    (!is_loopback).then(|| {
        format!(
            "warning: at {host} others can reach the dashboard, and its key travels unencrypted (hint: \
             keep to {LOOPBACK} and `ssh -L`, or put a proxy with TLS before it)"
        )
    })
}

/// The link; and for others, what to put into it.
fn at(dashboard: &Dashboard, serve: &Serve) -> String {
    let is_any = serve.host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified());
    let others = if is_any { " (elsewhere: this machine's address for localhost)" } else { "" };
    format!("{}{others}", dashboard.link())
}

fn wait(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(NAP);
    }
}

/// A dashboard for a training, with the runs that lie beside it, to compare with; but not whatever lies in the current
/// folder.
pub fn start_for(arguments: &Train) -> Result<Dashboard, Failure> {
    let named = arguments.out.as_deref().or(arguments.resume.as_deref());
    let beside = named.map_or(Some(Path::new("runs")), Path::parent);
    let beside = beside.filter(|folder| !folder.as_os_str().is_empty() && folder.is_dir());
    let folders = beside.map(Path::to_path_buf).into_iter().collect();
    start(&arguments.serve, folders, arguments.data_dir.as_deref())
}

/// Lets a dashboard show and control a training into a folder, and says where it is.
pub fn show(
    dashboard: &Dashboard,
    serve: &Serve,
    folder: &Path,
    control: Control,
    lent: Lent,
) -> Feed {
    // Whoever follows the link at once finds the run.
    let feed = dashboard.live(folder, control, lent);
    note(format!("dashboard  {}", at(dashboard, serve)));
    feed
}

/// Says that the training is over; keeps the dashboard until Ctrl-C if it `stays`.
pub fn end(dashboard: &Dashboard, folder: &Path, stays: bool, stop: &AtomicBool) {
    if stays && !stop.load(Ordering::Relaxed) {
        note(format!("dashboard  {}\n           until Ctrl-C", dashboard.link()));
        wait(stop);
    } else {
        let run = shell_word(folder);
        note(format!(
            "the dashboard ends too (hint: `glassbox dashboard {run}` shows the run again)"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::beyond;

    #[test]
    fn only_beyond_this_machine_is_there_a_warning() {
        for host in [crate::args::LOOPBACK, "127.1.2.3", "::1", "localhost"] {
            assert_eq!(beyond(host), None);
        }
        for host in ["0.0.0.0", "::", "192.168.1.7", "box.example"] {
            assert!(
                beyond(host).is_some_and(|text| text.contains(host) && text.contains("(hint: "))
            );
        }
    }
}
