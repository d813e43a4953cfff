//! The network of a run, as the page gets it: its parts, an image on its way, a drawing, the open step, and bad requests.

mod common;

use common::{Answer, World, answer};
use glassbox::data::prepare::SIDE;
use glassbox::data::{DataPair, LoadOptions, load};
use glassbox::{
    Control, Device, Flow, Loss, Network, PlanName, Quantity, Reduction, Run, RunRecord, Samples,
    Settings, Targets, Tensor, explain, run, templates,
};
use glassbox_dash::Lent;
use serde_json::{Value, json};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};

/// A dashboard of a run that is over, of this network on digits.
struct Trained {
    world: World,
    network: Network,
    data: DataPair,
    id: String,
}

/// The one that most tests ask: none of them changes anything.
static PLAIN: LazyLock<Trained> = LazyLock::new(|| Trained::new("784-20-relu-10", "plain"));

impl Trained {
    fn new(model: &str, name: &str) -> Trained {
        let world = World::new();
        let folder = world.folder.path().join(name);
        let data = load("digits", &LoadOptions::default()).unwrap();
        let settings = Settings {
            model: model.to_string(),
            max_steps: Some(60),
            validation: 0.0,
            reduction: Reduction::Sum,
            lr: 0.002,
            batch: 32,
            ..Settings::brief()
        };
        let device = Device::cpu(Some(1)).unwrap();
        let (plan, _) = PlanName::Auto.choose(&settings, &device).unwrap();
        let mut run = Run::create(&folder, settings, data.clone(), device, plan).unwrap();
        run.train(&mut (), &AtomicBool::new(false)).unwrap();
        drop(run);
        let network = run::load_model(&folder, None).unwrap();
        let list = world.get("/api/runs").json();
        let runs = list["runs"].as_array().unwrap();
        let ours = runs.iter().find(|run| run["name"] == name).expect("the run is found");
        let id = ours["id"].as_str().unwrap().to_string();
        Trained { world, network, data, id }
    }

    fn get(&self, path: &str) -> Answer {
        self.world.get(&format!("/api/runs/{}/network{path}", self.id))
    }

    fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    fn draw(&self, query: &str, ink: &[u8]) -> Answer {
        let (address, token, id) = (self.world.address(), self.world.token(), &self.id);
        let mut bytes = format!(
            "POST /api/runs/{id}/network/drawing{query} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
             connection: close\r\ncontent-length: {}\r\n\r\n",
            ink.len()
        )
        .into_bytes();
        bytes.extend_from_slice(ink);
        answer(address, &bytes).expect("the server answers")
    }

    fn image(&self, row: usize) -> Tensor {
        let set = &self.data.test;
        let mut x = Tensor::zeros(&[1, set.pixels()]);
        Device::Reference.gather(&mut x, set.image(row), &[0]).unwrap();
        x
    }
}

/// Numbers as they come back from text.
fn f32s(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
}

#[test]
fn a_network_is_told_with_its_images_and_colours() {
    let trained = &*PLAIN;
    let found = trained.json("");
    assert_eq!((&found["network"], &found["shape"]), (&json!("784-20-relu-10"), &json!([28, 28])));
    assert_eq!(found["layers"][1]["layer"], "relu");
    assert_eq!(found["layers"][1]["units"], 20);
    assert_eq!(found["images"]["count"], trained.data.test.len());
    assert_eq!(found["no_template"], Value::Null);
    assert_eq!(found["diverging"]["dark"].as_array().unwrap().len(), 7);

    let unit = trained.json("/unit?layer=1&unit=7");
    let parameters: Vec<_> = trained.network.parameters().map(|(_, p)| p.value.data()).collect();
    let column: Vec<f32> = parameters[0].iter().skip(7).step_by(20).copied().collect();
    assert_eq!(f32s(&unit["weights"]), column);
    assert_eq!(unit["bias"].as_f64().unwrap() as f32, parameters[1][7]);
    assert_eq!(f32s(&unit["outgoing"]), parameters[2][70..80]);
    assert_eq!((&unit["number"], &unit["listener"]), (&json!(1), &json!(2)));
}

