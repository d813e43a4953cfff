//! The commands beside train: eval, predict, summary, check-gradients, data, doctor, xor.

mod common;

use common::{Outcome, command, few_digits, folder, glassbox, idx, small_run, word};
use std::path::Path;

/// Writes a PNG file.
fn png(path: &Path, color: png::ColorType, side: [u32; 2], pixels: &[u8]) {
    let file = std::fs::File::create(path).unwrap();
    let mut encoder = png::Encoder::new(file, side[0], side[1]);
    encoder.set_color(color);
    encoder.write_header().unwrap().write_image_data(pixels).unwrap();
}

/// A digit as a phone would see it: dark ink on light paper, ten times as large, four channels.
fn photo(path: &Path, image: &[u8]) {
    let pixels = (0..280 * 280).flat_map(|i| {
        let ink = image[(i / 280 / 10) * 28 + i % 280 / 10];
        let paper = 225 - (u32::from(ink) * 200 / 255) as u8;
        [paper, paper, paper.saturating_sub(10), 255]
    });
    png(path, png::ColorType::Rgba, [280, 280], &pixels.collect::<Vec<u8>>());
}

#[test]
fn eval_says_what_train_said() {
    let (home, run) = small_run();
    let seen = glassbox(home.path(), &["eval", "run", "--json"]).ok().json();
    assert_eq!(seen["test_samples"], 500);
    let model = glassbox::run::load_model(&run, None).unwrap();
    assert_eq!(seen["model_sha256"], model.sha256());
    let accuracy = seen["test_accuracy"].as_f64().unwrap();
    assert!((0.6..1.0).contains(&accuracy), "{seen}");
    let interval = seen["test_interval"].as_array().unwrap();
    assert!(interval[0].as_f64() < Some(accuracy) && Some(accuracy) < interval[1].as_f64());

    // The file alone does not know the folder, and neither does another device change anything.
    let file = word(&run.join("model.safetensors")).to_string();
    let words = ["eval", &file, "--data", few_digits(), "--device", "reference", "--json"];
    let again = glassbox(home.path(), &words).ok().json();
    assert_eq!(
        (&again["test_accuracy"], &again["test_loss"]),
        (&seen["test_accuracy"], &seen["test_loss"])
    );

    let text = glassbox(home.path(), &["eval", "run"]).ok().stdout;
    assert!(text.contains(&format!("{:.2} %", 100.0 * accuracy)), "{text}");
    glassbox(home.path(), &["eval", "nowhere"]).hints(&[1, 2]);
    glassbox(home.path(), &["eval", "run", "--data", "mnist"]).hints(&[1]);
    glassbox(home.path(), &["eval", "run", "--device", "cuda"]).hints(&[3]);
    glassbox(home.path(), &["eval", "run", "--model", "784-99-relu-10"]).hints(&[1, 2]);
}

#[test]
fn other_data_than_those_of_the_run_are_said_to_be() {
    let (home, data) = (folder(), folder());
    let write = |first: u32| {
        for (half, first, count) in [("train", first, 400), ("t10k", first + 1000, 50)] {
            let (pixels, labels) = glassbox::data::digits::generate(1, first, count);
            let file = |kind: &str| data.path().join(format!("{half}-{kind}-ubyte"));
            idx(&file("images-idx3"), &[count, 28, 28], &pixels);
            idx(&file("labels-idx1"), &[count], &labels);
        }
    };
    write(0);
    let train = ["train", "--data", word(data.path()), "--epochs", "1", "--out", "run", "--quiet"];
    glassbox(home.path(), &train).ok();
    let asked = [&["eval", "run"][..], &["explain", "run", "dL/db2[3]"], &["predict", "run"]];
    let warns = |words: &[&str]| {
        glassbox(home.path(), words).ok().stderr.contains("holds other data than those")
    };
    assert!(asked.iter().all(|words| !warns(words)));
    write(5000);
    assert!(asked.iter().all(|words| warns(words)));
    let named = ["eval", "run", "--data", word(data.path())];
    assert!(!warns(&named), "whoever names data knows which");
}

