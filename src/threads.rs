//! The threads of a job. They start in one place, so that a thread that panics or can't start is an error like any
//! other, and never leaves the rest waiting.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, Scope, ScopedJoinHandle};

#[derive(Debug, thiserror::Error)]
pub enum ThreadError {
    #[error("a thread can't be started: {0}; use fewer (--threads N) or raise the limits (ulimit -u, ulimit -v)")]
    Start(#[source] io::Error),
    #[error("internal error: a worker panicked: {0}")]
    Panicked(String),
}

/// What a lock guards, even after a panic: whoever joins the thread that panicked reports it.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A started thread.
pub struct Worker<'scope, T>(ScopedJoinHandle<'scope, Result<T, ThreadError>>);

impl<T> Worker<'_, T> {
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }

    pub fn join(self) -> Result<T, ThreadError> {
        self.0.join().unwrap_or_else(|payload| Err(panicked(&*payload)))
    }
}

/// Starts a thread. A panic inside it is what [`Worker::join`] returns; the scope does not see it.
pub fn start<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<Worker<'scope, T>, ThreadError> {
    // Nothing that the closure borrows is looked at after a panic, except behind locks.
    let caught = || catch_unwind(AssertUnwindSafe(work)).map_err(|payload| panicked(&*payload));
    Builder::new().spawn_scoped(scope, caught).map(Worker).map_err(ThreadError::Start)
}

/// Runs `other` in a thread and `own` in this one.
pub fn beside<A: Send, B>(other: impl FnOnce() -> A + Send, own: impl FnOnce() -> B) -> Result<(A, B), ThreadError> {
    std::thread::scope(|scope| {
        let other = start(scope, other)?;
        let own = own();
        Ok((other.join()?, own))
    })
}

/// Does `work` for the numbers below `count` in at most `threads` threads. The results are in the order of the numbers.
///
/// After an error no further number begins. The error of the lowest number is returned, whatever the number of threads;
/// a panic comes before all errors, since those may follow from it.
pub fn each<R: Send, E: Send + From<ThreadError>>(
    threads: usize,
    count: usize,
    work: impl Fn(usize) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    each_with(threads, count, || Ok(()), |(), number| work(number))
}

/// As [`each`], with a state of its own for each thread.
pub fn each_with<S, R: Send, E: Send + From<ThreadError>>(
    threads: usize,
    count: usize,
    begin: impl Fn() -> Result<S, E> + Sync,
    work: impl Fn(&mut S, usize) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let queue = Queue { next: AtomicUsize::new(0), count };
    let done: Vec<Mutex<Option<R>>> = (0..count).map(|_| Mutex::new(None)).collect();
    let run = || -> Result<(), (usize, E)> {
        // However this thread ends, nobody needs to begin another number.
        let _end = EndWith(&queue);
        let mut state = begin().map_err(|error| (0, error))?;
        while let Some(number) = queue.take() {
            let result = work(&mut state, number).map_err(|error| (number, error))?;
            *lock(&done[number]) = Some(result);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let mut workers = Vec::new();
        let mut failed: Option<ThreadError> = None;
        for _ in 0..threads.max(1).min(count) {
            match start(scope, run) {
                Ok(worker) => workers.push(worker),
                Err(error) => {
                    queue.end();
                    failed = Some(error);
                    break;
                }
            }
        }
        let mut errors = Vec::new();
        for worker in workers {
            match worker.join() {
                Ok(result) => errors.extend(result.err()),
                Err(panic) => failed = failed.or(Some(panic)),
            }
        }
        match (failed, errors.into_iter().min_by_key(|(number, _)| *number)) {
            (Some(failed), _) => Err(failed.into()),
            (None, Some((_, error))) => Err(error),
            (None, None) => Ok(()),
        }
    })?;
    let done = done.into_iter().map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner));
    // A worker that ended well has left no number out.
    Ok(done.flatten().collect())
}

/// Numbers that threads take one after the other.
struct Queue {
    next: AtomicUsize,
    count: usize,
}

impl Queue {
    fn take(&self) -> Option<usize> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number < self.count).then_some(number)
    }

    fn end(&self) {
        self.next.store(self.count, Ordering::Relaxed);
    }
}

struct EndWith<'a>(&'a Queue);

impl Drop for EndWith<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn panicked(payload: &(dyn Any + Send)) -> ThreadError {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    ThreadError::Panicked(text.unwrap_or("no message").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    enum Failed {
        Number(usize),
        Thread(ThreadError),
    }

    impl From<ThreadError> for Failed {
        fn from(error: ThreadError) -> Self {
            Self::Thread(error)
        }
    }

    #[test]
    fn results_are_in_order() {
        for threads in [0, 1, 3, 100] {
            let squares = each(threads, 50, |n| Ok::<_, Failed>(n * n)).unwrap();
            assert_eq!(squares, (0..50).map(|n| n * n).collect::<Vec<_>>());
        }
        assert!(each(4, 0, |_| Err::<(), _>(Failed::Number(0))).unwrap().is_empty());
    }

    #[test]
    fn the_lowest_number_that_fails_is_told_and_the_rest_is_left() {
        for threads in [1, 4] {
            let begun = AtomicUsize::new(0);
            let failed = each(threads, 1_000_000, |n| {
                begun.fetch_add(1, Ordering::Relaxed);
                if n >= 5 { Err(Failed::Number(n)) } else { Ok(()) }
            });
            assert!(matches!(failed, Err(Failed::Number(5))), "{failed:?}");
            assert!(begun.into_inner() < 1000);
        }
        let failed = each_with(2, 9, || Err::<(), _>(Failed::Number(7)), |(), _| Ok(()));
        assert!(matches!(failed, Err(Failed::Number(7))));
    }

    #[test]
    fn a_panic_is_an_error_and_ends_the_others() {
        let begun = AtomicUsize::new(0);
        let failed = each(3, 1_000_000, |n| -> Result<(), Failed> {
            begun.fetch_add(1, Ordering::Relaxed);
            assert!(n < 10, "number {n} is too much");
            Ok(())
        });
        let Err(Failed::Thread(error)) = failed else { panic!("{failed:?}") };
        let text = error.to_string();
        assert!(text.starts_with("internal error: a worker panicked: number 1"), "{text}");
        assert!(begun.into_inner() < 1000);
        assert!(matches!(beside(|| panic!("other"), || 1), Err(ThreadError::Panicked(text)) if text == "other"));
        assert_eq!(beside(|| 2, || 1).unwrap(), (2, 1));
    }

    #[test]
    fn a_lock_outlives_a_panic() {
        let mutex = Mutex::new(1);
        let broken = beside(
            || {
                let _held = lock(&mutex);
                panic!("with the lock held");
            },
            || (),
        );
        assert!(broken.is_err() && mutex.is_poisoned());
        assert_eq!(*lock(&mutex), 1);
    }
}