#[test]
fn an_image_goes_through_every_unit_and_meets_its_template() {
    let trained = &*PLAIN;
    for (row, output) in [(0, None), (17, Some(3))] {
        let asked = output.map_or(String::new(), |output| format!("&output={output}"));
        let found = trained.json(&format!("/image?row={row}{asked}"));
        let mut network = trained.network.clone();
        let flow = Flow::new(&mut network, &Device::Reference, &trained.image(row)).unwrap();
        for layer in &flow.layers {
            assert_eq!(f32s(&found["layers"][layer.index]["outputs"]), layer.outputs);
        }
        assert_eq!(f32s(&found["probabilities"]), flow.probabilities);
        assert_eq!(found["answer"], json!(flow.answer));
        assert_eq!(found["label"], json!(trained.data.test.labels[row]));
        let pixels: Vec<u8> = serde_json::from_value(found["pixels"].clone()).unwrap();
        assert_eq!(pixels, trained.data.test.image(row));

        let expected = templates(&network, &trained.image(row)).unwrap();
        let shown = output.or(flow.answer).unwrap();
        assert_eq!(found["template"]["output"], shown);
        let weights: Vec<f32> =
            expected.outputs[shown].weights.iter().map(|weight| *weight as f32).collect();
        assert_eq!(f32s(&found["template"]["weights"]), weights);
        for (sum, template) in
            found["template"]["sums"].as_array().unwrap().iter().zip(expected.outputs)
        {
            let number = |name: &str| sum[name].as_f64().unwrap();
            assert!((number("sum") - number("logit")).abs() <= number("bound"));
            assert!((number("sum") - number("logit_f64")).abs() <= number("bound_f64"));
            assert_eq!(number("constant"), template.constant);
        }
    }
}

#[test]
fn mistakes_are_found_one_after_another() {
    let trained = &*PLAIN;
    let (mut row, mut seen) = (0, Vec::new());
    for _ in 0..5 {
        let found = trained.json(&format!("/image?row={row}&go=next&wrong=1"));
        assert_ne!(found["answer"], found["label"]);
        row = found["row"].as_u64().unwrap();
        assert!(seen.last().is_none_or(|last| *last < row), "{seen:?} {row}");
        seen.push(row);
    }
    let back = trained.json(&format!("/image?row={row}&go=previous&wrong=1"));
    assert_eq!(back["row"], seen[3]);
    let class = trained.json("/image?row=3&go=next&class=7");
    assert_eq!(class["label"], 7);
    let count = trained.data.test.labels.iter().filter(|label| **label == 7).count();
    assert_eq!(class["matches"], count);
}

#[test]
fn a_drawing_is_prepared_and_read() {
    let trained = &*PLAIN;
    // A digit that fills its box comes back as it is, however it was drawn.
    let fills = |row: &usize| {
        glassbox::data::prepare::drawing(trained.data.test.image(*row), SIDE, SIDE)
            == trained.data.test.image(*row)
    };
    let row = (0..200).find(fills).expect("a digit fills its box");
    let large: Vec<u8> = (0..140 * 140)
        .map(|at| trained.data.test.image(row)[at / 140 / 5 * SIDE + at % 140 / 5])
        .collect();
    let found = trained.draw("?width=140&height=140", &large);
    assert_eq!(found.status, 200);
    let (found, image) = (found.json(), trained.json(&format!("/image?row={row}")));
    for name in ["pixels", "layers", "probabilities", "answer", "template"] {
        assert_eq!(found[name], image[name], "{name}");
    }
    assert_eq!((&found["row"], &found["label"]), (&Value::Null, &Value::Null));
    let empty = trained.draw("?width=3&height=5", &[0; 15]).json();
    assert!(empty["pixels"].as_array().unwrap().iter().all(|pixel| *pixel == 0));
    assert!(trained.draw("?width=1&height=1", &[255]).status == 200);
}

