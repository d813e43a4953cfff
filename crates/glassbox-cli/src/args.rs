//! What can be asked for, and how.

mod parse;

pub use parse::Seeds;

use clap::{Args, Parser, Subcommand, ValueEnum};
use glassbox::{DeviceName, Init, PlanName, Reduction};
use glassbox_plot::Theme;
use parse::{device, factor, number, seeds, share, words};
use std::path::PathBuf;

/// A neural-network library with no black boxes.
#[derive(Parser)]
#[command(name = "glassbox", version, about, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Train a network, and say how good it is
    Train(Box<Train>),
    /// Judge a trained network on test images
    Eval(Eval),
    /// Say what is on images
    Predict(Predict),
    /// Show runs in a browser, while they train and afterwards
    Dashboard(Dashboard),
    /// Draw runs: learning curves, what steps were like inside, what the network has learned
    Plot(Plot),
    /// Say what a run suffers from, why, and what to change
    Diagnose(Diagnose),
    /// Show how one number of a training step is computed, number by number
    Explain(Explain),
    /// Show a network as a table: shapes, parameters, bytes, FLOPs
    Summary(Summary),
    /// Compare the gradients of a network with finite differences, in f64
    CheckGradients(CheckGradients),
    /// List, fetch and look at data sets
    Data(Data),
    /// Show what this machine has, and what Glassbox makes of it
    Doctor,
    /// Learn XOR, the smallest problem that needs a hidden layer
    Xor(Xor),
}

#[derive(Args)]
pub struct Train {
    /// mnist, fashion, kmnist, digits (built in), or a folder of IDX files [default: mnist if it is
    /// at hand, else digits]
    #[arg(long, value_name = "NAME|DIR")]
    pub data: Option<String>,
    /// Where the files of a named data set lie
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The network: widths and layers joined by '-' [default: 784-128-relu-10, fitted to the data]
    #[arg(long, value_name = "TEXT")]
    pub model: Option<String>,
    /// Where the settings start from: the course's own, or the best we know [default: best]
    #[arg(long, value_enum)]
    pub recipe: Option<Recipe>,
    /// Passes over the training images
    #[arg(long, value_name = "N")]
    pub epochs: Option<u32>,
    /// Stop after so many steps; the schedule stays that of all epochs
    #[arg(long, value_name = "N")]
    pub max_steps: Option<u64>,
    /// Images a step
    #[arg(long, value_name = "N")]
    pub batch: Option<usize>,
    /// The learning rate
    #[arg(long, value_name = "X", value_parser = number)]
    pub lr: Option<f32>,
    /// How gradients change weights
    #[arg(long, value_enum)]
    pub optimizer: Option<OptimizerName>,
    /// How the learning rate goes on: constant, step:STEPS:FACTOR, cosine, one-cycle,
    /// warmup:STEPS:SCHEDULE
    #[arg(long, value_name = "TEXT")]
    pub schedule: Option<String>,
    /// How the losses of a batch become one number
    #[arg(long, value_parser = words(&[("mean", Reduction::Mean), ("sum", Reduction::Sum)]))]
    pub reduction: Option<Reduction>,
    /// How weights begin
    #[arg(long, value_parser = words(INITS))]
    pub init: Option<Init>,
    /// Weight decay
    #[arg(long, value_name = "X", value_parser = number)]
    pub weight_decay: Option<f32>,
    /// The largest norm of the gradients; on a GPU, operands then go there and back for each operation
    #[arg(long, value_name = "X", value_parser = number)]
    pub clip: Option<f32>,
    /// The share of the training images that is held out to choose the best epoch
    #[arg(long, value_name = "SHARE", value_parser = number)]
    pub validation: Option<f32>,
    /// Stop when so many epochs bring nothing better; needs --validation
    #[arg(long, value_name = "EPOCHS")]
    pub patience: Option<u32>,
    /// What all random numbers depend on
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Train one network for each of these seeds, side by side: 0..31, which includes 31, or 1,5,9
    #[arg(long, value_name = "FIRST..LAST", value_parser = seeds, conflicts_with_all = ["seed", "resume"])]
    pub seeds: Option<Seeds>,
    /// Train one network for each of these learning rates, side by side: 0.01,0.03,0.1
    #[arg(long, value_name = "X,X", value_delimiter = ',', value_parser = number, conflicts_with_all = ["lr", "resume"])]
    pub lrs: Vec<f32>,
    #[command(flatten)]
    pub device: DeviceArguments,
    /// How steps are carried out
    #[arg(long, default_value = "auto", value_parser = words(PLANS))]
    pub plan: PlanName,
    /// Show the run in a browser while it trains, with its inside; no bit of the result changes
    #[arg(long, conflicts_with_all = ["seeds", "lrs"])]
    pub dashboard: bool,
    #[command(flatten)]
    pub serve: Serve,
    /// Keep the dashboard when the training is over, until Ctrl-C
    #[arg(long, requires = "dashboard")]
    pub stay: bool,
    /// Look inside steps now and then, for `plot` and `diagnose`, and warn of what is ill; no bit of the result changes
    #[arg(long, conflicts_with_all = ["seeds", "lrs"])]
    pub inside: bool,
    /// The folder of the run [default: the next free one under runs/]
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    pub out: Option<PathBuf>,
    /// Go on with the run in this folder
    #[arg(long, value_name = "DIR")]
    pub resume: Option<PathBuf>,
    /// From here on, multiply the schedule's learning rates by this; 1 undoes what was set in the dashboard
    #[arg(long, value_name = "X", value_parser = factor, allow_negative_numbers = true, requires = "resume",
        conflicts_with_all = ["seeds", "lrs"])]
    pub rate_factor: Option<f32>,
    /// Print one JSON object at the end, and nothing else, to stdout
    #[arg(long)]
    pub json: bool,
    /// No progress on stderr
    #[arg(long)]
    pub quiet: bool,
}

