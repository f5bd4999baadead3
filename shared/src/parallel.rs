//! Work on all processors of this machine.

use std::sync::{Mutex, PoisonError};

/// So many items are worth a thread of their own.
const WORTH_A_THREAD: usize = 64;

fn processors() -> usize {
    std::thread::available_parallelism()
        .map_or(2, std::num::NonZero::get)
        .clamp(1, 8)
}

/// Runs `count` tasks on as many threads as there are processors; results in order of their numbers.
pub(crate) fn tasks<T: Send>(count: usize, task: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = Mutex::new(0_usize);
    let results: Mutex<Vec<(usize, T)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..processors().min(count.max(1)) {
            scope.spawn(|| {
                loop {
                    let index = {
                        let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
                        let index = *next;
                        *next += 1;
                        index
                    };
                    if index >= count {
                        return;
                    }
                    let result = task(index);
                    results
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Cuts a list into as many parts as it is worth, at least one, and works on them at the same time; results in the
/// list's order.
pub(crate) fn parts<'list, T: Sync, R: Send>(
    list: &'list [T],
    work: impl Fn(&'list [T]) -> R + Sync,
) -> Vec<R> {
    let count = processors().min(list.len() / WORTH_A_THREAD).max(1);
    if count == 1 {
        return vec![work(list)];
    }
    let parts: Vec<_> = list.chunks(list.len().div_ceil(count)).collect();
    tasks(parts.len(), |index| work(parts[index]))
}

/// Works on each item of a list, as [`parts`] does; results in the list's order.
pub(crate) fn each<'list, T: Sync, R: Send>(
    list: &'list [T],
    work: impl Fn(&'list T) -> R + Sync,
) -> Vec<R> {
    let parts = parts(list, |part| part.iter().map(&work).collect::<Vec<_>>());
    parts.into_iter().flatten().collect()
}

/// Does two things at the same time.
pub(crate) fn both<A: Send, B>(
    aside: impl FnOnce() -> A + Send,
    here: impl FnOnce() -> B,
) -> (A, B) {
    std::thread::scope(|scope| {
        let aside = scope.spawn(aside);
        let here = here();
        match aside.join() {
            Ok(aside) => (aside, here),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Frees something large while the work goes on.
pub(crate) fn free<T: Send + 'static>(value: T) {
    std::thread::spawn(move || drop(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_in_order_and_none_is_left_out() {
        for length in [0, 1, WORTH_A_THREAD, 1000] {
            let list: Vec<usize> = (0..length).collect();
            assert_eq!(parts(&list, <[usize]>::to_vec).concat(), list);
            assert_eq!(each(&list, |item| *item), list);
        }
        assert_eq!(tasks(3, |index| index * 2), [0, 2, 4]);
    }
}
