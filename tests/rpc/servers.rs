//! Servers that are killed, or stopped, with calls in hand.

use std::time::Duration;

use memring::rpc::{CallError, OnServerDeath};
use memring_testkit::boards::Board;
use memring_testkit::children::{Args, Child, Role};
use memring_testkit::futures::block_on;
use memring_testkit::homes::Home;
use memring_testkit::time::{LONG, in_time, wait_until};

use crate::{Numbers, SERVICE};

pub const ROLES: [Role; 2] = [("holding server", holding), ("server", serving)];

/// Words of the board: calls that holding servers have, servers that serve, and whether those
/// that hold are to answer.
const HELD: usize = 0;
const SERVING: usize = 1;
const ANSWER: usize = 2;

/// Takes as many calls as it is told, and answers them when it may.
fn holding(args: &Args) {
    let board = args.board("servers");
    let mut server = Numbers::open(SERVICE).unwrap().server().unwrap();
    board.add(SERVING, 1);
    let held: Vec<_> = (0..args.get("calls"))
        .map(|_| {
            let held = server.recv().unwrap();
            board.add(HELD, 1);
            held
        })
        .collect();
    board.wait(ANSWER, 1);
    for (request, responder) in held {
        responder.reply(*request + 1000).unwrap();
    }
}

/// Answers with ten times the attempt, and the request.
fn serving(args: &Args) {
    let board = args.board("servers");
    let mut server = Numbers::open(SERVICE).unwrap().server().unwrap();
    board.add(SERVING, 1);
    let served = server.serve(|request| u64::from(request.attempt()) * 10 + *request);
    served.expect("serve until the end");
}

struct Scene {
    home: Home,
    board: Board,
    service: Numbers,
}

impl Scene {
    fn new(policy: OnServerDeath) -> Scene {
        let home = Home::new();
        let builder = Numbers::builder().on_server_death(policy).max_attempts(3);
        Scene {
            service: builder.create(home.named(SERVICE)).unwrap(),
            board: home.board("servers", 3),
            home,
        }
    }

    fn start(&self, role: &str, calls: u64) -> Child {
        let before = self.board.get(SERVING);
        let child = self.home.spawn(role, &[("calls", &calls)]);
        self.board.wait(SERVING, before + 1);
        child
    }
}

#[test]
fn calls_of_a_killed_server_go_to_another() {
    let scene = Scene::new(OnServerDeath::Redeliver);
    let victim = scene.start("holding server", 3);
    let mut client = scene.service.client().unwrap();
    let calls: Vec<_> = (1..=3).map(|it| client.submit(it).unwrap()).collect();
    scene.board.wait(HELD, 3);
    let _survivor = scene.start("server", 0);
    // What nobody has in hand goes on meanwhile.
    assert_eq!(client.call_timeout(4, LONG), Ok(14));
    victim.kill();
    let found: Vec<_> = calls
        .into_iter()
        .map(|call| in_time(|| call.wait()))
        .collect();
    assert_eq!(found, [Ok(21), Ok(22), Ok(23)]);
    assert_eq!(client.call_timeout(5, LONG), Ok(15));
}

#[test]
fn calls_of_a_killed_server_fail_at_once() {
    let scene = Scene::new(OnServerDeath::Fail);
    let victim = scene.start("holding server", 2);
    let mut client = scene.service.client().unwrap();
    let calls: Vec<_> = (1..=2).map(|it| client.submit(it).unwrap()).collect();
    scene.board.wait(HELD, 2);
    let _survivor = scene.start("server", 0);
    victim.kill();
    for call in calls {
        assert_eq!(in_time(|| call.wait()), Err(CallError::ServerDied));
    }
    assert_eq!(client.call_timeout(5, LONG), Ok(15));
}

/// Openers go by the policy of the maker.
#[test]
fn the_policy_is_the_makers() {
    let scene = Scene::new(OnServerDeath::Fail);
    let again = Numbers::builder().on_server_death(OnServerDeath::Redeliver);
    let again = again.open_or_create(scene.home.named(SERVICE)).unwrap();
    let (mut client, mut server) = (again.client().unwrap(), again.server().unwrap());
    let call = client.submit(1).unwrap();
    drop(server.recv().unwrap());
    assert!(server.try_recv().is_err());
    assert_eq!(call.wait(), Err(CallError::ServerDied));
}

#[test]
fn a_call_that_kills_its_servers_is_given_up() {
    let scene = Scene::new(OnServerDeath::Redeliver);
    let mut client = scene.service.client().unwrap();
    let call = client.submit(1).unwrap();
    for death in 1..=3 {
        let victim = scene.start("holding server", 1);
        scene.board.wait(HELD, death);
        victim.kill();
    }
    let _survivor = scene.start("server", 0);
    assert_eq!(in_time(|| call.wait()), Err(CallError::ServerDied));
    assert_eq!(client.call_timeout(2, LONG), Ok(12));
}

