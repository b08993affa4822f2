//! Client of a caffe_sdk server: Caffe's nets and solvers, which live there.
//!
//! ```no_run
//! # async fn example(prototxt: &str, caffemodel: Vec<u8>, pixels: Vec<f32>) -> Result<(), caffe_sdk_client::Error> {
//! use caffe_sdk_client::{Array, Client, NetOptions, Range};
//! let server = Client::connect("http://127.0.0.1:50051", None).await?;
//! let options = NetOptions { weights: Some(caffemodel), ..Default::default() };
//! let mut net = server.net(prototxt, options).await?;
//! let inputs = [("data".to_string(), Array { shape: vec![1, 1, 28, 28], data: pixels })];
//! let outputs = net.forward(inputs.into(), Range::default()).await?;
//! # Ok(()) }
//! ```
//!
//! Arrays are copies, float32, in row-major order (NCHW).

use std::collections::HashMap;
use std::sync::Arc;

use prost::Message;
use tonic::codegen::InterceptedService;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status, Streaming};
use uuid::Uuid;

/// The messages of `proto/caffe_sdk/v1`.
pub mod v1 {
    tonic::include_proto!("caffe_sdk.v1");
}

use v1::nets_client::NetsClient;
use v1::server_client::ServerClient;
use v1::solvers_client::SolversClient;

type Transport = InterceptedService<Channel, Caller>;
/// Arrays by the names of blobs.
pub type Arrays = HashMap<String, Array>;

/// Numbers and their shape, the last axis the fastest.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    pub shape: Vec<i64>,
    pub data: Vec<f32>,
}

/// What the server raised; the code is "bridge" when none answers.
#[derive(Debug)]
pub struct Error {
    /// One word such as shape, prototxt, handle.
    pub code: String,
    /// A file, a layer, a blob; may be empty.
    pub place: String,
    /// What is wrong, with the values.
    pub what: String,
    /// What would be right; may be empty.
    pub remedy: String,
    /// The status of the call, whose message is the whole sentence.
    pub status: Status,
}

impl std::fmt::Display for Error {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str(self.status.message())
    }
}

impl std::error::Error for Error {}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        let bytes = status
            .metadata()
            .get_bin("caffe-error-bin")
            .and_then(|value| value.to_bytes().ok());
        let parts = bytes
            .and_then(|bytes| v1::Error::decode(bytes).ok())
            .unwrap_or_else(|| v1::Error {
                code: "bridge".into(),
                what: status.message().into(),
                ..Default::default()
            });
        Error {
            code: parts.code,
            place: parts.r#where,
            what: parts.what,
            remedy: parts.remedy,
            status,
        }
    }
}

impl From<tonic::transport::Error> for Error {
    fn from(error: tonic::transport::Error) -> Self {
        Status::unavailable(error.to_string()).into()
    }
}

/// Puts who we are into each call's metadata: a name that nobody guesses, for the server to hold this client's objects
/// under, and a token.
#[derive(Clone)]
struct Caller {
    session: MetadataValue<Ascii>,
    token: Option<MetadataValue<Ascii>>,
}

impl Interceptor for Caller {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("caffe-session", self.session.clone());
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

/// A connection. What is made through it the server keeps until the last copy of it is dropped.
#[derive(Clone)]
pub struct Client {
    _lease: Arc<Streaming<v1::AttachReply>>,
    server: ServerClient<Transport>,
    nets: NetsClient<Transport>,
    solvers: SolversClient<Transport>,
}

/// Which net to make of a prototxt.
#[derive(Default)]
pub struct NetOptions {
    /// The phase; else it is test.
    pub train: bool,
    /// The bytes of a caffemodel.
    pub weights: Option<Vec<u8>>,
    pub level: i32,
    pub stages: Vec<String>,
}

impl Client {
    /// A client of the server at `http://host:port`, or `https://host:port` with the system's roots.
    pub async fn connect(address: &str, token: Option<&str>) -> Result<Client, Error> {
        let endpoint = Endpoint::from_shared(address.to_string())?;
        Client::over(
            endpoint
                .tls_config(ClientTlsConfig::new().with_enabled_roots())?
                .connect()
                .await?,
            token,
        )
        .await
    }

    /// A client over a channel with settings of one's own (certificates, time limits).
    pub async fn over(channel: Channel, token: Option<&str>) -> Result<Client, Error> {
        let unusable = |_| Status::invalid_argument("the token is not ASCII");
        let token = token
            .map(|token| format!("Bearer {token}").parse())
            .transpose()
            .map_err(unusable)?;
        let session = Uuid::new_v4().to_string().parse().map_err(unusable)?;
        let transport = InterceptedService::new(channel, Caller { session, token });
        let mut server = ServerClient::new(transport.clone());
        let mut lease = server.attach(v1::AttachRequest {}).await?.into_inner();
        lease.message().await?;
        Ok(Client {
            _lease: Arc::new(lease),
            server,
            nets: NetsClient::new(transport.clone()).max_decoding_message_size(usize::MAX),
            solvers: SolversClient::new(transport).max_decoding_message_size(usize::MAX),
        })
    }