#[test]
fn an_open_step_is_the_one_of_the_command_line() {
    let trained = &*PLAIN;
    let samples = Samples::new(trained.data.train.clone()).unwrap();
    for (what, first, count) in
        [("dL/dW2[17,3]", 0, 32), ("z1[1,5]", 5000, 3), ("dL/db1[4]", 4090, 20)]
    {
        let encoded = what.replace('/', "%2F").replace('[', "%5B").replace(']', "%5D");
        let found = trained.json(&format!("/step?what={encoded}&first={first}&batch={count}"));
        let quantity = Quantity::parse(what, &trained.network).unwrap();
        let samples = samples.range(first..first + count);
        let (x, labels) =
            (samples.inputs.whole(&Device::Reference, 784).unwrap(), samples.labels().unwrap());
        let loss = Loss::CrossEntropy(Reduction::Sum);
        let expected =
            explain(&trained.network, loss, &x, Targets::Classes(labels), &quantity).unwrap();
        // Through text, as it comes: an f32 in text has fewer digits than the f64 that it becomes.
        let expected = serde_json::to_string(&expected).unwrap();
        let expected: Value = serde_json::from_str(&expected).unwrap();
        for name in ["what", "formula", "terms", "value", "truth", "difference"] {
            assert_eq!(found[name], expected[name], "{what} {name}");
        }
        assert_eq!((&found["batch"], &found["reduction"]), (&json!(count), &json!("sum")));
    }
    let usual = trained.json("/step?what=dL%2FdW2[17,3]");
    assert_eq!((&usual["batch"], usual["terms"].as_array().unwrap().len()), (&json!(32), 32));
    let test = trained.json("/step?what=a1[0,7]&test=1&first=17&batch=1");
    let image = trained.json("/image?row=17");
    assert_eq!(test["value"], image["layers"][1]["outputs"][7]);
}

#[test]
fn images_are_those_that_the_training_holds_as_long_as_it_does() {
    let trained = Trained::new("784-12-relu-10", "trained");
    let folder = trained.world.folder.path().join("live");
    std::fs::create_dir(&folder).unwrap();
    for name in [run::MODEL, run::EVENTS] {
        let from = trained.world.folder.path().join("trained").join(name);
        std::fs::copy(from, folder.join(name)).unwrap();
    }
    // A record of data that are nowhere else.
    let mut record = RunRecord::read(&trained.world.folder.path().join("trained")).unwrap();
    (record.data.name, record.data.source) = ("mine".to_string(), "no/such/folder".to_string());
    record.write(&folder).unwrap();
    let lent = Lent::new(&trained.data);
    let _feed = trained.world.dashboard.live(&folder, Control::new(), lent);
    let list = trained.world.get("/api/runs").json();
    let runs = list["runs"].as_array().unwrap();
    let live = runs.iter().find(|run| run["name"] == "live").unwrap()["id"].as_str().unwrap();
    let get = |path: &str| trained.world.get(&format!("/api/runs/{live}/network{path}")).json();
    assert_eq!(get("")["images"]["name"], "digits", "as they were lent");
    let paths = [
        ("/image?row=3", "pixels"),
        ("/image?row=3", "template"),
        ("/step?what=z1[1,5]&first=5000", "terms"),
        ("/step?what=z1[1,5]&test=1", "terms"),
    ];
    for (path, name) in paths {
        let found = &get(path)[name];
        assert!(!found.is_null() && *found == trained.json(path)[name], "{path} {name}: {found}");
    }
    // Nobody else has them, and a run of the same data shares them.
    assert_eq!(Arc::strong_count(&trained.data.test), 1);
    let Trained { world, data, .. } = trained;
    drop(data);
    for (path, _) in paths {
        let found = world.get(&format!("/api/runs/{live}/network{path}")).json();
        assert!(found["why"].as_str().unwrap().contains("--data-dir"), "{path}: {found}");
    }
}

#[test]
fn images_that_are_others_by_now_are_not_shown() {
    let trained = Trained::new("784-12-relu-10", "first");
    assert_eq!(trained.json("/image?row=3")["row"], 3);
    assert!(trained.json("/step?what=z1[1,5]")["terms"].is_array());
    // Another run of data of that name, which were others.
    let runs = trained.world.folder.path();
    std::fs::create_dir(runs.join("second")).unwrap();
    for name in [run::MODEL, run::EVENTS] {
        std::fs::copy(runs.join("first").join(name), runs.join("second").join(name)).unwrap();
    }
    let mut record = RunRecord::read(&runs.join("first")).unwrap();
    record.data.sha256[2] = "0".repeat(64);
    record.write(&runs.join("second")).unwrap();
    let list = trained.world.get("/api/runs").json();
    let all = list["runs"].as_array().unwrap();
    let second = all.iter().find(|run| run["name"] == "second").unwrap()["id"].as_str().unwrap();
    for path in ["/image?row=3", "/step?what=z1[1,5]", "/step?what=z1[1,5]&test=1"] {
        let found = trained.world.get(&format!("/api/runs/{second}/network{path}")).json();
        assert!(found["why"].as_str().unwrap().contains("other images"), "{path}: {found}");
    }
}