#[test]
fn predict_on_test_images() {
    let (home, _run) = small_run();
    let seen =
        glassbox(home.path(), &["predict", "run", "--rows", "0,7,499", "--json"]).ok().json();
    let seen = seen.as_array().unwrap();
    assert_eq!(seen.len(), 3);
    for image in seen {
        let p = image["probabilities"].as_array().unwrap();
        let p: Vec<f64> = p.iter().map(|p| p.as_f64().unwrap()).collect();
        assert!(p.len() == 10 && (p.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{image}");
        let best = image["prediction"].as_u64().unwrap() as usize;
        assert!(p.iter().all(|&other| other <= p[best]), "{image}");
        assert!(image["label"].as_u64().unwrap() < 10);
    }
    let text = glassbox(home.path(), &["predict", "run", "--rows", "1"]).ok().stdout;
    assert!(text.contains(" %") && text.contains(['@', '#', '%']) && text.lines().count() > 10);
    glassbox(home.path(), &["predict", "run", "--rows", "500"]).hints(&[2]);
}

#[test]
fn predict_on_pictures() {
    let (home, _run) = small_run();
    let at = |name: &str| home.path().join(name);
    let (pixels, labels) = glassbox::data::digits::generate(1, 60_000, 20);
    let names: Vec<String> = (0..20).map(|i| format!("{i}.png")).collect();
    let photos: Vec<String> = (0..20).map(|i| format!("photo-{i}.png")).collect();
    for (i, image) in pixels.chunks(784).enumerate() {
        png(&at(&names[i]), png::ColorType::Grayscale, [28, 28], image);
        photo(&at(&photos[i]), image);
    }
    let right = |names: &[String], more: &[&str]| {
        let words: Vec<&str> = names.iter().map(String::as_str).collect();
        let all = [&["predict", "run", "--json"], more, &words].concat();
        let seen = glassbox(home.path(), &all).ok().json();
        let answers = seen.as_array().unwrap().iter().map(|image| image["prediction"].as_u64());
        answers.zip(&labels).filter(|(answer, label)| *answer == Some(u64::from(**label))).count()
    };
    let rows: Vec<String> = (0..20).map(|row| row.to_string()).collect();
    let directly = right(&[], &["--rows", &rows.join(",")]);
    assert!(directly >= 12, "{directly} of 20 right");
    assert_eq!(right(&names, &[]), directly, "28×28 are taken as they are");
    let photographed = right(&photos, &[]);
    assert!(photographed + 4 >= directly, "{photographed} photographs right, {directly} images");
}

#[test]
fn pictures_that_are_none() {
    let (home, _run) = small_run();
    let at = |name: &str| home.path().join(name);
    let (pixels, _) = glassbox::data::digits::generate(1, 60_000, 1);
    png(&at("good.png"), png::ColorType::Grayscale, [28, 28], &pixels);
    let good = std::fs::read(at("good.png")).unwrap();
    for length in [0, 1, 8, 20, 33, good.len() / 2, good.len() - 20] {
        std::fs::write(at("cut.png"), &good[..length]).unwrap();
        let outcome = glassbox(home.path(), &["predict", "run", "cut.png"]).hints(&[1]);
        assert!(outcome.stderr.contains("cut.png"), "{outcome:?}");
    }
    std::fs::write(at("text.png"), "This is a letter, not a picture.\n").unwrap();
    glassbox(home.path(), &["predict", "run", "text.png"]).hints(&[1]);
    glassbox(home.path(), &["predict", "run", "absent.png"]).hints(&[1]);
    glassbox(home.path(), &["predict", "run", "."]).hints(&[1]);
    // A header that promises a gigantic picture.
    let mut huge = good.clone();
    huge[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
    std::fs::write(at("huge.png"), &huge).unwrap();
    glassbox(home.path(), &["predict", "run", "huge.png"]).hints(&[1]);
    // One pixel, or none of any darkness, is a picture, if a poor one.
    png(&at("dot.png"), png::ColorType::Rgb, [1, 1], &[3, 2, 1]);
    png(&at("blank.png"), png::ColorType::GrayscaleAlpha, [5, 3], &[255; 30]);
    png(&at("line.png"), png::ColorType::Grayscale, [300, 1], &[0; 300]);
    for name in ["dot.png", "blank.png", "line.png"] {
        let seen = glassbox(home.path(), &["predict", "run", name, "--json"]).ok().json();
        let p = seen[0]["probabilities"].as_array().unwrap();
        assert!(p.iter().all(|p| p.as_f64().is_some_and(f64::is_finite)), "{name}: {seen}");
    }
}

#[test]
fn summary_of_a_text_and_of_a_run() {
    let (home, _run) = small_run();
    let text = glassbox(home.path(), &["summary"]).ok().stdout;
    for part in ["101770", "100480", "1290", "397.5KiB"] {
        let plain = text.replace([',', ' ', '_', '\u{202f}', '\''], "");
        assert!(plain.contains(part), "{part}: {text}");
    }
    let of_run = glassbox(home.path(), &["summary", "run"]).ok().stdout;
    assert_eq!(of_run, glassbox(home.path(), &["summary", "784-16-relu-10"]).ok().stdout);
    glassbox(home.path(), &["summary", "784-16-relu-10", "--json"]).ok().json();
    for rubbish in ["rubbish", "784", "784-0", "784--10", "999999999-999999999"] {
        glassbox(home.path(), &["summary", rubbish]).hints(&[2]);
    }
}

#[test]
fn explain_shows_what_a_number_is_made_of() {
    let (home, _run) = small_run();
    let text = glassbox(home.path(), &["explain", "run", "dL/dW2[3,7]"]).ok().stdout;
    assert!(text.starts_with("dL/dW2[3,7] = Σ_b a1[b,3] · dL/dz2[b,7]\n"), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("a1[")).count(), 64, "{text}");
    let json = glassbox(home.path(), &["explain", "run", "2.weight[7,3]", "--json"]).ok().json();
    assert_eq!(json["what"], "dL/dW2[3,7]");
    let [value, truth, difference] =
        ["value", "truth", "difference"].map(|name| json[name].as_f64().unwrap());
    assert!((value - truth).abs() < 1e-6 && (difference - truth).abs() < 1e-8, "{json}");
    let other = ["explain", "run", "dL/dW2[3,7]", "--first", "64", "--batch", "5", "--json"];
    let other = glassbox(home.path(), &other).ok().json();
    assert_eq!(other["terms"].as_array().unwrap().len(), 5);
    let fresh = ["explain", "784-4-relu-10", "z1[0,0]", "--data", "digits", "--batch", "1"];
    glassbox(home.path(), &fresh).ok();
    for rubbish in ["dL/dW9[0,0]", "W2[99,0]", "z1[64,0]", "loss", ""] {
        glassbox(home.path(), &["explain", "run", rubbish]).hints(&[2]);
    }
    for range in [["--batch", "0"], ["--first", "60000"], ["--first", "18446744073709551615"]] {
        glassbox(home.path(), &["explain", "run", "z1[0,0]", range[0], range[1]]).hints(&[2]);
    }
}

#[test]
fn check_gradients_finds_them_right() {
    let folder = folder();
    for model in ["20-9-relu-5", "784-128-relu-10", "9-7-gelu-dropout0.5-5-softmax"] {
        let words = ["check-gradients", "--model", model, "--elements", "40", "--json"];
        let seen = glassbox(folder.path(), &words).ok().json();
        assert!(seen["checked"].as_u64().unwrap() > 40, "{seen}");
        assert!(seen["worst"]["error"].as_f64().unwrap() <= 1e-7, "{seen}");
    }
    let words = ["check-gradients", "--model", "6-5-tanh-3", "--reduction", "sum"];
    let Outcome { stdout: text, stderr, .. } = glassbox(folder.path(), &words).ok();
    assert!(text.contains("right") && text.contains("worst element"), "{text}");
    assert_eq!(stderr, "checking 53 of the 53 gradients of 6-5-tanh-3\n");
    // Gradients so small that the rounding of the loss hides their last digits.
    for model in ["5-300-softmax", "5-300-softmax-relu-logsoftmax"] {
        let text = glassbox(folder.path(), &["check-gradients", "--model", model]).ok().stdout;
        assert!(text.contains("rounding hides"), "{text}");
    }
    // Slopes so small that the rounding of the loss hides them at a small step.
    let wide = ["check-gradients", "--model", "20-30000-4", "--elements", "16"];
    glassbox(folder.path(), &wide).ok();
    glassbox(folder.path(), &["check-gradients", "--batch", "0"]).hints(&[2]);
    glassbox(folder.path(), &["check-gradients", "--elements", "0"]).hints(&[2]);
    glassbox(folder.path(), &["check-gradients", "--model", "rubbish"]).hints(&[2]);
}

#[test]
fn data_list_get_and_show() {
    let folder = folder();
    let text = glassbox(folder.path(), &["data", "list"]).ok().stdout;
    for name in ["mnist", "fashion", "kmnist", "digits", "built in", "glassbox data get mnist"] {
        assert!(text.contains(name), "{name}: {text}");
    }
    let words = ["data", "show", few_digits(), "--out", "sheet.png", "--count", "50"];
    glassbox(folder.path(), &words).ok();
    let decoder = png::Decoder::new(std::io::BufReader::new(
        std::fs::File::open(folder.path().join("sheet.png")).unwrap(),
    ));
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    assert!(pixels.len() >= 50 * 784 && pixels.iter().max() > pixels.iter().min());
    glassbox(folder.path(), &["data", "show", "rubbish"]).hints(&[1, 2]);
    glassbox(folder.path(), &["data", "show", few_digits(), "--out", "no/such/sheet.png"])
        .hints(&[1]);
    // No network, and no cache: a line for each place that was looked at.
    let outcome = glassbox(folder.path(), &["data", "get", "mnist"]).hints(&[1]);
    assert!(outcome.stderr.contains("GLASSBOX_OFFLINE"), "{outcome:?}");
    glassbox(folder.path(), &["data", "get", "rubbish"]).hints(&[2]);
}

/// A limit on the size of files stands in for a full disk.
#[cfg(target_os = "linux")]
#[test]
fn a_picture_that_cannot_be_written_leaves_the_one_before() {
    let folder = folder();
    let words = ["data", "show", few_digits(), "--out", "sheet.png", "--count"];
    glassbox(folder.path(), &[&words[..], &["1"]].concat()).ok();
    let sheet = folder.path().join("sheet.png");
    let before = std::fs::read(&sheet).unwrap();
    let script = "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\"";
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_glassbox")]).args(words).arg("400");
    Outcome::from(shell.current_dir(folder.path()).output().unwrap()).hints(&[1]);
    assert!(std::fs::read(&sheet).unwrap() == before, "the earlier picture is gone");
    assert_eq!(common::files(folder.path()).len(), 1, "something was left behind");
}

#[test]
fn digits_written_as_files_are_the_built_in_ones() {
    let folder = folder();
    glassbox(folder.path(), &["data", "get", "digits", "--out", "files"]).ok();
    let pair = glassbox::data::read_folder(&folder.path().join("files")).unwrap();
    let (pixels, labels) = glassbox::data::digits::generate(1, 60_000, 10_000);
    assert!(pair.test.images == pixels && pair.test.labels == labels);
    assert_eq!((pair.train.len(), pair.train.classes), (60_000, 10));
}

#[test]
fn doctor_knows_this_machine() {
    let folder = folder();
    let text = glassbox(folder.path(), &["doctor"]).ok().stdout;
    for part in ["glassbox", "processor", "instructions", "portable", "threads", "caches", "driver"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let mut command = command(folder.path(), &["doctor"]);
    let outcome = Outcome::from(command.env("GLASSBOX_SIMD", "portable").output().unwrap()).ok();
    assert!(outcome.stdout.contains("in use: portable"), "{}", outcome.stdout);
}

#[test]
fn xor_is_solved_and_surveyed() {
    let folder = folder();
    let text = glassbox(folder.path(), &["xor"]).ok().stdout;
    for line in ["0 xor 0 = 0", "0 xor 1 = 1", "1 xor 0 = 1", "1 xor 1 = 0", "solved"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert_eq!(glassbox(folder.path(), &["xor"]).ok().stdout, text, "a fixed seed");
    glassbox(folder.path(), &["xor", "--width", "0"]).hints(&[2]);

    let survey = glassbox(folder.path(), &["xor", "--survey"]).ok().stdout;
    let row = |width: &str| -> Vec<u32> {
        let row = survey.lines().find(|line| line.trim_start().starts_with(width)).unwrap();
        row.split_whitespace().map(|cell| cell.parse().unwrap()).collect()
    };
    let (narrow, wide) = (row("2 "), row("16 "));
    assert!(narrow.len() == 5 && narrow[1..].iter().all(|&solved| solved <= 60), "{survey}");
    assert!(narrow[1] < 50, "at width 2 a relu often fails: {survey}");
    assert!(wide[1] >= 57, "at width 16 it hardly does: {survey}");
}

#[test]
fn a_wrong_label_is_noticed() {
    let folder = folder();
    for (half, labels) in [("train", [0, 1, 2, 77]), ("t10k", [0, 1, 2, 1])] {
        let path = |kind: &str| folder.path().join(format!("{half}-{kind}-ubyte"));
        idx(&path("images-idx3"), &[4, 2, 2], &[9; 16]);
        idx(&path("labels-idx1"), &[4], &labels);
    }
    let words = ["train", "--data", ".", "--epochs", "1", "--model", "4-3-relu-78"];
    let outcome = glassbox(folder.path(), &words).ok();
    assert!(outcome.stderr.contains("74 of 78 classes have no training image"), "{outcome:?}");
}

#[test]
fn a_softmax_before_the_cross_entropy_is_noticed() {
    let folder = folder();
    let says = |model: &str| {
        let words = ["train", "--data", few_digits(), "--model", model, "--max-steps", "1"];
        let outcome = glassbox(folder.path(), &[&words[..], &["--quiet"]].concat()).ok();
        outcome.stderr
    };
    for last in ["softmax", "logsoftmax"] {
        let stderr = says(&format!("784-8-relu-10-{last}"));
        assert!(stderr.starts_with("warning: the cross-entropy"), "{stderr}");
        assert!(stderr.contains(last) && stderr.ends_with("(hint: leave it out: 784-8-relu-10)\n"));
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
    assert_eq!(says("784-8-softmax-10"), "");
}

#[test]
fn words_that_exclude_each_other() {
    let folder = folder();
    for words in [
        &["predict", "run", "--rows", "1", "picture.png"][..],
        &["predict", "run", "--data", "digits", "picture.png"],
        &["xor", "--survey", "--width", "3"],
        &["xor", "--survey", "--seed", "3"],
    ] {
        let outcome = glassbox(folder.path(), words);
        assert_eq!(outcome.code, Some(2), "{outcome:?}");
        assert!(outcome.stderr.contains("cannot be used with"), "{outcome:?}");
    }
}

#[test]
fn words_that_mean_nothing() {
    let folder = folder();
    for words in [&["trian"][..], &["eval"], &["predict"], &["data"], &["data", "buy"], &[]] {
        let outcome = glassbox(folder.path(), words);
        assert_eq!(outcome.code, Some(2), "{outcome:?}");
    }
    assert!(glassbox(folder.path(), &["--version"]).ok().stdout.contains("glassbox"));
    assert!(glassbox(folder.path(), &["--help"]).ok().stdout.contains("check-gradients"));
}