    /// A new net of a prototxt's text.
    pub async fn net(&self, prototxt: &str, options: NetOptions) -> Result<Net, Error> {
        let phase = if options.train {
            v1::Phase::Train
        } else {
            v1::Phase::Test
        };
        let request = v1::CreateNetRequest {
            model: Some(text(prototxt)),
            phase: phase.into(),
            weights: options.weights.map(data),
            level: options.level,
            stages: options.stages,
            ..Default::default()
        };
        let mut nets = self.nets.clone();
        let description = nets.create_net(request).await?.into_inner();
        Ok(Net { nets, description })
    }

    /// A new solver of a prototxt's text.
    pub async fn solver(&self, prototxt: &str) -> Result<Solver, Error> {
        let (mut nets, mut solvers) = (self.nets.clone(), self.solvers.clone());
        let request = v1::CreateSolverRequest {
            model: Some(text(prototxt)),
        };
        let made = solvers.create_solver(request).await?.into_inner();
        let description = nets
            .describe_net(v1::DescribeNetRequest { net: made.net })
            .await?
            .into_inner();
        Ok(Solver {
            solvers,
            handle: made.solver,
            net: Net { nets, description },
        })
    }

    /// Version, facts about what computes there, and how many objects are held.
    pub async fn information(&self) -> Result<v1::Information, Error> {
        Ok(self
            .server
            .clone()
            .get_information(v1::GetInformationRequest {})
            .await?
            .into_inner())
    }
}

/// A blob of a net.
pub enum Blob<'a> {
    /// By its name.
    Name(&'a str),
    /// A layer's learnable blob by index, mostly 0 the weights and 1 the bias.
    Parameter(&'a str, i32),
}

impl Blob<'_> {
    fn reference(&self) -> v1::BlobReference {
        let blob = match *self {
            Blob::Name(name) => v1::blob_reference::Blob::Name(name.into()),
            Blob::Parameter(layer, index) => v1::blob_reference::Blob::Parameter(v1::Parameter {
                layer: layer.into(),
                index,
            }),
        };
        v1::BlobReference { blob: Some(blob) }
    }
}

/// Layers to run, first and last, and blobs to give besides the outputs.
#[derive(Default)]
pub struct Range {
    pub start: Option<String>,
    pub end: Option<String>,
    pub blobs: Vec<String>,
}

/// A net on the server; a copy is of the same net. Dropping it releases nothing, since that needs a call: see `release`.
#[derive(Clone)]
pub struct Net {
    nets: NetsClient<Transport>,
    /// Name, phase, layers, blobs and their shapes when the net was made or last reshaped.
    pub description: v1::Net,
}

impl Net {
    /// Compute with these inputs, or with what the blobs hold if there are none; gives the outputs.
    pub async fn forward(&mut self, inputs: Arrays, range: Range) -> Result<Arrays, Error> {
        let Range { start, end, blobs } = range;
        let request = v1::ForwardRequest {
            net: self.description.net,
            inputs: to_tensors(inputs),
            start,
            end,
            blobs,
            ..Default::default()
        };
        Ok(to_arrays(self.nets.forward(request).await?.into_inner().outputs))
    }

    /// The outputs for image files, given as bytes and prepared as the net's record says.
    pub async fn predict(&mut self, images: Vec<Vec<u8>>) -> Result<Arrays, Error> {
        let request = v1::PredictRequest {
            net: self.description.net,
            images,
            ..Default::default()
        };
        Ok(to_arrays(self.nets.predict(request).await?.into_inner().outputs))
    }

    /// Set the outputs' gradients, run the layers backward, give the inputs' gradients.
    pub async fn backward(&mut self, diffs: Arrays) -> Result<Arrays, Error> {
        let request = v1::BackwardRequest {
            net: self.description.net,
            diffs: to_tensors(diffs),
            ..Default::default()
        };
        Ok(to_arrays(self.nets.backward(request).await?.into_inner().diffs))
    }

    /// A blob's values (`v1::Part::Data`) or gradients (`v1::Part::Diff`).
    pub async fn get(&mut self, blob: Blob<'_>, part: v1::Part) -> Result<Array, Error> {
        let net = self.description.net;
        let request = v1::GetBlobsRequest {
            net,
            blobs: vec![blob.reference()],
            part: part.into(),
        };
        let mut tensors = self.nets.get_blobs(request).await?.into_inner().tensors;
        Ok(to_array(tensors.swap_remove(0)))
    }

