//! What the client's build uses of tonic-build 0.12: prost's messages, and clients with tonic-build's names.

use std::io;
use std::path::Path;

use prost_build::{Config, Method, Service, ServiceGenerator};

pub struct Builder;

pub fn configure() -> Builder {
    Builder
}

impl Builder {
    pub fn build_server(self, _wanted: bool) -> Self {
        self
    }

    pub fn compile_protos(self, protos: &[impl AsRef<Path>], includes: &[impl AsRef<Path>]) -> io::Result<()> {
        let mut config = Config::new();
        config.service_generator(Box::new(Clients));
        config.compile_protos(protos, includes)
    }
}

struct Clients;

impl ServiceGenerator for Clients {
    fn generate(&mut self, service: Service, text: &mut String) {
        let module = snake(&service.name);
        text.push_str(&format!(
            "pub mod {module}_client {{
                #[derive(Debug, Clone)]
                pub struct {name}Client<T> {{ inner: tonic::client::Grpc<T> }}
                impl<T: tonic::client::GrpcService> {name}Client<T> {{
                    pub fn new(inner: T) -> Self {{ Self {{ inner: tonic::client::Grpc::new(inner) }} }}
                    pub fn max_decoding_message_size(mut self, limit: usize) -> Self {{
                        self.inner = self.inner.max_decoding_message_size(limit);
                        self
                    }}",
            name = service.name,
        ));
        for method in service.methods.iter().filter(|method| !method.client_streaming) {
            text.push_str(&call(&service, method));
        }
        text.push_str("}}\n");
    }
}

fn call(service: &Service, method: &Method) -> String {
    let (kind, reply) = if method.server_streaming {
        (
            "server_streaming",
            format!("tonic::Streaming<super::{}>", method.output_type),
        )
    } else {
        ("unary", format!("super::{}", method.output_type))
    };
    format!(
        "pub async fn {name}(&mut self, request: impl tonic::IntoRequest<super::{input}>)
            -> std::result::Result<tonic::Response<{reply}>, tonic::Status>
        {{
            self.inner.{kind}(request.into_request(), \"/{package}.{service}/{path}\").await
        }}",
        name = method.name,
        input = method.input_type,
        package = service.package,
        service = service.proto_name,
        path = method.proto_name,
    )
}

fn snake(name: &str) -> String {
    let mut found = String::new();
    for (i, letter) in name.char_indices() {
        if letter.is_uppercase() && i > 0 {
            found.push('_');
        }
        found.extend(letter.to_lowercase());
    }
    found
}
