//! A network, and what can be asked of it.

use crate::arrays::{AnswerArray, Given, GivenAnswers, InputArray, Numbers, loss};
use crate::device::Device;
use crate::gpu::gpu;
use crate::parameters;
use crate::state::{Batch, Changer, Learning, State};
use crate::work::{
    check_memory, is_long, run_detached, run_interruptibly, run_locked, wait_for_left,
};
use glassbox::evaluate::{evaluate_watched, infer, infer_numbers, mean_squared_error_watched};
use glassbox::file::safetensors;
use glassbox::{Error, Init, Rule, Tensor, check_gradients_watched, cuda};
use numpy::{IntoPyArray, PyArray2, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::Duration;

/// A network.
#[pyclass(frozen, module = "glassbox._native")]
pub struct Network {
    state: Mutex<State>,
    #[pyo3(get)]
    text: String,
    #[pyo3(get)]
    input_width: usize,
    #[pyo3(get)]
    output_width: usize,
    /// How many numbers it learns.
    parameters: usize,
    /// How many numbers a sample is, and becomes on the way through the layers.
    units: usize,
}

type Named<T> = Vec<(String, T)>;
/// The mean loss, and for classes the accuracy and the confusion matrix.
type Judged = (f64, Option<f64>, Option<Vec<Vec<u64>>>);
type Arrays<'py> = Named<Bound<'py, PyArrayDyn<f32>>>;

impl Network {
    fn of(network: glassbox::Network) -> Network {
        let (text, input_width) = (network.to_string(), network.input_width());
        let output_width = network.output_width();
        let parameters = network.parameters().map(|(_, p)| p.value.len()).sum();
        let layers = network.summary().layers;
        let units = input_width + layers.iter().map(|layer| layer.shape[1]).sum::<usize>();
        let state = Mutex::new(State::new(network));
        Network { state, text, input_width, output_width, parameters, units }
    }

    /// The number of outputs.
    pub fn output_width(&self) -> usize {
        self.output_width
    }

    /// Does `body` with what changes.
    fn locked<T: Send>(
        &self,
        py: Python,
        body: impl FnOnce(&mut State) -> glassbox::Result<T> + Send,
    ) -> PyResult<T> {
        run_locked(py, || body(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// The same, when nobody else changes it. An error while a training has the network: what would be changed here would
    /// be lost at its end.
    fn change<T: Send>(
        &self,
        py: Python,
        body: impl FnOnce(&mut State) -> glassbox::Result<T> + Send,
    ) -> PyResult<T> {
        let mut body = Some(body);
        loop {
            let done = self.locked(py, |state| match state.changer() {
                None => body.take().map(|body| body(state)).transpose(),
                Some(Changer::Step) => Ok(None),
                Some(Changer::Fit) => {
                    let what = "the network is being trained";
                    Err(Error::Refused { what, hint: "wait until fit has returned" })
                }
            })?;
            if let Some(done) = done {
                return Ok(done);
            }
            py.detach(|| sleep(LOOK));
            py.check_signals()?;
        }
    }

    /// Has the network for itself, until the turn is dropped.
    pub fn take_turn<'a, 'py>(
        &'a self,
        py: Python<'py>,
        changer: Changer,
    ) -> PyResult<Turn<'a, 'py>> {
        self.change(py, |state| {
            state.set_changer(Some(changer));
            Ok(())
        })?;
        Ok(Turn { network: self, py })
    }

    /// The network as it is now. Its numbers are shared until one of the two changes.
    pub fn snapshot(&self, py: Python) -> PyResult<glassbox::Network> {
        self.locked(py, |state| {
            state.settle()?;
            Ok(state.network.clone())
        })
    }

    /// Sees to it that so many rows can go forward and back at once: there is memory for them, and nothing that was left
    /// holds any.
    pub fn make_room(&self, py: Python, rows: usize) -> PyResult<()> {
        wait_for_left(py)?;
        check_memory(rows.saturating_mul(2 * self.units))
    }

    /// How many multiply-adds a forward pass of so many rows takes.
    fn multiply_adds(&self, rows: usize) -> usize {
        rows.saturating_mul(self.parameters)
    }
}

/// Parameters whose bytes take more than a few milliseconds.
const LARGE: usize = 1_000_000;

/// Rows of a forward pass between two looks whether anybody waits for the rest.
const ROWS: usize = 10_000;

/// The outputs for all rows of `x`, block by block of so many numbers, as long as anybody waits for them.
fn in_blocks<T>(
    x: &[T],
    block: usize,
    mut out: Tensor,
    check: &dyn Fn() -> glassbox::Result<()>,
    mut infer: impl FnMut(&[T], &mut Tensor) -> glassbox::Result<()>,
) -> glassbox::Result<Vec<f32>> {
    // As a rule there is one, which is not copied.
    if x.len() <= block {
        infer(x, &mut out)?;
        return Ok(out.into_data());
    }
    let mut all = Vec::new();
    for x in x.chunks(block) {
        check()?;
        infer(x, &mut out)?;
        all.extend_from_slice(out.data());
    }
    Ok(all)
}

/// How long a step that waits for another one sleeps between looks.
const LOOK: Duration = Duration::from_millis(1);

/// The turn of somebody who changes a network.
pub struct Turn<'a, 'py> {
    network: &'a Network,
    py: Python<'py>,
}

impl Turn<'_, '_> {
    /// The network becomes another.
    pub fn set(&self, network: glassbox::Network) -> PyResult<()> {
        self.network.locked(self.py, |state| {
            state.set(network);
            Ok(())
        })
    }
}

impl Drop for Turn<'_, '_> {
    fn drop(&mut self) {
        // It cannot fail: nothing in it does.
        _ = self.network.locked(self.py, |state| {
            state.set_changer(None);
            Ok(())
        });
    }
}

#[pymethods]
impl Network {
    #[new]
    fn new(py: Python, text: &str, init: &str, seed: u64) -> PyResult<Network> {
        let init: Init = serde_json::from_value(init.into()).map_err(|_| {
            let hint = "xavier, he, lecun, uniform or zero";
            PyValueError::new_err(format!("there is no init {init:?} (hint: {hint})"))
        })?;
        let text = text.to_string();
        run_interruptibly(py, true, move |_| {
            Ok(Network::of(glassbox::Network::new(&text, init, seed)?))
        })
    }

    /// The network of a model file, or of the run in a folder.
    #[staticmethod]
    fn load(py: Python, path: PathBuf, text: Option<&str>) -> PyResult<Network> {
        let text = text.map(str::to_string);
        run_interruptibly(py, true, move |_| {
            Ok(Network::of(glassbox::run::load_model(&path, text.as_deref())?))
        })
    }

    /// Writes a safetensors file.
    fn save(&self, py: Python, path: PathBuf) -> PyResult<()> {
        let network = self.snapshot(py)?;
        // Nobody has said what it learned from.
        run_detached(py, || glassbox::run::save_model(&path, &network, ""))
    }

    /// The bytes of a safetensors file.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let metadata = BTreeMap::from([("network".to_string(), self.text.clone())]);
        let network = self.snapshot(py)?;
        let bytes = run_interruptibly(py, self.parameters > LARGE, move |_| {
            Ok(safetensors::encode(&network.state(), &metadata)?)
        })?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// The network of `to_bytes`.
    #[staticmethod]
    fn from_bytes(py: Python, bytes: &[u8]) -> PyResult<Network> {
        run_detached(py, || {
            let file = safetensors::decode(bytes, Path::new("a pickled network"))?;
            let text = file.metadata.get("network").map_or("", String::as_str);
            let mut network = glassbox::Network::new(text, Init::Zero, 0)?;
            network.load_state(&file.arrays)?;
            Ok(Network::of(network))
        })
    }

    /// The table of layers, and the same as JSON.
    fn summary(&self, py: Python) -> PyResult<(String, String)> {
        let summary = self.snapshot(py)?.summary();
        let json = serde_json::to_string(&summary).expect("a summary is plain values");
        Ok((summary.to_string(), json))
    }

    /// Every parameter by name, read-only and without a copy: what it is now, whatever the network learns later.
    fn parameters<'py>(&self, py: Python<'py>) -> PyResult<Arrays<'py>> {
        let network = self.snapshot(py)?;
        let parameters = network.parameters();
        parameters.map(|(name, p)| Ok((name, parameters::view(py, &p.value)?))).collect()
    }

    /// Takes parameters by name, in PyTorch's shapes. Nothing changes on an error.
    fn load_parameters(&self, py: Python, arrays: Named<PyReadonlyArrayDyn<f32>>) -> PyResult<()> {
        let arrays = arrays.into_iter().map(|(name, array)| parameters::named(name, &array));
        let arrays = arrays.collect::<PyResult<Vec<_>>>()?;
        self.change(py, |state| {
            // What was learned on a GPU is replaced, so nothing of it has to come back.
            let mut network = state.network.clone();
            network.load_state(&arrays)?;
            state.set(network);
            Ok(())
        })
    }

    /// SHA-256 of the parameters.
    fn sha256(&self, py: Python) -> PyResult<String> {
        let network = self.snapshot(py)?;
        run_interruptibly(py, self.parameters > LARGE, move |_| Ok(network.sha256()))
    }

    /// The outputs (n,o) for inputs x (n,i), or their softmax.
    fn forward<'py>(
        &self,
        py: Python<'py>,
        device: &Device,
        x: InputArray,
        softmax: bool,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let (x, width) = (x.give()?, self.output_width);
        let (rows, inputs) = (x.rows, x.width);
        check_memory(rows.saturating_mul(width).saturating_add(rows.min(ROWS) * 2 * self.units))?;
        let (mut network, device) = (self.snapshot(py)?, device.opened(py)?);
        let is_long = is_long(&device, self.multiply_adds(rows));
        let out = run_interruptibly(py, is_long, move |check| {
            let mut out = Tensor::zeros(&[0, width]);
            let outputs = match &x.numbers {
                Numbers::Pixels(x) => in_blocks(x, ROWS * inputs, out, check, |x, out| {
                    infer(&mut network, &device, x, out)
                })?,
                Numbers::Host(x) => in_blocks(x, ROWS * inputs, out, check, |x, out| {
                    infer_numbers(&mut network, &device, cuda::Inputs::Host(x), out)
                })?,
                Numbers::OnDevice(x) => {
                    let x = cuda::Inputs::Device(x.get().ready(gpu(&device)?)?);
                    infer_numbers(&mut network, &device, x, &mut out)?;
                    out.into_data()
                }
            };
            if !softmax {
                return Ok(outputs);
            }
            let logits = Tensor::new(&[rows, width], outputs)?;
            let mut shares = Tensor::zeros(logits.shape());
            device.softmax(&mut shares, &logits)?;
            Ok(shares.into_data())
        })?;
        out.into_pyarray(py).reshape([rows, width])
    }

    /// The output (n, features) of each layer for inputs x (n,i), as at inference.
    fn activations<'py>(
        &self,
        py: Python<'py>,
        device: &Device,
        x: InputArray,
    ) -> PyResult<Arrays<'py>> {
        let x = x.give()?;
        self.make_room(py, x.rows)?;
        let (mut network, device) = (self.snapshot(py)?, device.opened(py)?);
        let is_long = is_long(&device, self.multiply_adds(x.rows));
        let network = run_interruptibly(py, is_long, move |_| {
            network.forward(&device, &x.inputs()?.whole(&device, x.width)?)?;
            Ok(network)
        })?;
        let layers = network.summary().layers.into_iter().zip(network.activations());
        let name =
            |layer: glassbox::network::LayerSummary| format!("{}.{}", layer.index, layer.layer);
        layers
            .map(|(layer, output)| Ok((name(layer), parameters::as_it_lies(py, output)?)))
            .collect()
    }

    /// The loss of a batch, and its gradient with respect to each parameter, in PyTorch's shapes.
    fn gradients<'py>(
        &self,
        py: Python<'py>,
        device: &Device,
        x: InputArray,
        y: AnswerArray,
        loss_name: &str,
        reduction: &str,
    ) -> PyResult<(f64, Arrays<'py>)> {
        let (x, y, loss) = (x.give()?, y.give()?, loss(loss_name, reduction)?);
        let (mut network, device) = (self.snapshot(py)?, device.opened(py)?);
        self.make_room(py, x.rows)?;
        // Backward is twice as long as forward.
        let (is_long, outputs) =
            (is_long(&device, 3 * self.multiply_adds(x.rows)), self.output_width);
        let (value, network) = run_interruptibly(py, is_long, move |_| {
            let (x, y) = x.samples(x.inputs()?, y, outputs)?.whole(&device)?;
            network.forward(&device, &x)?;
            let value = network.backward(&device, loss, &x, y.targets(), None)?;
            Ok((value, network))
        })?;
        let parameters = network.parameters();
        let arrays = parameters.map(|(name, p)| Ok((name, parameters::view(py, &p.gradient)?)));
        Ok((value, arrays.collect::<PyResult<_>>()?))
    }

    /// Compares gradients with central differences in float64. Returns JSON, and whether they agree.
    fn check_gradients(
        &self,
        py: Python,
        x: InputArray,
        y: AnswerArray,
        loss_name: &str,
        reduction: &str,
        elements: usize,
        seed: u64,
    ) -> PyResult<(String, bool)> {
        let (x, y, loss) = (x.give()?, y.give()?, loss(loss_name, reduction)?);
        let (network, outputs) = (self.snapshot(py)?, self.output_width);
        run_interruptibly(py, true, move |check| {
            let samples = x.samples(x.inputs()?, y, outputs)?;
            let (x, y) = samples.whole(&glassbox::Device::Reference)?;
            let mut watch = |_| check();
            let targets = y.targets();
            let found =
                check_gradients_watched(&network, loss, &x, targets, elements, seed, &mut watch)?;
            let json = serde_json::to_string(&found).expect("a gradient check is plain values");
            Ok((json, found.passed()))
        })
    }

    /// One step. Returns the loss before it. `room` is how many rows a batch may have that is still to come.
    fn train_batch(
        &self,
        py: Python,
        device: &Device,
        x: InputArray,
        y: AnswerArray,
        loss_name: &str,
        reduction: &str,
        optimizer: &str,
        weight_decay: f32,
        lr: f32,
        seed: u64,
        room: usize,
    ) -> PyResult<f64> {
        let (loss, rule) = (loss(loss_name, reduction)?, rule(optimizer)?);
        let learning = Learning { rule, weight_decay, loss, lr, seed, room };
        let (x, y, device) = (x.give()?, y.give()?, device.opened(py)?);
        let is_long = is_long(&device, 3 * self.multiply_adds(x.rows));
        if is_long {
            self.make_room(py, x.rows)?;
        }
        let batch = match (x.numbers, y) {
            (Numbers::OnDevice(x), GivenAnswers::Classes(labels)) => Batch::OnDevice(x, labels),
            (numbers, y) => {
                let x = Given { numbers, ..x };
                let samples = run_detached(py, || x.samples(x.inputs()?, y, self.output_width))?;
                Batch::Here(samples.into())
            }
        };
        if !is_long {
            return self.change(py, |state| state.step(&device, &batch, &learning));
        }
        let _turn = self.take_turn(py, Changer::Step)?;
        let mut copy = self.locked(py, State::copy)?;
        let (loss, copy) = run_interruptibly(py, true, move |_| {
            Ok((copy.step(&device, &batch, &learning)?, copy))
        })?;
        self.locked(py, |state| {
            state.take(copy);
            Ok(loss)
        })
    }

    /// The mean loss, and of a classifier the accuracy and the confusion matrix: a row for each class.
    fn evaluate(
        &self,
        py: Python,
        device: &Device,
        x: InputArray,
        y: AnswerArray,
    ) -> PyResult<Judged> {
        let (x, y) = (x.give()?, y.give()?);
        let (mut network, device) = (self.snapshot(py)?, device.opened(py)?);
        let (is_long, outputs) = (is_long(&device, self.multiply_adds(x.rows)), self.output_width);
        run_interruptibly(py, is_long, move |check| {
            let samples = x.samples(x.inputs()?, y, outputs)?;
            let watch = &mut |_| check();
            if samples.labels().is_none() {
                let loss = mean_squared_error_watched(&mut network, &device, &samples, watch)?;
                return Ok((loss, None, None));
            }
            let found = evaluate_watched(&mut network, &device, &samples, watch)?;
            let classes = 0..found.confusion.classes();
            let row =
                |label| classes.clone().map(|said| found.confusion.count(label, said)).collect();
            let confusion = classes.clone().map(row).collect();
            Ok((found.loss, Some(found.accuracy), Some(confusion)))
        })
    }
}

/// The rule of an optimizer, from JSON.
pub fn rule(json: &str) -> PyResult<Rule> {
    serde_json::from_str(json).map_err(|error| PyValueError::new_err(format!("optimizer: {error}")))
}