#[test]
fn networks_of_other_kinds_are_shown_without_what_they_lack() {
    let trained = Trained::new("784-12-sigmoid-10", "<script>alert(1)</script>");
    let found = trained.json("");
    let why = found["no_template"].as_str().unwrap();
    assert!(why.contains("layer 1, sigmoid") && why.contains("(hint: "), "{why}");
    let found = trained.json("/image?row=1");
    assert_eq!(found["template"], Value::Null);
    assert_eq!(found["no_template"], why);
    // A run without a network: its folder has nothing but a name.
    let none = trained.world.get(&format!("/api/runs/{}/network", trained.world.id()));
    assert_eq!(none.status, 200, "that there is none yet is an answer");
    assert!(none.json()["why"].as_str().unwrap().contains("no network yet"), "{none:?}");
}

#[test]
fn bad_requests_get_a_reason_and_change_nothing() {
    let trained = &*PLAIN;
    let before = trained.get("/image?row=0").body;
    for path in [
        "/image?row=-1",
        "/image?row=99999999999999999999999",
        "/image?row=NaN",
        "/image?row=1e3",
        "/image?go=sideways",
        "/image?class=256",
        "/image?output=-1",
        "/unit",
        "/unit?layer=1",
        "/unit?layer=x&unit=0",
        "/step",
    ] {
        let found = trained.get(path);
        assert_eq!(found.status, 400, "{path}: {found:?}");
        assert!(found.json()["why"].is_string(), "{found:?}");
    }
    for path in [
        "/image?row=5000000",
        "/image?row=0&go=next&class=200",
        "/unit?layer=9&unit=0",
        "/unit?layer=1&unit=20",
        "/unit?layer=18446744073709551615&unit=18446744073709551615",
        "/step?what=",
        "/step?what=%3Cscript%3E",
        "/step?what=dL%2FdW2[17,300]",
        "/step?what=z1[0,0]&first=18446744073709551615",
        "/step?what=z1[0,0]&batch=0",
        "/step?what=z1[0,0]&batch=99999999",
        "/step?what=z1[0,0]&test=1&first=1999&batch=9000",
        "/step?what=z18446744073709551616[0,0]",
        "/step?what=9999.weight[0,0]",
    ] {
        let found = trained.get(path);
        assert_eq!(found.status, 422, "{path}: {found:?}");
        assert!(found.json()["why"].as_str().is_some_and(|why| why.len() > 10), "{found:?}");
    }
    for (query, ink) in [
        ("?width=0&height=0", vec![]),
        ("?width=3&height=3", vec![0; 8]),
        ("?width=3&height=3", vec![0; 10]),
        ("?width=241&height=1", vec![0; 241]),
        ("?width=18446744073709551615&height=2", vec![0; 4]),
    ] {
        let found = trained.draw(query, &ink);
        assert_eq!(found.status, 422, "{query}: {found:?}");
        assert!(found.json()["why"].is_string());
    }
    assert_eq!(trained.draw("?width=-1&height=NaN", &[]).status, 400);
    assert_eq!(trained.draw("?width=200&height=200", &vec![1; 70_000]).status, 413);
    assert_eq!(trained.draw("?width=200&height=200", &vec![255; 40_000]).status, 200);
    assert_eq!(trained.world.get("/api/runs/nobody/network").status, 404);
    let (address, id) = (trained.world.address(), &trained.id);
    for path in ["", "/image", "/unit?layer=0&unit=0", "/step?what=z1[0,0]"] {
        let text = format!(
            "GET /api/runs/{id}/network{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
        );
        assert_eq!(answer(address, text.as_bytes()).unwrap().status, 403, "{path} without the key");
    }
    assert_eq!(trained.get("/image?row=0").body, before);
}
