//! Classify: cargo run --example example classify http://HOST:PORT deploy.prototxt weights.caffemodel image.png
//!   prepares an image as the net's record says; prints the outputs.
//! Train: cargo run --example example train http://HOST:PORT solver.prototxt ITERATIONS
//!   trains a solver whose net needs no files; prints the losses.

use std::error::Error;
use std::fs;
use std::process::ExitCode;

use caffe_sdk_client::v1::event::Event;
use caffe_sdk_client::{Client, NetOptions};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let server = Client::connect(&arguments[1], None).await?;
    let prototxt = fs::read_to_string(&arguments[2])?;
    if arguments[0] == "classify" {
        classify(&server, &prototxt, fs::read(&arguments[3])?, fs::read(&arguments[4])?).await
    } else {
        train(&server, &prototxt, arguments[3].parse()?).await
    }
}

async fn classify(server: &Client, prototxt: &str, weights: Vec<u8>, image: Vec<u8>) -> Result<(), Box<dyn Error>> {
    let mut net = server
        .net(
            prototxt,
            NetOptions {
                weights: Some(weights),
                ..Default::default()
            },
        )
        .await?;
    for (name, output) in net.predict(vec![image]).await? {
        let values: Vec<String> = output.data.iter().map(f32::to_string).collect();
        println!("{name} {}", values.join(" "));
    }
    Ok(net.release().await?)
}

async fn train(server: &Client, prototxt: &str, iterations: i64) -> Result<(), Box<dyn Error>> {
    let mut solver = server.solver(prototxt).await?;
    let mut events = solver.step(iterations).await?;
    while let Some(happened) = events.message().await? {
        if let Some(Event::Iteration(iteration)) = happened.event {
            println!("{}", iteration.loss);
        }
    }
    Ok(solver.release().await?)
}
