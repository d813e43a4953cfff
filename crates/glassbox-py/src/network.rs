//! A network, and what can be asked of it.

use crate::arrays::{AnswerArray, GivenAnswers, InputArray, Numbers, loss, on_device};
use crate::device::Device;
use crate::errors::apart;
use crate::gpu::gpu;
use crate::parameters;
use crate::state::{Batch, State};
use glassbox::evaluate::{evaluate, infer, infer_numbers, mean_squared_error};
use glassbox::file::safetensors;
use glassbox::{Error, Init, Moment, Rule, Tensor, cuda};
use numpy::{IntoPyArray, PyArray2, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

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
}

type Named<T> = Vec<(String, T)>;
/// The mean loss, and for classes the accuracy and the confusion matrix.
type Judged = (f64, Option<f64>, Option<Vec<Vec<u64>>>);
type Arrays<'py> = Named<Bound<'py, PyArrayDyn<f32>>>;

impl Network {
    fn of(network: glassbox::Network) -> Network {
        let (text, input_width) = (network.to_string(), network.input_width());
        let output_width = network.output_width();
        Network { state: Mutex::new(State::new(network)), text, input_width, output_width }
    }

    /// The number of outputs.
    pub fn output_width(&self) -> usize {
        self.output_width
    }

    /// What changes. Not to be waited for with the interpreter in hand.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The network as it is now. Its numbers are shared until one of the two changes.
    pub fn snapshot(&self) -> glassbox::Result<glassbox::Network> {
        let mut state = self.lock();
        state.settle()?;
        Ok(state.network.clone())
    }

