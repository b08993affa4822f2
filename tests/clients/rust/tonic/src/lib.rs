//! What the client uses of tonic 0.12, with its names and types, on Debian's crates: enough to build it and to run it
//! against a server. In one module after the other: metadata, messages, statuses, streams, services, connections.

use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;

pub mod metadata {
    use std::collections::HashMap;
    use std::marker::PhantomData;
    use std::str::FromStr;

    #[derive(Clone, Copy, Debug)]
    pub enum Ascii {}
    #[derive(Clone, Copy, Debug)]
    pub enum Binary {}

    #[derive(Debug)]
    pub struct InvalidMetadataValue;
    #[derive(Debug)]
    pub struct InvalidMetadataValueBytes;

    #[derive(Clone, Debug)]
    pub struct MetadataValue<Encoding> {
        pub(crate) text: String,
        encoding: PhantomData<Encoding>,
    }

    impl FromStr for MetadataValue<Ascii> {
        type Err = InvalidMetadataValue;

        fn from_str(text: &str) -> Result<Self, InvalidMetadataValue> {
            if text.bytes().all(|byte| (32..127).contains(&byte)) {
                Ok(Self {
                    text: text.into(),
                    encoding: PhantomData,
                })
            } else {
                Err(InvalidMetadataValue)
            }
        }
    }

    impl MetadataValue<Binary> {
        pub fn to_bytes(&self) -> Result<bytes::Bytes, InvalidMetadataValueBytes> {
            let mut found = Vec::new();
            let (mut bits, mut count) = (0_u32, 0);
            for letter in self.text.trim_end_matches('=').bytes() {
                let six = LETTERS
                    .iter()
                    .position(|each| *each == letter)
                    .ok_or(InvalidMetadataValueBytes)?;
                (bits, count) = (bits << 6 | six as u32, count + 6);
                if count >= 8 {
                    count -= 8;
                    found.push((bits >> count) as u8);
                }
            }
            Ok(found.into())
        }
    }

    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"; // of base64

    #[derive(Clone, Debug, Default)]
    pub struct MetadataMap {
        pub(crate) entries: HashMap<String, String>,
        binary: HashMap<String, MetadataValue<Binary>>,
    }

    impl MetadataMap {
        pub fn insert(&mut self, key: &'static str, value: MetadataValue<Ascii>) -> Option<MetadataValue<Ascii>> {
            self.entries.insert(key.into(), value.text).map(|text| MetadataValue {
                text,
                encoding: PhantomData,
            })
        }

        pub fn get_bin(&self, key: &'static str) -> Option<&MetadataValue<Binary>> {
            self.binary.get(key)
        }

        pub(crate) fn of(headers: &http::HeaderMap) -> Self {
            let mut found = Self::default();
            for (name, value) in headers {
                let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
                if name.as_str().ends_with("-bin") {
                    found.binary.insert(
                        name.as_str().into(),
                        MetadataValue {
                            text,
                            encoding: PhantomData,
                        },
                    );
                } else {
                    found.entries.insert(name.as_str().into(), text);
                }
            }
            found
        }
    }
}

use metadata::MetadataMap;

#[derive(Debug)]
pub struct Request<T> {
    metadata: MetadataMap,
    message: T,
}

impl<T> Request<T> {
    pub fn new(message: T) -> Self {
        Request {
            metadata: MetadataMap::default(),
            message,
        }
    }

    pub fn metadata_mut(&mut self) -> &mut MetadataMap {
        &mut self.metadata
    }
}

pub trait IntoRequest<T> {
    fn into_request(self) -> Request<T>;
}

impl<T> IntoRequest<T> for T {
    fn into_request(self) -> Request<T> {
        Request::new(self)
    }
}

impl<T> IntoRequest<T> for Request<T> {
    fn into_request(self) -> Request<T> {
        self
    }
}

#[derive(Debug)]
pub struct Response<T> {
    message: T,
}

impl<T> Response<T> {
    pub fn into_inner(self) -> T {
        self.message
    }
}

#[derive(Clone)]
pub struct Status {
    code: i32,
    message: String,
    metadata: MetadataMap,
}

impl Status {
    fn new(code: i32, message: impl Into<String>) -> Self {
        Status {
            code,
            message: message.into(),
            metadata: MetadataMap::default(),
        }
    }

    pub fn unavailable(message: impl Into<String>) -> Self {
        Status::new(14, message)
    }

