//! What benchmarks recorded: the files of `make bench` and `make gpu`, read without trust.

use crate::roofline::{Contestant, Product, Roof, Roofline, Rooflines};
use glassbox::{Error, Result};
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The largest file that is read.
const MOST_BYTES: u64 = 64 << 20;

/// The most contestants of a chart, and products of a contestant.
const MOST: [usize; 2] = [24, 200];

impl Rooflines {
    /// The products of matrices in a file that `make bench` or `make gpu` recorded.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is no JSON, or holds no products.
    pub fn read(path: &Path) -> Result<Rooflines> {
        let hint = "name a file of bench/results, such as cpu-bench.json".to_string();
        let fail =
            |reason: String| Error::Run { path: path.to_path_buf(), reason, hint: hint.clone() };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(|error| fail(error.to_string()))?;
        file.take(MOST_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| fail(error.to_string()))?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(fail("it is larger than 64 MiB".to_string()));
        }
        let value: Value = serde_json::from_slice(&bytes)
            .map_err(|error| fail(format!("it is no JSON: {error}")))?;
        let mut found = if value["rows"].is_array() { of_gpu(&value) } else { of_cpu(&value) };
        found.charts.retain(|chart| !chart.contestants.is_empty());
        if found.charts.is_empty() {
            return Err(fail("no product of matrices is recorded in it".to_string()));
        }
        Ok(found)
    }
}

/// The file of `make gpu`: rungs of the ladder beside cuBLAS, in fp32 and on tensor cores.
fn of_gpu(value: &Value) -> Rooflines {
    let (limits, rows) = (array(&value["limits"]), array(&value["rows"]));
    let mut charts = [("fp32", false), ("tensor cores", true)].map(|(name, has_tensor_cores)| {
        let is_here = |name: &str| has_tensor_cores != (name == "fp32");
        let roofs = limits.iter().filter(|limit| is_here(&text(&limit["arithmetic"])));
        let roofs = roofs.filter_map(|limit| roof(limit, text(&limit["arithmetic"]))).collect();
        Roofline { name: name.to_string(), roofs, contestants: Vec::new() }
    });
    for row in rows.iter().filter(|row| row["job"] == "products" && row["status"] == "passed") {
        let rung = text(&row["rung"]);
        let is_library = !rung.starts_with(|c: char| c.is_ascii_digit());
        // Our own rungs take numbers of 32 bits, also where they multiply fewer; the library gets what it multiplies.
        let bytes = if is_library && rung.contains("bf16") { 2.0 } else { 4.0 };
        let has_tensor_cores = ["tf32", "bf16", "split"].iter().any(|word| rung.contains(word));
        let name = rung.trim_start_matches('0').replace('_', " ");
        if let Some(product) = product(&row["shape"], &row["gflops"], bytes) {
            add(&mut charts[usize::from(has_tensor_cores)], &name, !is_library, product);
        }
    }
    let source = limits.first().map(|limit| format!("as stated in {}", text(&limit["source"])));
    let about = &value["about"];
    Rooflines {
        machine: text(&about["device"]),
        date: format!("recorded on {}", text(&about["date"])),
        source: source.unwrap_or_default(),
        charts: charts.to_vec(),
    }
}

/// The file of `make bench`: Glassbox beside other libraries, with each number of threads.
fn of_cpu(value: &Value) -> Rooflines {
    let mut charts: Vec<(u64, Roofline)> = Vec::new();
    for limit in array(&value["limits"]).iter().take(MOST[0]) {
        let Some(threads) = limit["threads"].as_u64() else { continue };
        let name = if threads == 1 { "1 thread".to_string() } else { format!("{threads} threads") };
        let roofs = roof(limit, String::new()).into_iter().collect();
        charts.push((threads, Roofline { name, roofs, contestants: Vec::new() }));
    }
    for row in array(&value["rows"]["products"]) {
        for setting in array(&row["settings"]) {
            let chart = charts.iter_mut().find(|(threads, _)| setting["threads"] == *threads);
            let product = product(&row["sizes"], &setting["median"], 4.0);
            if let (Some((_, chart)), Some(product), "GFLOP/s") =
                (chart, product, &*text(&row["unit"]))
            {
                let name = text(&setting["name"]);
                add(chart, &name, name == "glassbox", product);
            }
        }
    }
    let machine = &value["machine"];
    Rooflines {
        machine: format!("{}, {} cores", text(&machine["processor"]), machine["cores"]),
        date: format!("recorded on {}", text(&value["date"])),
        source: "as measured then".to_string(),
        charts: charts.into_iter().map(|(_, chart)| chart).collect(),
    }
}

fn add(chart: &mut Roofline, name: &str, is_ours: bool, product: Product) {
    let all = &mut chart.contestants;
    let is_new = all.iter().all(|contestant| contestant.name != name);
    if is_new && all.len() < MOST[0] {
        all.push(Contestant { name: name.to_string(), is_ours, products: Vec::new() });
    }
    let found = all.iter_mut().find(|contestant| contestant.name == name);
    if let Some(one) = found.filter(|one| one.products.len() < MOST[1]) {
        one.products.push(product);
    }
}

fn product(sizes: &Value, gflops: &Value, bytes_per_number: f64) -> Option<Product> {
    let size = |at: usize| sizes[at].as_u64().filter(|size| (1..1 << 30).contains(size));
    let sizes = [size(0)?, size(1)?, size(2)?];
    Some(Product { sizes, bytes_per_number, gflops: positive(gflops)? })
}

fn roof(limit: &Value, name: String) -> Option<Roof> {
    let gigabytes_per_second = positive(&limit["gigabytes_per_second"])?;
    Some(Roof { name, gflops: positive(&limit["gflops"])?, gigabytes_per_second })
}

fn positive(value: &Value) -> Option<f64> {
    value.as_f64().filter(|x| (1e-9..1e12).contains(x))
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], |all| all)
}

/// A text, if it is one, and not too long for a picture.
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().chars().take(60).collect()
}