    /// An error while a training has the network: what would be changed here would be lost at its end.
    pub fn to_change(&self) -> glassbox::Result<MutexGuard<'_, State>> {
        let state = self.lock();
        match state.trained_by == Some(std::process::id()) {
            false => Ok(state),
            true => {
                let (what, hint) = ("the network is being trained", "wait until fit has returned");
                Err(Error::Refused { what, hint })
            }
        }
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
        apart(py, || Ok(Network::of(glassbox::Network::new(text, init, seed)?)))
    }

    /// The network of a model file, or of the run in a folder.
    #[staticmethod]
    fn load(py: Python, path: PathBuf, text: Option<&str>) -> PyResult<Network> {
        apart(py, || Ok(Network::of(glassbox::run::load_model(&path, text)?)))
    }

    /// Writes a safetensors file.
    fn save(&self, py: Python, path: PathBuf) -> PyResult<()> {
        // Nobody has said what it learned from.
        apart(py, || glassbox::run::save_model(&path, &self.snapshot()?, ""))
    }

    /// The bytes of a safetensors file.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let metadata = BTreeMap::from([("network".to_string(), self.text.clone())]);
        let bytes = apart(py, || Ok(safetensors::encode(&self.snapshot()?.state(), &metadata)?))?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// The network of `to_bytes`.
    #[staticmethod]
    fn from_bytes(py: Python, bytes: &[u8]) -> PyResult<Network> {
        apart(py, || {
            let file = safetensors::decode(bytes, Path::new("a pickled network"))?;
            let text = file.metadata.get("network").map_or("", String::as_str);
            let mut network = glassbox::Network::new(text, Init::Zero, 0)?;
            network.load_state(&file.arrays)?;
            Ok(Network::of(network))
        })
    }

    /// The table of layers, and the same as JSON.
    fn summary(&self, py: Python) -> PyResult<(String, String)> {
        apart(py, || {
            let summary = self.snapshot()?.summary();
            let json = serde_json::to_string(&summary).expect("a summary is plain values");
            Ok((summary.to_string(), json))
        })
    }

    /// Every parameter by name, read-only and without a copy: what it is now, whatever the network learns later.
    fn parameters<'py>(&self, py: Python<'py>) -> PyResult<Arrays<'py>> {
        let network = apart(py, || self.snapshot())?;
        let parameters = network.parameters();
        parameters.map(|(name, p)| Ok((name, parameters::view(py, &p.value)?))).collect()
    }

    /// Takes parameters by name, in PyTorch's shapes. Nothing changes on an error.
    fn load_parameters(&self, py: Python, arrays: Named<PyReadonlyArrayDyn<f32>>) -> PyResult<()> {
        let arrays = arrays.into_iter().map(|(name, array)| parameters::named(name, &array));
        let arrays = arrays.collect::<PyResult<Vec<_>>>()?;
        apart(py, || {
            let mut state = self.to_change()?;
            // What was learned on a GPU is replaced, so nothing of it has to come back.
            let mut network = state.network.clone();
            network.load_state(&arrays)?;
            state.set(network);
            Ok(())
        })
    }

    /// SHA-256 of the parameters.
    fn sha256(&self, py: Python) -> PyResult<String> {
        apart(py, || Ok(self.snapshot()?.sha256()))
    }

    /// The outputs (n,o) for inputs x (n,i), or their softmax.
    fn forward<'py>(
        &self,
        py: Python<'py>,
        device: &Device,
        x: InputArray,
        softmax: bool,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let x = x.give()?;
        let rows = x.rows;
        let out = apart(py, || {
            let (mut network, opened) = (self.snapshot()?, device.get()?);
            let mut out = Tensor::zeros(&[0, network.output_width()]);
            match &x.numbers {
                Numbers::Pixels(x) => infer(&mut network, &opened, x, &mut out)?,
                Numbers::Host(x) => {
                    infer_numbers(&mut network, &opened, cuda::Inputs::Host(x), &mut out)?;
                }
                Numbers::OnDevice(x) => {
                    let x = cuda::Inputs::Device(x.ready(&gpu(device)?)?);
                    infer_numbers(&mut network, &opened, x, &mut out)?;
                }
            }
            if softmax {
                let logits = out.clone();
                opened.softmax(&mut out, &logits)?;
            }
            Ok(out.into_data())
        })?;
        out.into_pyarray(py).reshape([rows, self.output_width])
    }

    /// The output (n, features) of each layer for inputs x (n,i), as at inference.
    fn activations<'py>(
        &self,
        py: Python<'py>,
        device: &Device,
        x: InputArray,
    ) -> PyResult<Arrays<'py>> {
        let x = x.give()?;
        let network = apart(py, || {
            let (mut network, device) = (self.snapshot()?, device.get()?);
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
        let (value, network) = apart(py, || {
            let (mut network, device) = (self.snapshot()?, device.get()?);
            let (x, y) = x.samples(x.inputs()?, &y, self.output_width)?.whole(&device)?;
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
        apart(py, || {
            let network = self.snapshot()?;
            let samples = x.samples(x.inputs()?, &y, self.output_width)?;
            let (x, y) = samples.whole(&glassbox::Device::Reference)?;
            let found = glassbox::check_gradients(&network, loss, &x, y.targets(), elements, seed)?;
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
        let (x, y) = (x.give()?, y.give()?);
        apart(py, || {
            let mut state = self.to_change()?;
            let moment = Moment { seed, step: state.step };
            state.take_rule(rule, weight_decay)?;
            let opened = device.get()?;
            let batch = match (&x.numbers, &y) {
                (Numbers::OnDevice(x), GivenAnswers::Classes(labels)) => Batch::OnDevice(x, labels),
                _ => Batch::Here(x.samples(x.inputs()?, &y, self.output_width)?.into()),
            };
            let found = match (&opened, &batch) {
                (glassbox::Device::Cuda(gpu), batch) if state.fits_gpu(loss) => {
                    state.step_on_gpu(gpu, batch, loss, lr, moment, room)?
                }
                (device, Batch::Here(samples)) => {
                    state.step_here(device, samples, loss, lr, moment)?
                }
                (_, Batch::OnDevice(..)) => return Err(on_device()),
            };
            if !found.is_finite() {
                let what = format!("the loss became {found}");
                let hint =
                    "nothing was changed; try a smaller learning rate, and look at the inputs";
                let (step, hint) = (u64::from(moment.step) + 1, hint.to_string());
                return Err(Error::Diverged { what, step, hint });
            }
            state.step = state.step.wrapping_add(1);
            Ok(found)
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
        apart(py, || {
            let (mut network, device) = (self.snapshot()?, device.get()?);
            let samples = x.samples(x.inputs()?, &y, self.output_width)?;
            if samples.labels().is_none() {
                return Ok((mean_squared_error(&mut network, &device, &samples)?, None, None));
            }
            let found = evaluate(&mut network, &device, &samples)?;
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
