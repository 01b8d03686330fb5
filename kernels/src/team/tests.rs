//! Tests of [`super`].

use super::*;

fn seats(count: usize) -> &'static Seats {
    Box::leak(Box::new(Seats::new(count)))
}

fn progress(steps: usize) -> Vec<Progress> {
    (0..steps).map(|_| Progress::default()).collect()
}

#[test]
fn every_task_is_done_once_and_steps_follow_each_other() {
    const TASKS: usize = 37;
    let team = Team::new(seats(3));
    let mut progress = progress(50);
    for _ in 0..20 {
        let done: Vec<AtomicUsize> = (0..50 * TASKS).map(|_| AtomicUsize::new(0)).collect();
        team.run(3, &mut progress, &|_| TASKS, &|step, task| {
            if step > 0 {
                let before = &done[(step - 1) * TASKS..step * TASKS];
                assert!(before.iter().all(|d| d.load(Ordering::Relaxed) == 1));
            }
            done[step * TASKS + task].fetch_add(1, Ordering::Relaxed);
        });
        assert!(done.iter().all(|d| d.load(Ordering::Relaxed) == 1));
    }
    assert_eq!(team.helpers.lock().map(|h| h.len()).unwrap_or(0), 2);
}

/// The system has no room for such stacks, so that every start of a thread fails.
#[test]
fn without_any_helper_the_caller_does_it_all() {
    let team = Team::with_stacks(seats(4), usize::MAX / 4);
    let mut progress = progress(3);
    for _ in 0..5 {
        let done = AtomicUsize::new(0);
        team.run(4, &mut progress, &|_| 10, &|_, _| {
            done.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(done.load(Ordering::Relaxed), 30);
    }
    assert_eq!(team.helpers.lock().map(|h| h.len()).unwrap_or(9), 0);
}

#[test]
fn a_sleeping_helper_is_woken() {
    let team = Team::new(seats(2));
    let mut progress = progress(1);
    for _ in 0..3 {
        let caller = thread::current().id();
        let helped = AtomicBool::new(false);
        // Each run waits inside its first task until a helper has done the other.
        team.run(2, &mut progress, &|_| 2, &|_, _| {
            if thread::current().id() == caller {
                while !helped.load(Ordering::Acquire) {
                    thread::yield_now();
                }
            } else {
                helped.store(true, Ordering::Release);
            }
        });
        let parked = || {
            team.helpers
                .lock()
                .map(|h| h[0].is_parked.load(Ordering::SeqCst))
        };
        while !parked().unwrap_or(true) {
            thread::yield_now();
        }
    }
}

#[test]
fn runs_at_the_same_time_share_the_seats() {
    let seats = seats(2);
    let team = Team::new(seats);
    let most = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut progress = progress(1);
                for _ in 0..200 {
                    team.run(2, &mut progress, &|_| 4, &|_, _| {
                        most.fetch_max(seats.taken.load(Ordering::Relaxed), Ordering::Relaxed);
                    });
                }
            });
        }
    });
    // A caller may sit down while a helper still does its last task, and never more.
    assert!((1..=3).contains(&most.load(Ordering::Relaxed)));
    assert_eq!(seats.taken.load(Ordering::Relaxed), 0);
}

#[test]
fn a_panic_reaches_the_caller_and_the_team_goes_on() {
    let team = Team::new(seats(2));
    let mut progress = progress(3);
    for _ in 0..20 {
        let result = catch_unwind(AssertUnwindSafe(|| {
            team.run(2, &mut progress, &|_| 4, &|step, task| {
                assert!(step != 1 || task != 2, "as a kernel would");
            });
        }));
        let message = result.err().and_then(|panic| panic.downcast::<&str>().ok());
        assert_eq!(message.as_deref(), Some(&"as a kernel would"));
    }
    let count = AtomicUsize::new(0);
    team.run(2, &mut progress, &|_| 4, &|_, _| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    assert_eq!(count.into_inner(), 12);
}

/// Whatever turns the ends take, each task is given once, from the first on at one end and from the last back at the other.
#[test]
fn two_ends_meet() {
    for count in 0..6 {
        for turns in 0..1 << count {
            let progress = Progress::default();
            let (mut first, mut last) = (Vec::new(), Vec::new());
            for at in 0..count {
                if turns >> at & 1 == 0 {
                    first.extend(progress.take(End::First, count));
                } else {
                    last.extend(progress.take(End::Last, count));
                }
            }
            assert_eq!(progress.take(End::First, count), None);
            assert_eq!(progress.take(End::Last, count), None);
            assert!(first.iter().copied().eq(0..first.len()));
            last.reverse();
            first.extend(last);
            assert!(
                first.iter().copied().eq(0..count),
                "{count} {turns:b} {first:?}"
            );
        }
    }
}
