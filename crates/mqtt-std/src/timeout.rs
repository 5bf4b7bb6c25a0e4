//! Waiting for a while.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

/// Blocks the thread until the future is ready, but no longer than `limit`: then `None`.
///
/// It is what async runtimes call `timeout`, for any future of this crate. What a dropped future leaves undone it says
/// itself: a message, for one, stays for the next who asks.
///
/// ```
/// use std::time::Duration;
///
/// use mqtt_std::{QoS, timeout};
///
/// # let broker = mqtt_broker::Server::start()?;
/// let client = mqtt_std::connect(broker.url()).wait()?;
/// let mut news = client.subscribe("news", QoS::AtLeastOnce).wait()?;
/// let message = timeout(Duration::from_millis(10), news.next());
/// assert!(message.is_none(), "there is no news yet");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn timeout<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let begun = Instant::now();
    let mut future = pin!(future);
    let waker = unpark();
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        let left = limit.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return None;
        }
        // A wake-up since the poll makes it return at once.
        thread::park_timeout(left);
    }
}

/// Wakes the current thread when it is parked.
pub(crate) fn unpark() -> Waker {
    Waker::from(Arc::new(Unpark(thread::current())))
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_future_that_is_ready_is_taken_even_if_there_is_no_time() {
        assert_eq!(timeout(Duration::ZERO, async { 7 }), Some(7));
    }

    #[test]
    fn a_future_that_gets_ready_in_time_wakes_the_thread() {
        let (sender, receiver) = std::sync::mpsc::channel::<Waker>();
        let other = thread::spawn(move || receiver.recv().unwrap().wake());
        let mut polls = 0;
        let future = std::future::poll_fn(|context| {
            polls += 1;
            if polls > 1 {
                return Poll::Ready(());
            }
            sender.send(context.waker().clone()).unwrap();
            Poll::Pending
        });
        assert_eq!(timeout(Duration::from_secs(30), future), Some(()));
        other.join().unwrap();
    }

    #[test]
    fn a_future_that_is_never_ready_is_given_up() {
        assert_eq!(timeout(Duration::from_millis(1), std::future::pending::<()>()), None);
    }
}
