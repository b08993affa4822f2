//! Plays the scenarios of a file on a server and prints what each step gives, as JSON; tests/clients/conformance.py tells
//! what they are: cargo run --example conformance scenarios.json http://HOST:PORT

use std::collections::HashMap;
use std::fs;

use caffe_sdk_client::v1::event::Event;
use caffe_sdk_client::v1::{self, Part};
use caffe_sdk_client::{Array, Arrays, Blob, Client, Error, Net, NetOptions, Range, Solver};
use serde_json::{json, Map, Value};
use tonic::Streaming;

struct Player<'a> {
    server: &'a Client,
    models: &'a Value,
    nets: HashMap<String, Net>,
    solvers: HashMap<String, Solver>,
    kept: HashMap<String, Vec<u8>>,
}

impl Player<'_> {
    async fn play(&mut self, step: &Value) -> Result<Value, Error> {
        let solver = self.solvers.get_mut(word(step, "solver"));
        match (word(step, "verb"), solver) {
            ("net", _) => {
                let weights = self.kept.get(word(step, "weights")).cloned();
                let train = word(step, "phase") == "train";
                let options = NetOptions {
                    train,
                    weights,
                    ..Default::default()
                };
                let net = self.server.net(&self.text(step), options).await?;
                self.nets.insert(word(step, "net").into(), net);
                Ok(Value::Null)
            }
            ("solver", _) => {
                let solver = self.server.solver(&self.text(step)).await?;
                self.solvers.insert(word(step, "solver").into(), solver);
                Ok(Value::Null)
            }
            ("step", Some(solver)) => {
                let events = solver.step(step["iterations"].as_i64().unwrap_or(0)).await?;
                Ok(json!(losses(events).await?))
            }
            ("solve", Some(solver)) => {
                losses(solver.solve().await?).await?;
                Ok(Value::Null)
            }
            ("state", Some(solver)) => {
                let state = solver.state().await?;
                Ok(json!({"iter": state.iter, "max_iter": state.max_iter}))
            }
            ("weights", _) => {
                let weights = self.net(step).weights().await?;
                self.kept.insert(word(step, "weights").into(), weights);
                Ok(Value::Null)
            }
            ("copy_from", _) => {
                let weights = self.kept[word(step, "weights")].clone();
                Ok(json!(self.net(step).copy_from(weights).await?))
            }
            _ => on_net(self.net(step), step).await,
        }
    }

    fn net(&mut self, step: &Value) -> &mut Net {
        let name = word(step, "net");
        match name.strip_suffix(".net") {
            Some(solver) => &mut self.solvers.get_mut(solver).expect("a solver of that name").net,
            None => self.nets.get_mut(name).expect("a net of that name"),
        }
    }

    fn text(&self, step: &Value) -> String {
        let lines = strings(&self.models[word(step, "model")]);
        match strings(&step["replace"]).as_slice() {
            [old, new] => lines.join("\n").replace(old.as_str(), new),
            _ => lines.join("\n"),
        }
    }
}

async fn on_net(net: &mut Net, step: &Value) -> Result<Value, Error> {
    match word(step, "verb") {
        "describe" => Ok(described(&net.description)),
        "get" => Ok(noted(&net.get(blob(step), part(step)).await?)),
        "set" => {
            net.set(blob(step), part(step), array(&step["values"])).await?;
            Ok(Value::Null)
        }
        "reshape" => {
            let shapes = entries(&step["shapes"]).map(|(name, dims)| (name.clone(), numbers(dims)));
            net.reshape(shapes.collect()).await?;
            Ok(Value::Null)
        }
        "forward" => {
            let given = |name: &str| step[name].as_str().map(String::from);
            let range = Range {
                start: given("start"),
                end: given("end"),
                blobs: strings(&step["blobs"]),
            };
            Ok(all_noted(&net.forward(arrays(&step["inputs"]), range).await?))
        }
        "backward" => Ok(all_noted(&net.backward(arrays(&step["diffs"])).await?)),
        "release" => {
            net.clone().release().await?;
            Ok(Value::Null)
        }
        verb => panic!("no such step: {verb}"),
    }
}

