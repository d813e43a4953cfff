//! A training on the device: its memory, and its steps as graphs.

use super::{Data, Features, Outcome, Part, RULE_WORDS, Rule, Steps, Way, fused, layered, width};
use crate::buffer::Buffer;
use crate::driver::{Graph, Result};
use crate::engine::Engine;
use crate::inputs::Inputs;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// Words of the state in `state.cuh`.
const STATE_WORDS: usize = 8;

/// A parameter in device memory, with the arrays that the optimizer remembers.
pub(super) struct Parameter {
    /// The value, then the memory. Kernels are given the value again where there is no memory.
    pub arrays: Vec<Buffer<f32>>,
}

impl Parameter {
    /// The value and both arrays of memory, as kernels take them: those that do not exist are not touched.
    pub(super) fn three(&self) -> [&Buffer<f32>; 3] {
        [0, 1, 2].map(|array| self.arrays.get(array).unwrap_or(&self.arrays[0]))
    }
}

/// What the kernels of a step use beside weights and activations.
pub(super) struct Room {
    pub engine: Engine,
    pub data: Arc<Data>,
    pub parts: Vec<Part>,
    /// Weight and bias of each dense layer.
    pub parameters: Vec<[Parameter; 2]>,
    /// Images a step.
    pub batch: usize,
    /// Whether the loss of a batch is the mean of its images'.
    pub is_mean: bool,
    /// Whether kernels of the fused way start before what is queued ahead of them has ended.
    pub starts_early: bool,
    /// The key of dropout's streams.
    pub key: [u32; 2],
    pub order: Buffer<u32>,
    pub rules: Buffer<u32>,
    pub state: Buffer<u32>,
    pub outcomes: Buffer<u32>,
}

impl Room {
    /// 1/b for the mean, 1 for the sum: what gradients are multiplied by.
    pub(super) fn scale(&self, b: usize) -> f32 {
        if self.is_mean { 1.0 / b as f32 } else { 1.0 }
    }

    /// Input features of part `index`, and output features.
    pub(super) fn widths(&self, index: usize) -> [usize; 2] {
        [&self.parts[..index], &self.parts[..=index]].map(|parts| width(self.data.inputs, parts))
    }
}

/// So many steps of full batches make a graph, an even number. Between two graphs the device waits longer than between two
/// kernels of one.
const STEPS_A_GRAPH: usize = 16;

/// The buffers between the kernels of a step.
enum Between {
    Layered(layered::Between),
    Fused(Box<fused::Between>),
}

impl Between {
    fn new(way: Way, room: &Room, b: usize) -> Result<Between> {
        Ok(match way {
            Way::Layered => Between::Layered(layered::Between::new(room, b)?),
            Way::Fused => Between::Fused(Box::new(fused::Between::new(room)?)),
        })
    }

    /// Queues a step of `b` images, whose number in the run is `turn` modulo 2.
    fn step(&mut self, room: &Room, b: usize, turn: usize) -> Result<()> {
        match self {
            Between::Layered(buffers) => buffers.step(room, b),
            Between::Fused(buffers) => buffers.step(room, b, turn),
        }
    }
}

/// A network in training on the device.
pub struct Session {
    way: Way,
    /// Steps that were recorded, by the size of a batch, their number, and the turn of the first: see [`Between::step`].
    recorded: HashMap<(usize, usize, usize), Graph>,
    /// By the size of a batch: all have one, the last of an epoch may have another. In the fused way they share it.
    between: HashMap<usize, Between>,
    room: Room,
}

/// What is queued reads the data, whose memory others may be given as soon as it is dropped.
impl Drop for Session {
    fn drop(&mut self) {
        // If waiting fails, the device is lost and nothing reads any more.
        let _ = self.room.engine.stream().finish();
    }
}