    pub fn invalid_argument(message: impl Into<String>) -> Self {
        Status::new(3, message)
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    pub fn metadata(&self) -> &MetadataMap {
        &self.metadata
    }

    fn of(trailers: &http::HeaderMap) -> Result<(), Self> {
        let metadata = MetadataMap::of(trailers);
        let word = |name: &str| metadata.entries.get(name).cloned().unwrap_or_default();
        match word("grpc-status").parse() {
            Ok(0) => Ok(()),
            code => Err(Status {
                code: code.unwrap_or(2),
                message: percent_decoded(&word("grpc-message")),
                metadata,
            }),
        }
    }
}

fn percent_decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.bytes());
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits: Vec<u8> = rest.by_ref().take(2).collect();
            let digits = String::from_utf8_lossy(&digits).into_owned();
            bytes.push(u8::from_str_radix(&digits, 16).unwrap_or(b'?'));
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl fmt::Debug for Status {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "Status {{ code: {}, message: {:?} }}", self.code, self.message)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "status: {}, message: {:?}", self.code, self.message)
    }
}

impl std::error::Error for Status {}

impl From<h2::Error> for Status {
    fn from(error: h2::Error) -> Self {
        Status::unavailable(error.to_string())
    }
}

/// A stream of messages. Dropping it cancels the call.
pub struct Streaming<T> {
    body: h2::RecvStream,
    buffer: BytesMut,
    message: std::marker::PhantomData<fn() -> T>,
}

impl<T: Message + Default> Streaming<T> {
    pub async fn message(&mut self) -> Result<Option<T>, Status> {
        loop {
            if let Some(message) = self.cut()? {
                return Ok(Some(message));
            }
            match self.body.data().await {
                Some(data) => {
                    let data = data?;
                    self.body.flow_control().release_capacity(data.len())?;
                    self.buffer.extend_from_slice(&data);
                }
                None => return self.end().await,
            }
        }
    }

    async fn end(&mut self) -> Result<Option<T>, Status> {
        let trailers = self.body.trailers().await?.unwrap_or_default();
        Status::of(&trailers).map(|()| None)
    }

    fn cut(&mut self) -> Result<Option<T>, Status> {
        if self.buffer.len() < 5 {
            return Ok(None);
        }
        let length = (&self.buffer[1..5]).get_u32() as usize;
        if self.buffer.len() < 5 + length {
            return Ok(None);
        }
        self.buffer.advance(5);
        T::decode(self.buffer.split_to(length))
            .map(Some)
            .map_err(|error| Status::new(13, error.to_string()))
    }
}

pub mod service {
    use crate::{Request, Status};

    pub trait Interceptor {
        fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status>;
    }
}

pub mod codegen {
    use crate::client::GrpcService;
    use crate::service::Interceptor;
    use crate::transport::Channel;
    use crate::{Request, Status};

    #[derive(Clone, Debug)]
    pub struct InterceptedService<S, I> {
        inner: S,
        interceptor: I,
    }

    impl<S, I: Interceptor> InterceptedService<S, I> {
        pub fn new(inner: S, interceptor: I) -> Self {
            Self { inner, interceptor }
        }
    }

    impl<S: GrpcService, I: Interceptor> GrpcService for InterceptedService<S, I> {
        fn prepared(&mut self, request: Request<()>) -> Result<(Channel, Request<()>), Status> {
            let request = self.interceptor.call(request)?;
            self.inner.prepared(request)
        }
    }
}

pub mod client {
    use super::*;
    use crate::transport::Channel;

    /// What a call goes through. (tonic's is tower's Service; the client names neither.)
    pub trait GrpcService {
        fn prepared(&mut self, request: Request<()>) -> Result<(Channel, Request<()>), Status>;
    }

    #[derive(Clone, Debug)]
    pub struct Grpc<T> {
        inner: T,
    }

    impl<T: GrpcService> Grpc<T> {
        pub fn new(inner: T) -> Self {
            Grpc { inner }
        }

        pub fn max_decoding_message_size(self, _limit: usize) -> Self {
            self
        }

        pub async fn unary<M: Message, R: Message + Default>(
            &mut self,
            request: Request<M>,
            path: &str,
        ) -> Result<Response<R>, Status> {
            let mut replies = self.server_streaming(request, path).await?.into_inner();
            let message = replies.message().await?;
            replies.message().await?;
            let message = message.ok_or_else(|| Status::new(13, "no message came"))?;
            Ok(Response { message })
        }

