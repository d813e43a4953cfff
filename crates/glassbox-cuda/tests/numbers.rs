//! Steps and inference on numbers, which the host has or some library has on the device, give the bits of the definition.

mod common;

use common::definition::Definition;
use common::{assert_same, engine, numbers, odd_numbers, wait_for, with};
use glassbox_cpu::reference::philox::{Philox, Purpose};
use glassbox_cuda::ops::{self, Activation};
use glassbox_cuda::train::{Data, Optimizer, Outcome, Part, Rule, Session, Steps, Way};
use glassbox_cuda::{Buffer, DevicePointer, Engine, Error, Inputs, infer, infer_numbers};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

const LR: f32 = 0.25;
const SEED: u64 = 7;
const TANH: Part = Part::Activation(Activation::Tanh);

fn dense(outputs: usize) -> Part {
    Part::Dense { outputs }
}

/// An engine whose buffers are as long as asked for, and are gone when they are dropped.
fn open() -> Engine {
    glassbox_cuda_sim::install_default();
    Engine::open(0).unwrap().without_pool().unwrap()
}

fn labels(count: usize, classes: usize) -> Vec<u32> {
    (0..count).map(|row| ((row * 7 + 3) % classes) as u32).collect()
}

/// Where a buffer is, as another library would tell.
fn pointer(buffer: &Buffer<f32>) -> DevicePointer {
    DevicePointer { address: buffer.address(), len: buffer.len() }
}

