//! The stream of events: a viewer that comes back misses nothing, one that stalls costs nothing, and one that knows
//! another process begins anew.

mod common;

use common::{Message, Stream, World, ends, epoch, started, step};
use glassbox::control::Phase;
use glassbox::{Change, Ending, Event, Sink};
use glassbox_dash::Lent;
use serde_json::Value;
use std::time::{Duration, Instant};

/// What happened, as a viewer tells it: all but that there is a run, and the states of its control, which nobody trains here.
fn told(messages: &[Message]) -> Vec<Value> {
    let events = messages.iter().flat_map(Message::events);
    events.filter(|event| event["event"] != "state" && event["event"] != "run").collect()
}

fn is_finished(message: &Message) -> bool {
    message.events().iter().any(|event| event["event"] == "finished")
}

fn number(id: &str) -> u64 {
    id.split('.').nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_viewer_that_comes_back_misses_nothing() {
    let mut world = World::new();
    let mut steady = Stream::open(&world, "");
    // One that is cut off after every batch, and comes back with the id of the last.
    let (mut torn, mut last) = (Vec::new(), String::new());
    let mut at = 0;
    world.feed.event(&started(0)).unwrap();
    for round in 1..=8 {
        for _ in 0..40 {
            at += 1;
            world.feed.event(&step(at)).unwrap();
            if at % 100 == 0 {
                world.feed.event(&epoch((at / 100) as u32)).unwrap();
            }
        }
        if round == 8 {
            let ending = Ending::Complete;
            world.feed.event(&Event::Finished { step: at, ending }).unwrap();
        }
        let more =
            if last.is_empty() { String::new() } else { format!("last-event-id: {last}\r\n") };
        let found = Stream::open(&world, &more).read(|message| message.event == "batch");
        assert!(found.iter().all(|message| message.event != "reset"), "{found:?}");
        last = found.last().unwrap().id.clone();
        torn.extend(found);
    }
    while !torn.last().is_some_and(is_finished) {
        let more = format!("last-event-id: {last}\r\n");
        let found = Stream::open(&world, &more).read(|message| message.event == "batch");
        last = found.last().unwrap().id.clone();
        torn.extend(found);
    }
    let (steady, torn) = (told(&steady.read(is_finished)), told(&torn));
    assert_eq!(steady, torn);
    let steps: Vec<u64> = steady
        .iter()
        .filter(|e| e["event"] == "step")
        .map(|e| e["step"].as_u64().unwrap())
        .collect();
    assert!(steps[..100].iter().copied().eq(1..=100), "the first are all there: {steps:?}");
    assert_eq!(steps.last(), Some(&320), "and the newest");
    assert_eq!(steady.iter().filter(|event| event["event"] == "epoch").count(), 3);
    // A viewer that comes late gets the same.
    assert_eq!(told(&Stream::open(&world, "").read(is_finished)), steady);
    // By query, one that has all but the newest hears of that alone.
    let change = Event::Control { step: at, change: Change::Paused };
    world.feed.event(&change).unwrap();
    let by_query = |last: &str| Stream::open_at(&world, &format!("/api/events?after={last}"), "");
    let found = by_query(&last).read(|message| message.event == "batch");
    let events = told(&found);
    assert_eq!(events.len(), 1, "{found:?}");
    assert_eq!((&events[0]["event"], &events[0]["step"]), (&"control".into(), &at.into()));
    let found = by_query("00000000.1").read(|message| message.event == "batch");
    assert_eq!(found[0].event, "reset", "{found:?}");
}

#[test]
fn batches_come_ten_times_a_second_at_most() {
    let mut world = World::new();
    let mut stream = Stream::open(&world, "");
    world.feed.event(&started(0)).unwrap();
    stream.read(|message| message.event == "batch");
    let begun = Instant::now();
    let mut at = 0;
    let mut batches = Vec::new();
    while begun.elapsed() < Duration::from_secs(2) {
        for _ in 0..200 {
            at += 1;
            world.feed.event(&step(at)).unwrap();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    world.feed.event(&Event::Finished { step: at, ending: Ending::Complete }).unwrap();
    batches.extend(stream.read(is_finished));
    let count = batches.iter().filter(|message| message.event == "batch").count();
    let most = 10 * begun.elapsed().as_secs() as usize + 14;
    assert!((2..=most).contains(&count), "{count} batches in {:?}", begun.elapsed());
    assert!(batches.iter().any(|message| message.event == "host"), "and how the machine is doing");
    let ids: Vec<u64> =
        batches.iter().filter(|m| !m.id.is_empty()).map(|m| number(&m.id)).collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn ids_of_another_process_mean_nothing() {
    let mut world = World::new();
    world.feed.event(&started(0)).unwrap();
    for id in ["00000000.5", "nonsense", "ffffffff.18446744073709551615", "é"] {
        let found = Stream::open(&world, &format!("last-event-id: {id}\r\n"))
            .read(|message| message.events().iter().any(|event| event["event"] == "started"));
        assert_eq!(found[0].event, "reset", "{id}");
        assert_eq!(told(&found)[0]["event"], "started", "{id}: and all there is follows");
    }
}

#[test]
fn a_run_that_is_resumed_goes_on_where_it_was() {
    let mut world = World::new();
    let log: String = [started(0)]
        .into_iter()
        .chain((1..=100).map(step))
        .chain([epoch(1)])
        .map(|event| serde_json::to_string(&event).unwrap() + "\n")
        .collect();
    let folder = world.folder.path().join("before");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("events.jsonl"), log).unwrap();
    let mut feed = world.dashboard.live(&folder, world.control.clone(), Lent::default());
    feed.event(&started(100)).unwrap();
    (101..=120).for_each(|at| feed.event(&step(at)).unwrap());
    let mut stream = Stream::open(&world, "");
    stream.read(|message| message.events().iter().any(|event| event["step"] == 120));
    let list = world.get("/api/runs").json();
    let runs = list["runs"].as_array().unwrap();
    let run = runs.iter().find(|run| run["name"] == "before").unwrap();
    assert_eq!(run["facts"]["step"], 120);
    assert_eq!(run["facts"]["last_epoch"]["epoch"], 1, "of before");
    world.feed.event(&started(0)).unwrap();
}

#[test]
fn viewers_that_stall_hold_nobody_up() {
    let mut world = World::new();
    world.feed.event(&started(0)).unwrap();
    // They never read.
    let _stalled: Vec<Stream> = (0..6).map(|_| Stream::open(&world, "")).collect();
    let mut lively = Stream::open(&world, "");
    let World { mut feed, dashboard: _dashboard, .. } = world;
    ends("a training that is watched", move || {
        for at in 1..=200_000 {
            feed.event(&step(at)).unwrap();
            if at % 2000 == 0 {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        feed.event(&Event::Finished { step: 200_000, ending: Ending::Complete }).unwrap();
    });
    assert!(is_finished(lively.read(is_finished).last().unwrap()));
}

#[test]
fn wishes_reach_the_training_and_show_at_once() {
    let world = World::new();
    let path = format!("/api/runs/{}/control", world.id());
    let mut stream = Stream::open(&world, "");
    for (wish, status) in [
        ("{\"do\":\"pause\"}", 200),
        ("{\"do\":\"step\"}", 200),
        ("{\"do\":\"resume\"}", 200),
        ("{\"do\":\"rate\",\"factor\":0.5}", 200),
        ("{\"do\":\"rate\",\"factor\":0}", 422),
        ("{\"do\":\"rate\",\"factor\":1e99}", 400),
        ("{\"do\":\"rate\",\"factor\":null}", 422),
        ("{\"do\":\"rate\"}", 422),
        ("{\"do\":\"pause\",\"factor\":2}", 422),
        ("{\"do\":\"pause\",\"more\":2}", 422),
        ("{\"do\":\"explode\"}", 422),
        ("{", 400),
        ("", 400),
    ] {
        let answer = world.post(&path, wish);
        assert_eq!(answer.status, status, "{wish}: {answer:?}");
    }
    assert_eq!(world.ask("POST", &path, "content-type: text/plain\r\n").status, 415);
    let steps = (0..101).map(|_| world.post(&path, "{\"do\":\"step\"}").status);
    assert_eq!(steps.collect::<Vec<_>>(), [vec![200; 100], vec![429]].concat());
    assert_eq!(world.post("/api/runs/0000000000000000/control", "{\"do\":\"pause\"}").status, 404);
    let is_state = |event: &Value| event["event"] == "state";
    let found = stream.read(|message| message.events().iter().any(is_state));
    let events: Vec<Value> = found.iter().flat_map(Message::events).collect();
    let state = events.iter().find(|event| is_state(event)).unwrap();
    assert_eq!(state["control"]["phase"], "waiting");
    assert_eq!(world.control.state().phase, Phase::Waiting, "nobody trains here");
}

#[test]
fn a_run_in_a_folder_is_followed_and_not_controlled() {
    let world = World::new();
    let folder = world.folder.path().join("elsewhere");
    std::fs::create_dir(&folder).unwrap();
    let line = |event: &Event| serde_json::to_string(event).unwrap() + "\n";
    std::fs::write(folder.join("events.jsonl"), line(&started(0)) + &line(&step(1))).unwrap();
    let list = world.get("/api/runs").json();
    let runs = list["runs"].as_array().unwrap();
    let id = runs.iter().find(|run| run["name"] == "elsewhere").unwrap()["id"].as_str().unwrap();
    assert_eq!(world.post(&format!("/api/runs/{id}/control"), "{\"do\":\"pause\"}").status, 409);
    assert_eq!(world.get(&format!("/api/runs/{id}")).json()["facts"]["step"], 1);
    let mut stream = Stream::open(&world, "");
    std::thread::sleep(Duration::from_millis(20));
    let mut file =
        std::fs::OpenOptions::new().append(true).open(folder.join("events.jsonl")).unwrap();
    let change = Event::Control { step: 2, change: Change::Paused };
    std::io::Write::write_all(&mut file, (line(&step(2)) + &line(&change)).as_bytes()).unwrap();
    let found =
        stream.read(|message| message.events().iter().any(|event| event["event"] == "control"));
    assert!(told(&found).iter().any(|event| event["step"] == 2 && event["run"] == id));
}

#[test]
fn whoever_asks_for_a_run_takes_nothing_from_the_stream() {
    let world = World::new();
    let is_new = is_new_elsewhere(&world);
    let folder = world.folder.path().join("elsewhere");
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("events.jsonl");
    let line = |at: u64| {
        let change = Event::Control { step: at, change: Change::Paused };
        serde_json::to_string(&change).unwrap() + "\n"
    };
    std::fs::write(&path, line(0)).unwrap();
    let mut stream = Stream::open(&world, "");
    // It appears by itself.
    let found = stream.read(|message| message.events().iter().any(&is_new));
    let events: Vec<Value> = found.iter().flat_map(Message::events).collect();
    let id = events.iter().find(|event| is_new(event)).unwrap()["run"].clone();
    let one = format!("/api/runs/{}", id.as_str().unwrap());
    assert_eq!(world.get(&one).json()["facts"]["step"], 0);
    // Every line is asked for as soon as it is written, mostly before the clock looks.
    for at in 1..=20 {
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        std::io::Write::write_all(&mut file, line(at).as_bytes()).unwrap();
        world.get(&one);
    }
    let has_last = |event: &Value| event["event"] == "control" && event["step"] == 20;
    let found = stream.read(|message| message.events().iter().any(has_last));
    let told = told(&found);
    let steps = told.iter().filter(|event| event["run"] == id).map(|event| event["step"].as_u64());
    assert!(steps.eq((1..=20).map(Some)), "{told:?}");
}

/// Whether an event says that there is a run that this process does not train.
fn is_new_elsewhere(world: &World) -> impl Fn(&Value) -> bool {
    let ours = world.id();
    move |event| event["event"] == "run" && event["run"] != ours.as_str()
}

#[test]
fn a_run_that_grows_elsewhere_is_announced() {
    let world = World::new();
    let is_new = is_new_elsewhere(&world);
    let folder = world.folder.path().join("elsewhere");
    std::fs::create_dir(&folder).unwrap();
    let write = |events: &[Event]| {
        let lines = events.iter().map(|event| serde_json::to_string(event).unwrap() + "\n");
        std::fs::write(folder.join("events.jsonl"), lines.collect::<String>()).unwrap();
    };
    let mut stream = Stream::open(&world, "");
    write(&[started(0)]);
    stream.read(|message| message.events().iter().any(&is_new));
    write(&[started(0), step(1)]);
    stream.read(|message| {
        let data: Value = serde_json::from_str(&message.data).unwrap();
        let runs = data["runs"].as_array().cloned().unwrap_or_default();
        let is_seen = |run: &Value| run["name"] == "elsewhere" && run["facts"]["step"] == 1;
        message.events().iter().any(&is_new) && runs.iter().any(is_seen)
    });
}

#[test]
fn viewers_are_told_when_the_process_ends() {
    let mut world = World::new();
    let mut stream = Stream::open(&world, "");
    stream.read(|message| message.event == "batch");
    world.feed.event(&started(0)).unwrap();
    world.feed.event(&Event::Finished { step: 0, ending: Ending::Complete }).unwrap();
    let World { dashboard, folder: _folder, .. } = world;
    ends("the dashboard", move || drop(dashboard));
    let found = stream.read(|message| message.event == "end");
    assert!(found.iter().any(is_finished), "the last words come before: {found:?}");
}