/// Where a dashboard listens if nobody says otherwise: this machine alone reaches it.
pub const LOOPBACK: &str = "127.0.0.1";

/// Where a dashboard is to be found.
#[derive(Args, Clone)]
pub struct Serve {
    /// The name or address at which the dashboard listens: 0.0.0.0 is every address of this machine
    #[arg(long, value_name = "NAME", default_value = LOOPBACK)]
    pub host: String,
    /// The port of the dashboard [default: the first that is free from 8642 on]
    #[arg(long, value_name = "N")]
    pub port: Option<u16>,
    /// A name under which a proxy shows the dashboard
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub behind: Vec<String>,
}

#[derive(Args)]
pub struct Dashboard {
    /// Folders of runs, or folders that hold runs
    #[arg(default_value = "runs", value_name = "RUNS")]
    pub runs: Vec<PathBuf>,
    #[command(flatten)]
    pub serve: Serve,
    /// Where the files of a named data set lie
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// Where to compute.
#[derive(Args, Clone, Copy)]
pub struct DeviceArguments {
    /// Where to compute: auto, reference (the definition), cpu, cuda (a GPU; cuda:1 is the second), or
    /// cuda-fast (large products on tensor cores, with other bits)
    #[arg(long, default_value = "auto", value_name = "DEVICE", value_parser = device)]
    pub device: DeviceName,
    /// The most threads of the cpu device; fewer take part where they are faster [default: one a core]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
}

#[derive(Args)]
pub struct Eval {
    /// A run's folder, or a .safetensors file
    pub model: PathBuf,
    /// The network, for files that do not name it
    #[arg(long = "model", value_name = "TEXT")]
    pub network: Option<String>,
    /// mnist, fashion, kmnist, digits, or a folder of IDX files [default: what the run trained on]
    #[arg(long, value_name = "NAME|DIR")]
    pub data: Option<String>,
    /// Where the files of a named data set lie
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub device: DeviceArguments,
    /// Print one JSON object, and nothing else, to stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct Predict {
    /// A run's folder, or a .safetensors file
    pub model: PathBuf,
    /// PNG files: 28×28 light on dark as they are, others are prepared as MNIST's digits were
    pub images: Vec<PathBuf>,
    /// Take test images of a data set instead: mnist, fashion, kmnist, digits, a folder
    #[arg(long, value_name = "NAME|DIR", conflicts_with = "images")]
    pub data: Option<String>,
    /// Where the files of a named data set lie
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Which test images, counted from 0, joined by commas [default: 0,1,2, as far as there are]
    #[arg(long, value_name = "N", value_delimiter = ',', conflicts_with = "images")]
    pub rows: Vec<usize>,
    /// The network, for files that do not name it
    #[arg(long = "model", value_name = "TEXT")]
    pub network: Option<String>,
    #[command(flatten)]
    pub device: DeviceArguments,
    /// Print one JSON array, and nothing else, to stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct Plot {
    /// Folders of runs. Curves show several together, those that differ in their seed alone as one band
    #[arg(required_unless_present = "roofline", value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Draw no run, but how fast products of matrices are beside what the machine allows, from a file that `make bench`
    /// or `make gpu` recorded
    #[arg(long, value_name = "FILE", conflicts_with_all = ["runs", "what", "row", "data_dir", "smooth", "log"])]
    pub roofline: Option<PathBuf>,
    /// Which pictures, joined by commas
    #[arg(long, value_enum, value_delimiter = ',', default_value = "curves")]
    pub what: Vec<What>,
    /// An SVG or PNG file for one picture, a folder for several [default: the picture's name, or plots]
    #[arg(short, long, value_name = "FILE|FOLDER")]
    pub out: Option<PathBuf>,
    /// What the files are [default: what --out says, else svg]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Pixels of a PNG for each of the picture's, across and down, from 0.25 to 8 [default: 2]
    #[arg(long, value_name = "X")]
    pub scale: Option<f64>,
    /// The width in pixels; below 600 pictures are laid out for a phone
    #[arg(long, value_name = "PIXELS", default_value_t = 900, value_parser = clap::value_parser!(u32).range(240..=4000))]
    pub width: u32,
    /// On what it is to be seen
    #[arg(long, value_parser = words(&[("light", Theme::Light), ("dark", Theme::Dark)]), default_value = "light")]
    pub theme: Theme,
    /// How much of the mean of earlier losses stays at each: 0 shows the losses as they are
    #[arg(long, value_name = "SHARE", default_value_t = 0.6, value_parser = share, allow_negative_numbers = true)]
    pub smooth: f64,
    /// Logarithmic y-axes; errors instead of accuracies
    #[arg(long)]
    pub log: bool,
    /// Which test image the picture `image` is of, counted from 0
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub row: usize,
    /// Where the files of a named data set lie
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// What a picture is written as.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Format {
    /// Lines and texts, which every browser shows at any size
    Svg,
    /// Pixels
    Png,
}

/// A picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum What {
    /// Loss and accuracy
    Curves,
    /// The learning rate
    Rate,
    /// Images a second
    Throughput,
    /// How weights and biases are spread, over the steps (trained with --inside)
    Weights,
    /// How the outputs of each layer are spread (--inside)
    Activations,
    /// How gradients are spread (--inside)
    Gradients,
    /// The norms of gradients, and how far steps move the weights (--inside)
    Flow,
    /// Units that say the same to every image of a batch (--inside)
    Stuck,
    /// The weights of the first layer as images
    FirstLayer,
    /// How strongly each unit answers to each class
    Classes,
    /// Which units answer to how many test images
    Dead,
    /// One test image on its way through the network
    Image,
    /// What is taken for what
    Confusion,
    /// The mistakes that the network is surest of
    Errors,
    /// All of them that there is something to be drawn of
    All,
}

