//! The distributed engine over loopback, with real processes: each test starts this very binary once for each rank.

#![allow(clippy::unwrap_used)]

mod ranks;

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use torch_ext::c10d::{GlooAddress, ProcessGroup, Store};

const TIMEOUT: Duration = Duration::from_secs(30);

/// Starts `ranks` processes of `scenario` around a store served here, and returns their exit codes.
fn run(scenario: &str, ranks: usize) -> Vec<Option<i32>> {
    let store = Store::serve(0, TIMEOUT).unwrap();
    let children: Vec<Child> = (0..ranks)
        .map(|rank| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "one_rank", "--nocapture", "--test-threads=1"])
                .env("TORCH_EXT_SCENARIO", scenario)
                .env("TORCH_EXT_RANK", rank.to_string())
                .env("TORCH_EXT_SIZE", ranks.to_string())
                .env("TORCH_EXT_PORT", store.port().to_string())
                .env("OMP_NUM_THREADS", "1")
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    children
        .into_iter()
        .map(|mut child| child.wait().unwrap().code())
        .collect()
}

/// The body of one rank; does nothing when the test runner meets it without a scenario.
#[test]
fn one_rank() {
    let Ok(scenario) = std::env::var("TORCH_EXT_SCENARIO") else {
        return;
    };
    let number = |name: &str| std::env::var(name).unwrap().parse::<usize>().unwrap();
    let (rank, size) = (number("TORCH_EXT_RANK"), number("TORCH_EXT_SIZE"));
    let store = Store::connect("127.0.0.1", number("TORCH_EXT_PORT") as u16, TIMEOUT).unwrap();
    let timeout = if scenario == "late" {
        Duration::from_secs(3)
    } else {
        TIMEOUT
    };
    let group = ProcessGroup::gloo(
        &store,
        rank,
        size,
        &GlooAddress::Host("127.0.0.1".into()),
        timeout,
    )
    .unwrap();
    match scenario.as_str() {
        "collectives" => ranks::collectives(&store, &group),
        "reducer" => ranks::reducer(&group, false),
        "reducer_find_unused" => ranks::reducer(&group, true),
        "scaler" => ranks::scaler(&group),
        "unused" => ranks::unused_parameter(&group),
        "sync_batch_norm" => ranks::sync_batch_norm(&group),
        "dead" => ranks::dead_peer(&group),
        "late" => ranks::late_peer(&group),
        "nccl" => ranks::nccl(&store),
        other => panic!("no scenario {other}"),
    }
    group.barrier().ok();
    group.shutdown().unwrap();
}

#[test]
fn without_a_gpu_nccl_is_an_error_that_says_so() {
    assert_eq!(run("nccl", 1), [Some(0)]);
}

#[test]
fn collectives_agree_on_2_and_3_ranks() {
    assert_eq!(run("collectives", 2), [Some(0); 2]);
    assert_eq!(run("collectives", 3), [Some(0); 3]);
}

#[test]
fn reduced_gradients_are_bit_equal_and_match_the_full_batch() {
    assert_eq!(run("reducer", 2), [Some(0); 2]);
    assert_eq!(run("reducer", 3), [Some(0); 3]);
    assert_eq!(run("reducer_find_unused", 2), [Some(0); 2]);
}

#[test]
fn scale_clipping_and_averages_agree_when_one_rank_overflows() {
    assert_eq!(run("scaler", 2), [Some(0); 2]);
    assert_eq!(run("scaler", 3), [Some(0); 3]);
}

#[test]
fn an_unused_parameter_is_an_error_at_once() {
    assert_eq!(run("unused", 2), [Some(0); 2]);
}

#[test]
fn synchronized_batch_norm_is_batch_norm_of_the_whole_batch() {
    assert_eq!(run("sync_batch_norm", 2), [Some(0); 2]);
    assert_eq!(run("sync_batch_norm", 3), [Some(0); 3]);
}

#[test]
fn a_dead_peer_is_an_error_not_a_hang() {
    assert_eq!(run("dead", 2), [Some(3), Some(7)]);
}

#[test]
fn a_late_peer_is_a_timeout() {
    assert_eq!(run("late", 2), [Some(3), Some(0)]);
}

#[test]
fn nobody_home_is_an_error() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let error = Store::connect("127.0.0.1", port, Duration::from_secs(1))
        .map(|_| ())
        .unwrap_err();
    assert!(error.to_string().contains("tcp store"), "{error}");
}
