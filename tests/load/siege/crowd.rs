//! Clients of the owner's socket that mean no good: silent, without the end of a line, never reading.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How many are connected at once: below the owner's limit, so that others can still join.
const AT_ONCE: usize = 200;
/// The most that one of them writes without the end of a line, in MiB.
const LINE_MIB: usize = 12;

/// Lets so many come and go within a time. Returns how many came.
pub fn start(socket: PathBuf, count: usize, time: Duration, ends: Arc<AtomicBool>) -> JoinHandle<usize> {
    std::thread::spawn(move || {
        super::give_way();
        let (begun, mut came) = (Instant::now(), 0);
        let waves = count.div_ceil(AT_ONCE).max(1);
        for wave in 1..=waves {
            let mut connected: Vec<UnixStream> = Vec::new();
            while connected.len() < AT_ONCE && came < count {
                let Ok(client) = UnixStream::connect(&socket) else { break };
                client.set_write_timeout(Some(Duration::from_millis(20))).unwrap();
                trouble(&client, came);
                connected.push(client);
                came += 1;
            }
            let until = time.mul_f64(wave as f64 / waves as f64);
            while begun.elapsed() < until && !ends.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        came
    })
}

/// What is not taken is not sent: an owner may have cut the client off.
fn trouble(mut client: &UnixStream, nth: usize) {
    match nth % 3 {
        0 => {}
        1 => {
            let piece = vec![b'x'; 1 << 20];
            let _ = client.write_all(b"{\"hello\": {\"version\": 2}}\n");
            for _ in 0..LINE_MIB {
                if client.write_all(&piece).is_err() {
                    return;
                }
            }
        }
        _ => {
            let _ = client.write_all(b"{\"hello\": {\"version\": 2}}\n{\"follow\": {\"after\": 0}}\n");
        }
    }
}