impl Session {
    /// Room for training a network of these parts, `memories` arrays of optimizer's memory for each parameter,
    /// in batches of `batch` images, at most as many steps in a call as the data has batches.
    ///
    /// # Panics
    /// If the parts are not a classifier of the data, or have no parameter.
    pub fn new(
        engine: &Engine,
        data: &Arc<Data>,
        parts: &[Part],
        memories: usize,
        batch: usize,
        is_mean: bool,
    ) -> Result<Session> {
        assert!(batch > 0 && data.places() > 0, "a step of no images");
        // Its own, because steps are recorded.
        let engine = engine.beside()?;
        let batch = batch.min(data.places());
        let steps = data.places().div_ceil(batch);
        let (mut parameters, mut inputs) = (Vec::new(), data.inputs);
        for part in parts {
            if let Part::Dense { outputs } = *part {
                let parameter = |len| -> Result<Parameter> {
                    let arrays = (0..=memories).map(|_| engine.buffer(len));
                    Ok(Parameter { arrays: arrays.collect::<Result<_>>()? })
                };
                parameters.push([parameter(inputs * outputs)?, parameter(outputs)?]);
                inputs = outputs;
            }
        }
        assert!(!parameters.is_empty() && inputs >= data.classes, "the parts of a classifier");
        let room = Room {
            data: data.clone(),
            parts: parts.to_vec(),
            parameters,
            batch,
            is_mean,
            starts_early: engine.context().starts_early(),
            key: [0; 2],
            order: engine.buffer(data.places())?,
            rules: engine.buffer(steps * RULE_WORDS)?,
            state: engine.zeros(STATE_WORDS)?,
            outcomes: engine.zeros(2 * steps)?,
            engine,
        };
        let (recorded, between) = (HashMap::new(), HashMap::new());
        let way = match data.features {
            Features::Bytes(_) => super::way(parts),
            Features::Numbers(_) => Way::Layered,
        };
        Ok(Session { way, recorded, between, room })
    }

    /// Copies a batch over the data: rows of numbers and the class of each, as many as there is room for or fewer. The
    /// caller may change or free them afterwards. Steps that were recorded serve the new batch too.
    ///
    /// # Errors
    /// As [`Buffer::write_inputs`]. Then the data have no row.
    ///
    /// # Panics
    /// If the data are images or someone else has them too, there are more rows than there is room for or not as many as
    /// labels, or a label is not below the number of classes.
    pub fn set_batch(&mut self, rows: Inputs, labels: &[u32]) -> Result<()> {
        // A run that failed may have left steps that read the batch before.
        self.room.engine.synchronize()?;
        let data = Arc::get_mut(&mut self.room.data).expect("data that only this session has");
        data.set(rows, labels)
    }

    /// How steps are taken.
    pub fn way(&self) -> Way {
        self.way
    }

    /// Takes steps operation by operation from now on, though there may be a faster way.
    pub fn set_layered(&mut self) {
        self.clear();
        self.way = Way::Layered;
    }

    /// Whether kernels of the fused way start before what is queued ahead of them has ended.
    pub fn starts_early(&self) -> bool {
        self.way == Way::Fused && self.room.starts_early
    }

    /// Has kernels of the fused way start one after the other from now on, also where the device lets them start before
    /// what is queued ahead of them has ended.
    pub fn set_in_turn(&mut self) {
        self.clear();
        self.room.starts_early = false;
    }

    fn clear(&mut self) {
        // A run that failed may have left steps that use what is dropped here. If waiting fails, nothing runs any more.
        let _ = self.room.engine.stream().finish();
        self.recorded.clear();
        self.between.clear();
    }

    /// Gives the buffers and the recorded steps of all sizes of batches back to the driver. They are made again where
    /// they are needed.
    pub fn forget(&mut self) -> Result<()> {
        self.clear();
        self.room.engine.give_back()
    }

    /// Copies the parameters to the device: for each dense layer the weight (i,o), then the bias (o), each followed
    /// by the optimizer's memory of it.
    ///
    /// # Panics
    /// If their number or a length is another.
    pub fn load(&mut self, arrays: &[&[f32]]) -> Result<()> {
        let mut from = arrays.iter();
        for buffer in self.room.parameters.iter_mut().flatten().flat_map(|p| &mut p.arrays) {
            buffer.write(from.next().expect("an array for each buffer"))?;
        }
        assert!(from.next().is_none(), "more arrays than buffers");
        Ok(())
    }