#[derive(Args)]
pub struct Diagnose {
    /// A run's folder
    pub run: PathBuf,
    /// Where the data are now: mnist, fashion, kmnist, digits, or a folder [default: where they were]
    #[arg(long, value_name = "NAME|DIR")]
    pub data: Option<String>,
    /// Where the files of a named data set lie
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Print one JSON object, and nothing else, to stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct Explain {
    /// A run's folder, a .safetensors file, or the text of a network with fresh weights
    pub model: String,
    /// Which number: dL/dW2[17,3], dL/db2[3], z1[0,5], a1[0,5], dL/da1[0,5], 2.weight[3,17]
    pub what: String,
    /// The images: mnist, fashion, kmnist, digits, a folder [default: those of the run, else digits]
    #[arg(long, value_name = "NAME|DIR")]
    pub data: Option<String>,
    /// Where the files of a named data set lie
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The first training image of the batch, counted from 0
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub first: usize,
    /// Images in the batch
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub batch: usize,
    /// How the losses of the batch become one
    #[arg(long, default_value = "mean", value_parser = words(&[("mean", Reduction::Mean), ("sum", Reduction::Sum)]))]
    pub reduction: Reduction,
    /// What fresh weights are drawn from
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct Summary {
    /// The text of a network, a run's folder, or a .safetensors file
    #[arg(default_value = "784-128-relu-10")]
    pub model: String,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct CheckGradients {
    /// The text of a network
    #[arg(long, value_name = "TEXT", default_value = "784-128-relu-10")]
    pub model: String,
    /// Images in the batch
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub batch: usize,
    /// How many elements of each parameter to check
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub elements: usize,
    /// What weights and images depend on
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// How the losses of a batch become one number
    #[arg(long, default_value = "mean", value_parser = words(&[("mean", Reduction::Mean), ("sum", Reduction::Sum)]))]
    pub reduction: Reduction,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct Data {
    #[command(subcommand)]
    pub command: DataCommand,
}

#[derive(Subcommand)]
pub enum DataCommand {
    /// Which data sets there are, and where
    List,
    /// Fetch a data set, or write the built-in digits as IDX files
    Get {
        /// mnist, fashion, kmnist or digits
        name: String,
        /// The folder to write to [default: the cache]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Draw a sheet of images into a PNG file
    Show {
        /// mnist, fashion, kmnist, digits, or a folder of IDX files
        #[arg(default_value = "digits")]
        name: String,
        /// Where the files of a named data set lie
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        /// The PNG file
        #[arg(short, long, value_name = "FILE", default_value = "sheet.png")]
        out: PathBuf,
        /// Images on the sheet
        #[arg(long, value_name = "N", default_value_t = 200)]
        count: usize,
        /// Write under each image what this run or file takes it for; mistakes stand in a box
        #[arg(long, value_name = "RUN")]
        model: Option<PathBuf>,
    },
}

#[derive(Args)]
pub struct Xor {
    /// Hidden units
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub width: usize,
    /// What the first weights depend on
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Train 60 seeds of every width and activation, and count
    #[arg(long, conflicts_with_all = ["width", "seed"])]
    pub survey: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Recipe {
    Brief,
    Best,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum OptimizerName {
    Sgd,
    Momentum,
    Nesterov,
    Adam,
    Adamw,
}

const PLANS: &[(&str, PlanName)] =
    &[("auto", PlanName::Auto), ("layered", PlanName::Layered), ("fused", PlanName::Fused)];

const INITS: &[(&str, Init)] = &[
    ("xavier", Init::Xavier),
    ("he", Init::He),
    ("lecun", Init::Lecun),
    ("uniform", Init::Uniform),
    ("zero", Init::Zero),
];