        pub async fn server_streaming<M: Message, R: Message + Default>(
            &mut self,
            request: Request<M>,
            path: &str,
        ) -> Result<Response<Streaming<R>>, Status> {
            let head = Request {
                metadata: request.metadata,
                message: (),
            };
            let (channel, head) = self.inner.prepared(head)?;
            let message = channel.call(head, path, &request.message).await?;
            Ok(Response { message })
        }
    }
}

pub mod transport {
    use super::*;
    use crate::client::GrpcService;

    #[derive(Debug)]
    pub struct Error(String);

    impl fmt::Display for Error {
        fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
            to.write_str(&self.0)
        }
    }

    impl std::error::Error for Error {}

    #[derive(Clone, Debug, Default)]
    pub struct ClientTlsConfig;

    impl ClientTlsConfig {
        pub fn new() -> Self {
            ClientTlsConfig
        }

        pub fn with_enabled_roots(self) -> Self {
            self
        }
    }

    #[derive(Clone, Debug)]
    pub struct Endpoint {
        uri: http::Uri,
    }

    impl Endpoint {
        pub fn from_shared(address: impl Into<Bytes>) -> Result<Self, Error> {
            let uri = http::Uri::from_maybe_shared(address.into()).map_err(|error| Error(error.to_string()))?;
            Ok(Endpoint { uri })
        }

        pub fn tls_config(self, _config: ClientTlsConfig) -> Result<Self, Error> {
            Ok(self) // only plain connections here
        }

        pub async fn connect(&self) -> Result<Channel, Error> {
            if self.uri.scheme_str() != Some("http") {
                return Err(Error("transport error".into())); // tonic wants a scheme; there is no TLS here
            }
            let authority = self.uri.authority().ok_or_else(|| Error("no host".into()))?;
            let socket = tokio::net::TcpStream::connect(authority.as_str())
                .await
                .map_err(|error| Error(error.to_string()))?;
            let (sender, connection) = h2::client::Builder::new()
                .initial_window_size(1 << 26)
                .initial_connection_window_size(1 << 28)
                .handshake(socket)
                .await
                .map_err(|error| Error(error.to_string()))?;
            tokio::spawn(connection);
            Ok(Channel {
                sender,
                authority: authority.to_string(),
            })
        }
    }

    #[derive(Clone, Debug)]
    pub struct Channel {
        sender: h2::client::SendRequest<Bytes>,
        authority: String,
    }

    impl GrpcService for Channel {
        fn prepared(&mut self, request: Request<()>) -> Result<(Channel, Request<()>), Status> {
            Ok((self.clone(), request))
        }
    }

    impl Channel {
        pub(crate) async fn call<M: Message, R: Message + Default>(
            self,
            head: Request<()>,
            path: &str,
            message: &M,
        ) -> Result<Streaming<R>, Status> {
            let mut request = http::Request::post(format!("http://{}{path}", self.authority))
                .header("content-type", "application/grpc")
                .header("te", "trailers");
            for (name, value) in &head.metadata.entries {
                request = request.header(name, value);
            }
            let request = request.body(()).map_err(|error| Status::new(13, error.to_string()))?;
            let (reply, body) = self.sender.ready().await?.send_request(request, false)?;
            send(body, message).await?;
            let (head, body) = reply.await?.into_parts();
            if head.headers.contains_key("grpc-status") {
                Status::of(&head.headers)?;
            }
            Ok(Streaming {
                body,
                buffer: BytesMut::new(),
                message: std::marker::PhantomData,
            })
        }
    }

    async fn send<M: Message>(mut body: h2::SendStream<Bytes>, message: &M) -> Result<(), Status> {
        let mut data = BytesMut::with_capacity(5 + message.encoded_len());
        data.put_u8(0);
        data.put_u32(message.encoded_len() as u32);
        message
            .encode(&mut data)
            .map_err(|error| Status::new(13, error.to_string()))?;
        body.send_data(data.freeze(), true)?; // h2 keeps what the window does not take yet
        Ok(())
    }
}

#[macro_export]
macro_rules! include_proto {
    ($package:tt) => {
        include!(concat!(env!("OUT_DIR"), concat!("/", $package, ".rs")));
    };
}