fn load(session: &mut Session, definition: &Definition) {
    session.load(&definition.arrays.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
}

/// Takes steps with plain gradient descent.
fn run(session: &mut Session, order: &[u32], batch: usize, first: u32) -> Vec<Outcome> {
    let rule = Rule { optimizer: Optimizer::Sgd { lr: LR }, decay: 0.0 };
    let rules = vec![rule; order.len().div_ceil(batch)];
    session.run(&Steps { order, rules: &rules, seed: SEED, first }).unwrap()
}

/// The parameters of a session, which are as many and as long as the definition's.
fn stored(session: &Session, definition: &Definition) -> Vec<Vec<f32>> {
    let mut found = definition.arrays.clone();
    session.store(&mut found.iter_mut().map(|array| &mut array[..]).collect::<Vec<_>>()).unwrap();
    found
}

fn assert_all_same(found: &[Vec<f32>], expected: &[Vec<f32>], what: &str) {
    for (found, expected) in found.iter().zip(expected) {
        assert_same(found, expected, what);
    }
}

/// Networks of one hidden layer, which bytes are trained on in two kernels, and others.
fn networks(classes: usize) -> [Vec<Part>; 3] {
    let drop = Part::Dropout { p: 0.3 };
    [
        vec![dense(9), TANH, dense(classes)],
        vec![dense(classes)],
        vec![drop, dense(5), TANH, drop, dense(7), TANH, dense(classes)],
    ]
}

#[test]
fn numbers_that_are_pixels_are_trained_on_as_pixels() {
    for (inputs, rows, batch) in [(1, 1, 1), (12, 11, 4), (31, 40, 2), (17, 18, 17)] {
        let stream = Philox::new(5, Purpose::Test, 3, 0);
        let pixels: Vec<u8> = (0..(rows * inputs) as u64).map(|i| stream.bits(i) as u8).collect();
        let same: Vec<f32> = pixels.iter().map(|&pixel| f32::from(pixel) / 255.0).collect();
        let (labels, order) = (labels(rows, 3), Philox::new(6, Purpose::Shuffle, 0, 0));
        let order = order.permutation(rows as u32);
        for parts in networks(3) {
            let what = format!("{parts:?}, {rows} of {inputs} by {batch}");
            let definition = Definition::new(&parts, inputs);
            let of_bytes = Data::new(engine(), &pixels, &labels, inputs).unwrap();
            let of_numbers = Data::from_numbers(engine(), &same, &labels, inputs).unwrap();
            let [one, other] = [of_bytes, of_numbers].map(|data| {
                let mut session =
                    Session::new(engine(), &Arc::new(data), &parts, 0, batch, true).unwrap();
                load(&mut session, &definition);
                let outcomes = run(&mut session, &order, batch, 2);
                (session.way(), outcomes, stored(&session, &definition))
            });
            assert_eq!(one.0 == Way::Fused, parts.len() == 3, "{what}");
            assert_eq!(other.0, Way::Layered, "{what}");
            assert_eq!(one.1, other.1, "{what}");
            assert_all_same(&other.2, &one.2, &what);
        }
    }
}

/// Numbers of both signs, zeros of both signs, and some that are subnormal or large.
fn features(seed: u64, count: usize) -> Vec<f32> {
    let mut x = odd_numbers(seed, count, false);
    x.iter_mut().skip(1).step_by(11).for_each(|x| *x *= 1e-42);
    x.iter_mut().skip(3).step_by(13).for_each(|x| *x *= 50.0);
    x
}

#[test]
fn numbers_give_the_bits_of_the_definition() {
    // Rows and inputs that are 1, primes, or next to a tile; orders that leave rows out.
    for (inputs, rows, batch) in [(1, 3, 2), (13, 7, 7), (16, 33, 16), (33, 17, 5), (300, 4, 1)] {
        let (x, labels) = (features(1, rows * inputs), labels(rows, 4));
        for parts in networks(4) {
            let what = format!("{parts:?}, {rows} of {inputs} by {batch}");
            let data = Data::from_numbers(engine(), &x, &labels, inputs).unwrap();
            let mut definition = Definition::new(&parts, inputs);
            let mut session =
                Session::new(engine(), &Arc::new(data), &parts, 0, batch, true).unwrap();
            load(&mut session, &definition);
            for (seed, count) in [(1, rows), (2, rows.div_ceil(2))] {
                let order = Philox::new(seed, Purpose::Shuffle, 0, 0).permutation(rows as u32);
                let outcomes = run(&mut session, &order[..count], batch, 5);
                let batches = order[..count].chunks(batch);
                assert_eq!(outcomes.len(), batches.len(), "{what}");
                for ((rows, outcome), step) in batches.zip(&outcomes).zip(5..) {
                    let row = |&row: &u32| &x[row as usize * inputs..][..inputs];
                    let of_batch: Vec<u32> = rows.iter().map(|&row| labels[row as usize]).collect();
                    let x = rows.iter().flat_map(row).copied().collect();
                    let loss = definition.step(x, &of_batch, step, LR, SEED);
                    assert_same(&[outcome.loss], &[loss], &what);
                    assert_eq!(outcome.count as usize, rows.len(), "{what}");
                }
                assert_all_same(&stored(&session, &definition), &definition.arrays, &what);
            }
        }
    }
}

/// Each batch over the one before, of the host and of another engine of the same device in turn, in sizes that come
/// again, so that steps that were recorded meet numbers that were not there when they were.
#[test]
fn batches_that_are_given_one_by_one() {
    let (other, inputs, classes) = (open(), 13, 4);
    for parts in networks(classes) {
        let data = Arc::new(Data::room(engine(), 17, inputs, classes).unwrap());
        assert_eq!((data.len(), data.is_empty()), (0, true));
        let mut session = Session::new(engine(), &data, &parts, 0, 17, true).unwrap();
        drop(data);
        assert_eq!(session.way(), Way::Layered);
        let mut definition = Definition::new(&parts, inputs);
        load(&mut session, &definition);
        for (step, count) in [17, 17, 3, 1, 17, 3, 16].into_iter().enumerate() {
            let what = format!("{parts:?}, step {step} of {count}");
            let x = features(step as u64, count * inputs);
            let labels = labels(count, classes);
            if step % 2 == 0 {
                session.set_batch(Inputs::Host(&x), &labels).unwrap();
            } else {
                let mut there = other.upload(&x).unwrap();
                session.set_batch(Inputs::Device(pointer(&there)), &labels).unwrap();
                // What becomes of the array afterwards is no matter.
                there.clear().unwrap();
            }
            let order: Vec<u32> = (0..count as u32).collect();
            let outcomes = run(&mut session, &order, 17, step as u32);
            let loss = definition.step(x, &labels, step as u32, LR, SEED);
            assert_same(&[outcomes[0].loss], &[loss], &what);
            assert_eq!((outcomes.len(), outcomes[0].count as usize), (1, count), "{what}");
            assert_all_same(&stored(&session, &definition), &definition.arrays, &what);
        }
    }
}

#[test]
fn numbers_are_inferred_from_wherever_they_are() {
    // More rows than are on the device at a time, and none.
    for (inputs, rows) in [(13, 7), (1, 1), (2, 10_003), (3, 0)] {
        let stream = Philox::new(5, Purpose::Test, 3, 0);
        let pixels: Vec<u8> = (0..(rows * inputs) as u64).map(|i| stream.bits(i) as u8).collect();
        let x: Vec<f32> = pixels.iter().map(|&pixel| f32::from(pixel) / 255.0).collect();
        let parts = [dense(3), TANH, dense(2)];
        let definition = Definition::new(&parts, inputs);
        let arrays: Vec<&[f32]> = definition.arrays.iter().map(Vec::as_slice).collect();
        let mut expected = vec![0.0; rows * 2];
        infer(engine(), &mut expected, &pixels, inputs, &parts, &arrays).unwrap();
        let there = open().upload(&x).unwrap();
        let device = Inputs::Device(pointer(&there));
        for x in [Inputs::Host(&x), device] {
            let mut found = vec![9.0; rows * 2];
            infer_numbers(engine(), &mut found, x, inputs, &parts, &arrays).unwrap();
            assert_same(&found, &expected, &format!("{rows} of {inputs}"));
        }
    }
}

/// More numbers than there are.
const MANY: usize = 5 << 18;

/// What a buffer says to numbers that it is not to take: how many bytes are known there.
fn refused(to: &mut Buffer<f32>, place: DevicePointer) -> usize {
    let result = to.write_inputs(Inputs::Device(place));
    known(&result.expect_err("there are no such numbers"), place)
}

fn known(error: &Error, place: DevicePointer) -> usize {
    assert!(error.hint().contains("on this device"), "{error}");
    let Error::NotDeviceMemory { address, bytes, known } = *error else { panic!("{error}") };
    assert_eq!((address, bytes), (place.address, 4 * place.len), "{error}");
    assert!(known < bytes, "{error}");
    known
}

/// Fails unless the numbers are refused wherever rows of five are asked for.
fn is_refused(place: DevicePointer) {
    let parts = [dense(2)];
    let arrays: [&[f32]; 2] = [&[0.0; 10], &[0.0; 2]];
    let data = Arc::new(Data::room(engine(), MANY / 5, 5, 2).unwrap());
    let mut session = Session::new(engine(), &data, &parts, 0, MANY / 5, true).unwrap();
    drop(data);
    session.load(&arrays).unwrap();
    session.set_batch(Inputs::Host(&[0.5; 5]), &[1]).unwrap();
    let error = session.set_batch(Inputs::Device(place), &vec![1; place.len / 5]).unwrap_err();
    let mut out = vec![0.0; place.len / 5 * 2];
    let result = infer_numbers(engine(), &mut out, Inputs::Device(place), 5, &parts, &arrays);
    assert_eq!(known(&error, place), known(&result.unwrap_err(), place));
    // The batch before is gone, and nobody takes a step on it by mistake.
    let step = AssertUnwindSafe(|| run(&mut session, &[0], MANY / 5, 0));
    assert!(catch_unwind(step).is_err());
    session.set_batch(Inputs::Host(&[0.5; 5]), &[1]).unwrap();
    assert_eq!(run(&mut session, &[0], MANY / 5, 0).len(), 1);
}

#[test]
fn addresses_that_are_refused() {
    let (other, host) = (open(), [0f32; 20]);
    let there = other.upload(&[1f32; 20]).unwrap();
    let mut to = engine().buffer(MANY).unwrap();
    let at = |address, len| DevicePointer { address, len };
    let DevicePointer { address, len } = pointer(&there);
    // A driver may give a little more than was asked for.
    let known = refused(&mut to, at(address, MANY));
    assert!(known >= 80);
    assert_eq!(refused(&mut to, at(address + 4, MANY)), known - 4);
    assert_eq!(refused(&mut to, at(address, known / 4 + 1)), known);
    assert_eq!(refused(&mut to, at(address + 4, known / 4)), known - 4);
    to.write_inputs(Inputs::Device(at(address, known / 4))).unwrap();
    to.write_inputs(Inputs::Device(at(address + 4, known / 4 - 1))).unwrap();
    is_refused(at(address, MANY));
    for nobodys in [0, host.as_ptr() as u64, u64::MAX - 3] {
        assert_eq!(refused(&mut to, at(nobodys, len)), 0);
        is_refused(at(nobodys, len));
    }
    drop(there);
    assert_eq!(refused(&mut to, at(address, len)), 0);
    // No numbers are nowhere, as libraries tell of empty arrays.
    to.write_inputs(Inputs::Device(at(0, 0))).unwrap();
}

#[test]
fn a_driver_that_does_not_know_an_address() {
    for failing in ["cuPointerGetAttributes:1", "cuPointerGetAttributes:201"] {
        with(&[("GLASSBOX_SIM_FAIL", failing)], "an_address_is_unknown");
    }
}

#[test]
#[ignore = "needs its environment"]
fn an_address_is_unknown() {
    let there = open().upload(&[1f32; 5]).unwrap();
    assert_eq!(refused(&mut engine().buffer(5).unwrap(), pointer(&there)), 0);
    is_refused(pointer(&there));
}

/// On the simulated driver work is done when somebody waits for it, so what is not waited for is not there.
#[test]
fn what_others_have_queued_is_waited_for() {
    let other = open();
    let mut there = other.upload(&[1f32, 2.0]).unwrap();
    let mut here = engine().buffer(2).unwrap();
    for handle in [0, 1, 2, engine().stream().raw_handle()] {
        wait_for(engine(), handle).unwrap();
    }
    ops::scale(&other, &mut there, 2.0).unwrap();
    wait_for(engine(), other.stream().raw_handle()).unwrap();
    here.write_inputs(Inputs::Device(pointer(&there))).unwrap();
    assert_eq!(here.download().unwrap(), [2.0, 4.0]);
    // Neither that nor such a copy can be recorded.
    let recorder = engine().beside().unwrap();
    let waited = recorder.capture(|| wait_for(engine(), 1));
    let copied = recorder.capture(|| here.write_inputs(Inputs::Device(pointer(&there))));
    for result in [waited, copied] {
        let error = result.err().expect("it was recorded");
        assert!(matches!(error, Error::NotRecordable { .. }), "{error}");
    }
}

#[test]
fn sizes_that_do_not_fit_are_our_mistake() {
    let x = numbers(1, 100);
    let shared = |data: &Arc<Data>| Session::new(engine(), data, &[dense(2)], 0, 4, true);
    let session_of = |data: Result<Data, Error>| shared(&Arc::new(data.unwrap()));
    let room = |classes| session_of(Data::room(engine(), 4, 5, classes)).unwrap();
    let in_room = |x: &[f32], labels: &[u32]| room(2).set_batch(Inputs::Host(x), labels);
    in_room(&x[..20], &[0, 1, 0, 1]).unwrap();
    let there = engine().upload(&x).unwrap();
    let there = Inputs::Device(pointer(&there));
    let data = Arc::new(Data::from_numbers(engine(), &x[..20], &[0, 1, 0, 1], 5).unwrap());
    let images = || session_of(Data::new(engine(), &[1; 20], &[0, 1, 0, 1], 5)).unwrap();
    let inputs = Inputs::Host(&x[..5]);
    let mistakes: [(&str, &dyn Fn()); 11] = [
        ("a label", &|| drop(in_room(&x[..10], &[0, 2]))),
        ("rows and labels", &|| drop(in_room(&x[..11], &[0, 1]))),
        ("more rows", &|| drop(in_room(&x[..25], &[0; 5]))),
        ("data that only", &|| drop(shared(&data).unwrap().set_batch(inputs, &[0]))),
        ("images stay", &|| drop(images().set_batch(inputs, &[0]))),
        ("rows and labels", &|| drop(Data::from_numbers(engine(), &x, &[0; 3], 33))),
        ("room for", &|| drop(Data::room(engine(), 4, 0, 2))),
        ("100 numbers for 99 places", &|| {
            let _ = engine().buffer(99).unwrap().write_inputs(there);
        }),
        ("the parts of a classifier", &|| drop(room(3))),
        ("outputs", &|| {
            drop(infer_numbers(engine(), &mut [], there, 50, &[dense(2)], &[]));
        }),
        ("whole rows", &|| {
            drop(infer_numbers(engine(), &mut [0.0; 2], there, 33, &[dense(2)], &[]));
        }),
    ];
    for (expected, mistake) in mistakes {
        let panic = catch_unwind(AssertUnwindSafe(mistake)).expect_err(expected);
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or(panic.downcast_ref::<&str>().map(|text| text.to_string()));
        assert!(text.as_ref().is_some_and(|text| text.contains(expected)), "{expected}: {text:?}");
    }
}