#[test]
fn a_stopped_server_keeps_its_call() {
    let scene = Scene::new(OnServerDeath::Redeliver);
    let stopped = scene.start("holding server", 1);
    let mut client = scene.service.client().unwrap();
    let kept = client.submit(1).unwrap();
    scene.board.wait(HELD, 1);
    stopped.stop();
    let mut server = scene.service.server().unwrap();
    // Longer than sleeps last at first, so that the dead would be found.
    let timeout = Duration::from_millis(300);
    assert!(server.recv_timeout(timeout).is_err());
    let call = client.submit(2).unwrap();
    let (request, responder) = server.recv().unwrap();
    assert_eq!((*request, request.attempt()), (2, 1));
    responder.reply(20).unwrap();
    assert_eq!(call.wait(), Ok(20));
    scene.board.set(ANSWER, 1);
    stopped.resume();
    assert_eq!(in_time(|| kept.wait()), Ok(1001));
    stopped.finish();
}

#[test]
fn a_deadline_ends_the_call_of_a_stopped_server() {
    let scene = Scene::new(OnServerDeath::Redeliver);
    let stopped = scene.start("holding server", 1);
    stopped.wait_until_asleep();
    stopped.stop();
    let mut client = scene.service.client().unwrap();
    let timeout = Duration::from_millis(50);
    assert_eq!(client.call_timeout(1, timeout), Err(CallError::Timeout));
    // A server that is there, stopped or not, is no reason to give up.
    let mut call = client.submit(2).unwrap();
    let longer = Duration::from_millis(400);
    assert_eq!(call.wait_timeout(longer), Err(CallError::Timeout));
    stopped.kill();
    assert_eq!(in_time(|| call.wait()), Err(CallError::Disconnected));
}

#[test]
fn the_death_of_the_last_server_ends_calls() {
    let scene = Scene::new(OnServerDeath::Redeliver);
    let victim = scene.start("holding server", 2);
    let mut client = scene.service.client().unwrap();
    let calls = [1, 2, 3].map(|it| client.submit(it).unwrap());
    scene.board.wait(HELD, 2);
    victim.kill();
    for call in calls {
        assert_eq!(in_time(|| call.wait()), Err(CallError::Disconnected));
    }
    assert_eq!(
        in_time(move || client.call(4)),
        Err(CallError::Disconnected)
    );
}

/// Also for a caller that only looks, or waits for a moment, again and again.
#[test]
fn the_death_of_the_last_server_ends_short_waits() {
    let scene = Scene::new(OnServerDeath::Redeliver);
    let victim = scene.start("holding server", 2);
    let mut client = scene.service.client().unwrap();
    let mut calls = [1, 2].map(|it| client.submit(it).unwrap());
    scene.board.wait(HELD, 2);
    victim.kill();
    let [looking, waiting] = &mut calls;
    let is_told = || looking.try_wait() == Some(Err(CallError::Disconnected));
    wait_until(is_told, || "a look does not tell".into());
    let short = Duration::from_millis(5);
    let is_told = || waiting.wait_timeout(short) == Err(CallError::Disconnected);
    wait_until(is_told, || "short waits do not tell".into());
}

#[test]
fn the_death_of_the_last_server_ends_tasks() {
    for calls in [0, 1] {
        let scene = Scene::new(OnServerDeath::Redeliver);
        let victim = scene.start("holding server", 1);
        victim.wait_until_asleep();
        if calls == 0 {
            victim.stop(); // it never gets the call
        }
        let mut client = scene.service.client().unwrap();
        let call = client.submit(1).unwrap();
        scene.board.wait(HELD, calls);
        let waiting = std::thread::spawn(|| block_on(call));
        victim.kill();
        assert_eq!(
            in_time(|| waiting.join().unwrap()),
            Err(CallError::Disconnected)
        );
    }
}

/// A client that is there before the first server, or between two, waits.
#[test]
fn a_call_waits_for_the_first_server() {
    let scene = Scene::new(OnServerDeath::Redeliver);
    let mut client = scene.service.client().unwrap();
    let call = client.submit(1).unwrap();
    let first = scene.start("server", 0);
    assert_eq!(in_time(|| call.wait()), Ok(11));
    first.kill();
    let mut client = scene.service.client().unwrap();
    let call = client.submit(2).unwrap();
    let _second = scene.start("server", 0);
    assert_eq!(in_time(|| call.wait()), Ok(12));
}