    /// Copies the parameters back, in the same order.
    ///
    /// # Panics
    /// If their number or a length is another.
    pub fn store(&self, arrays: &mut [&mut [f32]]) -> Result<()> {
        let mut to = arrays.iter_mut();
        for buffer in self.room.parameters.iter().flatten().flat_map(|p| &p.arrays) {
            buffer.read(to.next().expect("an array for each buffer"))?;
        }
        assert!(to.next().is_none(), "more arrays than buffers");
        Ok(())
    }

    /// Takes the steps. Ends early after a step whose loss is not finite, before it changes anything.
    ///
    /// # Panics
    /// If there are more steps than the data has batches, an image does not exist, or rules do not fit the memory.
    pub fn run(&mut self, steps: &Steps) -> Result<Vec<Outcome>> {
        let room = &mut self.room;
        let (count, batch) = (steps.rules.len(), room.batch);
        if count == 0 {
            return Ok(Vec::new());
        }
        assert_eq!(steps.order.len().div_ceil(batch), count, "a rule for each step");
        assert!(steps.order.len() <= room.data.len(), "more steps than the data has batches");
        let images = room.data.len();
        assert!(
            steps.order.iter().all(|&image| (image as usize) < images),
            "an image is out of range"
        );
        let memories = room.parameters[0][0].arrays.len() - 1;
        assert!(steps.rules.iter().all(|rule| rule.memories() <= memories), "memory");
        let key = [steps.seed as u32, (steps.seed >> 32) as u32];
        if room.key != key {
            room.key = key;
            self.recorded.clear();
        }
        let words: Vec<u32> = steps.rules.iter().flat_map(Rule::words).collect();
        room.order.write_first(steps.order)?;
        room.rules.write_first(&words)?;
        room.state.write_first(&[0, 0, 0, steps.first, 0, 0, 0, 0])?;

        let (full, rest) = (steps.order.len() / batch, steps.order.len() % batch);
        for _ in 0..full / STEPS_A_GRAPH {
            self.queue(batch, STEPS_A_GRAPH, 0)?;
        }
        for step in 0..full % STEPS_A_GRAPH {
            self.queue(batch, 1, step)?;
        }
        if rest > 0 {
            self.queue(rest, 1, full)?;
        }
        self.outcomes(steps)
    }

    /// Queues so many steps of `b` images from step `first` on, which are recorded the first time.
    fn queue(&mut self, b: usize, steps: usize, first: usize) -> Result<()> {
        let (room, engine) = (&self.room, &self.room.engine);
        // Layered steps are all the same.
        let turn = if self.way == Way::Fused { first % 2 } else { 0 };
        let graph = match self.recorded.entry((b, steps, turn)) {
            Entry::Occupied(graph) => graph.into_mut(),
            Entry::Vacant(place) => {
                let between = Session::between(&mut self.between, self.way, room, b)?;
                let mut queue = |step| between.step(room, b, (turn + step) % 2);
                place.insert(engine.capture(|| (0..steps).try_for_each(&mut queue))?)
            }
        };
        // SAFETY: the session owns all memory of the graph, and waits before it reads any.
        unsafe { graph.launch(engine.stream()) }
    }

    /// The buffers for steps of `b` images.
    fn between<'a>(
        made: &'a mut HashMap<usize, Between>,
        way: Way,
        room: &Room,
        b: usize,
    ) -> Result<&'a mut Between> {
        let size = if way == Way::Fused { room.batch } else { b };
        Ok(match made.entry(size) {
            Entry::Occupied(between) => between.into_mut(),
            Entry::Vacant(place) => place.insert(Between::new(way, room, size)?),
        })
    }

    /// Waits, and reads what the steps saw, up to one that is not finite.
    fn outcomes(&self, steps: &Steps) -> Result<Vec<Outcome>> {
        let seen = self.room.outcomes.download()?;
        let sizes = steps.order.chunks(self.room.batch).map(<[u32]>::len);
        let mut outcomes = Vec::with_capacity(steps.rules.len());
        for (words, size) in seen.chunks_exact(2).zip(sizes) {
            let loss = f32::from_bits(words[0]);
            outcomes.push(Outcome { loss, correct: words[1], count: size as u32 });
            if !loss.is_finite() {
                break;
            }
        }
        Ok(outcomes)
    }
}