    /// Overwrite a blob's values or gradients.
    pub async fn set(&mut self, blob: Blob<'_>, part: v1::Part, values: Array) -> Result<(), Error> {
        let values = Some(to_tensor(values));
        let one = v1::BlobValues {
            blob: Some(blob.reference()),
            part: part.into(),
            values,
        };
        self.nets
            .set_blobs(v1::SetBlobsRequest {
                net: self.description.net,
                blobs: vec![one],
            })
            .await?;
        Ok(())
    }

    /// Give blobs, by name, other shapes and carry them through the net.
    pub async fn reshape(&mut self, shapes: HashMap<String, Vec<i64>>) -> Result<(), Error> {
        let net = self.description.net;
        for (name, dims) in shapes {
            let blob = Some(Blob::Name(&name).reference());
            self.nets
                .reshape_blob(v1::ReshapeBlobRequest {
                    net,
                    blob,
                    shape: Some(v1::Shape { dims }),
                })
                .await?;
        }
        self.description = self.nets.reshape_net(v1::ReshapeNetRequest { net }).await?.into_inner();
        Ok(())
    }

    /// The bytes of a caffemodel.
    pub async fn weights(&mut self) -> Result<Vec<u8>, Error> {
        let request = v1::GetWeightsRequest {
            net: self.description.net,
        };
        Ok(self.nets.get_weights(request).await?.into_inner().data)
    }

    /// Load such bytes into layers of the same names; gives those names.
    pub async fn copy_from(&mut self, caffemodel: Vec<u8>) -> Result<Vec<String>, Error> {
        let request = v1::CopyFromRequest {
            net: self.description.net,
            weights: Some(data(caffemodel)),
        };
        Ok(self.nets.copy_from(request).await?.into_inner().layers)
    }

    /// Let the net go; a solver's net goes with the solver.
    pub async fn release(mut self) -> Result<(), Error> {
        self.nets
            .release_net(v1::ReleaseNetRequest {
                net: self.description.net,
            })
            .await?;
        Ok(())
    }
}

/// A solver on the server, and its train net.
pub struct Solver {
    solvers: SolversClient<Transport>,
    handle: u64,
    pub net: Net,
}

impl Solver {
    /// Train for so many iterations more: read the events to the end; dropping the stream ends the training.
    pub async fn step(&mut self, iterations: i64) -> Result<Streaming<v1::Event>, Error> {
        let request = v1::StepRequest {
            solver: self.handle,
            iterations,
        };
        Ok(self.solvers.step(request).await?.into_inner())
    }

    /// Train to max_iter, as `step` does.
    pub async fn solve(&mut self) -> Result<Streaming<v1::Event>, Error> {
        Ok(self
            .solvers
            .solve(v1::SolveRequest { solver: self.handle })
            .await?
            .into_inner())
    }

    /// Iterations made and to make.
    pub async fn state(&mut self) -> Result<v1::Solver, Error> {
        let request = v1::DescribeSolverRequest { solver: self.handle };
        Ok(self.solvers.describe_solver(request).await?.into_inner())
    }

    /// Write a snapshot on the server; gives the solverstate's path there.
    pub async fn snapshot(&mut self) -> Result<String, Error> {
        let request = v1::SnapshotRequest { solver: self.handle };
        Ok(self.solvers.snapshot(request).await?.into_inner().solverstate)
    }

    /// Go on from a solverstate in the server's folder.
    pub async fn restore(&mut self, solverstate: &str) -> Result<(), Error> {
        let path = solverstate.into();
        self.solvers
            .restore(v1::RestoreRequest {
                solver: self.handle,
                path,
            })
            .await?;
        Ok(())
    }

    /// Let the solver and its nets go.
    pub async fn release(mut self) -> Result<(), Error> {
        self.solvers
            .release_solver(v1::ReleaseSolverRequest { solver: self.handle })
            .await?;
        Ok(())
    }
}

fn text(prototxt: &str) -> v1::Model {
    v1::Model {
        source: Some(v1::model::Source::Text(prototxt.into())),
    }
}

fn data(caffemodel: Vec<u8>) -> v1::Weights {
    v1::Weights {
        source: Some(v1::weights::Source::Data(caffemodel)),
    }
}

fn to_tensor(array: Array) -> v1::Tensor {
    let data = array.data.iter().flat_map(|value| value.to_le_bytes()).collect();
    v1::Tensor {
        shape: array.shape,
        r#type: v1::DataType::Float32.into(),
        data,
    }
}

fn to_array(tensor: v1::Tensor) -> Array {
    let values = tensor
        .data
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    Array {
        shape: tensor.shape,
        data: values.collect(),
    }
}

fn to_tensors(arrays: Arrays) -> Vec<v1::NamedTensor> {
    let named = |(name, array)| v1::NamedTensor {
        name,
        tensor: Some(to_tensor(array)),
    };
    arrays.into_iter().map(named).collect()
}

fn to_arrays(tensors: Vec<v1::NamedTensor>) -> Arrays {
    tensors
        .into_iter()
        .map(|named| (named.name, to_array(named.tensor.unwrap_or_default())))
        .collect()
}