async fn losses(mut events: Streaming<v1::Event>) -> Result<Vec<f64>, Error> {
    let mut losses = Vec::new();
    while let Some(happened) = events.message().await? {
        if let Some(Event::Iteration(iteration)) = happened.event {
            losses.push(iteration.loss);
        }
    }
    Ok(losses)
}

fn described(net: &v1::Net) -> Value {
    let dims = |shapes: &[v1::Shape]| shapes.iter().map(|shape| json!(shape.dims)).collect::<Vec<_>>();
    let layers: Vec<_> = net
        .layers
        .iter()
        .map(|layer| json!([layer.name, layer.r#type]))
        .collect();
    let shape = |named: &v1::NamedShape| json!([named.name, named.shape.clone().unwrap_or_default().dims]);
    let blobs: Vec<_> = net.blobs.iter().map(shape).collect();
    let learns = net.layers.iter().filter(|layer| !layer.params.is_empty());
    let params: Vec<_> = learns.map(|layer| json!([layer.name, dims(&layer.params)])).collect();
    json!({"inputs": net.inputs, "outputs": net.outputs, "layers": layers, "blobs": blobs, "params": params})
}

fn word<'a>(step: &'a Value, name: &str) -> &'a str {
    step[name].as_str().unwrap_or_default()
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(|each| each.as_str().map(String::from))
        .collect()
}

fn numbers(list: &Value) -> Vec<i64> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_i64)
        .collect()
}

fn entries(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.as_object().into_iter().flatten()
}

fn blob(step: &Value) -> Blob<'_> {
    match &step["blob"] {
        Value::String(name) => Blob::Name(name),
        parameter => Blob::Parameter(
            parameter[0].as_str().unwrap_or_default(),
            parameter[1].as_i64().unwrap_or(0) as i32,
        ),
    }
}

fn part(step: &Value) -> Part {
    if word(step, "part") == "diff" {
        Part::Diff
    } else {
        Part::Data
    }
}

fn array(written: &Value) -> Array {
    let shape = numbers(&written["shape"]);
    let number = |value: &Value| value.as_f64().unwrap_or(0.0);
    let (start, step) = (number(&written["start"]), number(&written["step"]));
    let data = match written["values"].as_array() {
        Some(values) => values.iter().map(|each| number(each) as f32).collect(),
        None => (0..shape.iter().product())
            .map(|i: i64| (start + step * i as f64) as f32)
            .collect(),
    };
    Array { shape, data }
}

fn arrays(written: &Value) -> Arrays {
    entries(written)
        .map(|(name, values)| (name.clone(), array(values)))
        .collect()
}

fn noted(array: &Array) -> Value {
    json!({"shape": array.shape, "data": array.data})
}

fn all_noted(arrays: &Arrays) -> Value {
    arrays
        .iter()
        .map(|(name, array)| (name.clone(), noted(array)))
        .collect()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let file: Value = serde_json::from_str(&fs::read_to_string(&arguments[1])?)?;
    let server = Client::connect(&arguments[2], None).await?;
    let mut notes = Map::new();
    for scenario in file["scenarios"].as_array().into_iter().flatten() {
        let (nets, solvers, kept) = Default::default();
        let mut player = Player {
            server: &server,
            models: &file["models"],
            nets,
            solvers,
            kept,
        };
        let mut of_steps = Vec::new();
        for step in scenario["steps"].as_array().into_iter().flatten() {
            let raised = |error: Error| json!({"error": error.code});
            of_steps.push(player.play(step).await.unwrap_or_else(raised));
        }
        notes.insert(word(scenario, "name").into(), of_steps.into());
    }
    println!("{}", Value::Object(notes));
    Ok(())
}
