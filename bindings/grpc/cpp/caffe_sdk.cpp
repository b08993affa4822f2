#include "caffe_sdk.hpp"

#include <grpcpp/grpcpp.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <mutex>
#include <random>
#include <utility>

namespace caffe_sdk {

class Connection {
 public:
  Connection(const std::string& address, const Options& options)
      : token_(options.token),
        channel_(grpc::CreateCustomChannel(address, credentials(options), arguments())),
        server(v1::Server::NewStub(channel_)),
        nets(v1::Nets::NewStub(channel_)),
        solvers(v1::Solvers::NewStub(channel_)) {}

  ~Connection() {
    if (!lease_) return;
    lease_context_.TryCancel();
    lease_->Finish();
  }

  // Holds what is created for as long as this connection lives: when the program dies the server lets it go.
  void hold() {
    const std::lock_guard<std::mutex> lock(lease_lock_);
    if (lease_) return;
    prepare(lease_context_);
    auto lease = server->Attach(&lease_context_, v1::AttachRequest());
    v1::AttachReply held;
    if (!lease->Read(&held)) check(lease->Finish(), lease_context_);
    lease_ = std::move(lease);
  }

  // Makes a call of a stub: call(connection.nets, &v1::Nets::Stub::Forward, request) gives the reply.
  template <typename Stub, typename Request, typename Reply>
  Reply call(const std::unique_ptr<Stub>& stub,
             grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Reply*), const Request& request) {
    grpc::ClientContext context;
    prepare(context);
    Reply reply;
    check((stub.get()->*method)(&context, request, &reply), context);
    return reply;
  }

  void prepare(grpc::ClientContext& context) const {
    context.AddMetadata("caffe-session", session_);
    if (!token_.empty()) context.AddMetadata("authorization", "Bearer " + token_);
  }

  static void check(const grpc::Status& status, const grpc::ClientContext& context) {
    if (status.ok()) return;
    v1::Error parts;
    const auto& metadata = context.GetServerTrailingMetadata();
    const auto found = metadata.find("caffe-error-bin");
    if (found == metadata.end() || !parts.ParseFromArray(found->second.data(), static_cast<int>(found->second.size()))) {
      parts.set_code("bridge");
      parts.set_what(status.error_message());
    }
    throw Error(status.error_message(), status.error_code(), parts);
  }

 private:
  static std::shared_ptr<grpc::ChannelCredentials> credentials(const Options& options) {
    if (options.root_certificates.empty()) return grpc::InsecureChannelCredentials();
    grpc::SslCredentialsOptions ssl;
    ssl.pem_root_certs = options.root_certificates;
    ssl.pem_cert_chain = options.certificate;
    ssl.pem_private_key = options.private_key;
    return grpc::SslCredentials(ssl);
  }

  static grpc::ChannelArguments arguments() {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);  // the server has the limit that counts
    arguments.SetMaxSendMessageSize(-1);
    return arguments;
  }

  // A name that nobody guesses, for the server to hold this client's objects under.
  static std::string random_name() {
    std::random_device random;
    std::string name;
    for (int i = 0; i < 32; ++i) name += "0123456789abcdef"[random() % 16];
    return name;
  }

  std::string token_;
  std::string session_ = random_name();
  std::shared_ptr<grpc::Channel> channel_;
  std::mutex lease_lock_;
  grpc::ClientContext lease_context_;
  std::unique_ptr<grpc::ClientReader<v1::AttachReply>> lease_;

 public:
  const std::unique_ptr<v1::Server::Stub> server;
  const std::unique_ptr<v1::Nets::Stub> nets;
  const std::unique_ptr<v1::Solvers::Stub> solvers;
};

namespace {

// Tensors are little-endian, as are all computers that this is likely to run on.
void put(const Array& array, v1::Tensor* tensor) {
  for (const auto dim : array.shape) tensor->add_shape(dim);
  tensor->set_type(v1::DATA_TYPE_FLOAT32);
  tensor->set_data(array.data.data(), array.data.size() * sizeof(float));
}

Array to_array(const v1::Tensor& tensor) {
  Array array{{tensor.shape().begin(), tensor.shape().end()}, std::vector<float>(tensor.data().size() / sizeof(float))};
  if (!array.data.empty()) std::memcpy(array.data.data(), tensor.data().data(), array.data.size() * sizeof(float));
  return array;
}

template <typename Tensors>
void put_all(const Arrays& arrays, Tensors* tensors) {
  for (const auto& [name, array] : arrays) {
    auto* named = tensors->Add();
    named->set_name(name);
    put(array, named->mutable_tensor());
  }
}

template <typename Tensors>
Arrays to_arrays(const Tensors& tensors) {
  Arrays arrays;
  for (const auto& named : tensors) arrays.emplace(named.name(), to_array(named.tensor()));
  return arrays;
}

void put(const BlobName& blob, v1::BlobReference* reference) {
  if (const auto* name = std::get_if<std::string>(&blob)) {
    reference->set_name(*name);
  } else {
    const auto& [layer, index] = std::get<1>(blob);
    reference->mutable_parameter()->set_layer(layer);
    reference->mutable_parameter()->set_index(index);
  }
}

v1::Part to_message(Part part) { return part == Part::data ? v1::PART_DATA : v1::PART_DIFF; }

template <typename Request>
void put(const Range& range, Request* request) {
  if (range.start) request->set_start(*range.start);
  if (range.end) request->set_end(*range.end);
  for (const auto& blob : range.blobs) request->add_blobs(blob);
}

// Reads a stream of events to its end, or until nobody wants more.
template <typename Open>
void train(const Connection& connection, const Open& open, const Solver::OnEvent& on_event) {
  grpc::ClientContext context;
  connection.prepare(context);
  const std::unique_ptr<grpc::ClientReader<v1::Event>> events = open(&context);
  bool wanted = true;
  for (v1::Event event; wanted && events->Read(&event);) wanted = !on_event || on_event(event);
  if (!wanted) context.TryCancel();
  const grpc::Status status = events->Finish();
  if (wanted) Connection::check(status, context);
}

}  // namespace

Error::Error(const std::string& words, int grpc_status, const v1::Error& parts)
    : std::runtime_error(words),
      status(grpc_status),
      code(parts.code()),
      where(parts.where()),
      wrong(parts.what()),
      remedy(parts.remedy()),
      identifier(parts.identifier()) {}

// -- nets -------------------------------------------------------------------------------------------------------------

Net::Net(std::shared_ptr<Connection> connection, v1::Net description, bool owned)
    : connection_(std::move(connection)), description_(std::move(description)), owned_(owned) {}

Net::~Net() {
  try {
    release();
  } catch (const Error&) {  // the server is gone, and the net with it
  }
}

Net::Net(Net&& other) noexcept
    : connection_(std::move(other.connection_)),
      description_(std::move(other.description_)),
      owned_(std::exchange(other.owned_, false)) {}

Net& Net::operator=(Net&& other) noexcept {
  std::swap(connection_, other.connection_);
  description_.Swap(&other.description_);
  std::swap(owned_, other.owned_);
  return *this;
}

Arrays Net::forward(const Arrays& inputs, const Range& range) {
  v1::ForwardRequest request;
  request.set_net(description_.net());
  put_all(inputs, request.mutable_inputs());
  put(range, &request);
  return to_arrays(connection_->call(connection_->nets, &v1::Nets::Stub::Forward, request).outputs());
}

Arrays Net::backward(const Arrays& diffs, const Range& range) {
  v1::BackwardRequest request;
  request.set_net(description_.net());
  put_all(diffs, request.mutable_diffs());
  put(range, &request);
  return to_arrays(connection_->call(connection_->nets, &v1::Nets::Stub::Backward, request).diffs());
}

Arrays Net::predict(const std::vector<std::string>& images) {
  v1::PredictRequest request;
  request.set_net(description_.net());
  for (const auto& image : images) request.add_images(image);
  return to_arrays(connection_->call(connection_->nets, &v1::Nets::Stub::Predict, request).outputs());
}

Array Net::get(const BlobName& blob, Part part) {
  v1::GetBlobsRequest request;
  request.set_net(description_.net());
  put(blob, request.add_blobs());
  request.set_part(to_message(part));
  return to_array(connection_->call(connection_->nets, &v1::Nets::Stub::GetBlobs, request).tensors(0));
}

void Net::set(const BlobName& blob, const Array& values, Part part) {
  v1::SetBlobsRequest request;
  request.set_net(description_.net());
  auto* one = request.add_blobs();
  put(blob, one->mutable_blob());
  one->set_part(to_message(part));
  put(values, one->mutable_values());
  connection_->call(connection_->nets, &v1::Nets::Stub::SetBlobs, request);
}

void Net::reshape(const std::map<std::string, std::vector<std::int64_t>>& shapes) {
  for (const auto& [name, shape] : shapes) {
    v1::ReshapeBlobRequest request;
    request.set_net(description_.net());
    request.mutable_blob()->set_name(name);
    for (const auto dim : shape) request.mutable_shape()->add_dims(dim);
    connection_->call(connection_->nets, &v1::Nets::Stub::ReshapeBlob, request);
  }
  v1::ReshapeNetRequest request;
  request.set_net(description_.net());
  description_ = connection_->call(connection_->nets, &v1::Nets::Stub::ReshapeNet, request);
}

std::string Net::weights() {
  v1::GetWeightsRequest request;
  request.set_net(description_.net());
  auto reply = connection_->call(connection_->nets, &v1::Nets::Stub::GetWeights, request);
  return std::move(*reply.mutable_data());
}

std::vector<std::string> Net::copy_from(const std::string& caffemodel) {
  v1::CopyFromRequest request;
  request.set_net(description_.net());
  request.mutable_weights()->set_data(caffemodel);
  const auto reply = connection_->call(connection_->nets, &v1::Nets::Stub::CopyFrom, request);
  return {reply.layers().begin(), reply.layers().end()};
}

void Net::release() {
  if (!std::exchange(owned_, false)) return;
  v1::ReleaseNetRequest request;
  request.set_net(description_.net());
  connection_->call(connection_->nets, &v1::Nets::Stub::ReleaseNet, request);
}

// -- solvers ----------------------------------------------------------------------------------------------------------

Solver::Solver(std::shared_ptr<Connection> connection, const v1::Solver& description, Net train_net)
    : net(std::move(train_net)), connection_(std::move(connection)), solver_(description.solver()) {}

Solver::~Solver() {
  try {
    release();
  } catch (const Error&) {
  }
}

Solver::Solver(Solver&& other) noexcept
    : net(std::move(other.net)),
      connection_(std::move(other.connection_)),
      solver_(std::exchange(other.solver_, 0)) {}

Solver& Solver::operator=(Solver&& other) noexcept {
  std::swap(net, other.net);
  std::swap(connection_, other.connection_);
  std::swap(solver_, other.solver_);
  return *this;
}

void Solver::step(std::int64_t iterations, const OnEvent& on_event) {
  v1::StepRequest request;
  request.set_solver(solver_);
  request.set_iterations(iterations);
  train(*connection_, [&](grpc::ClientContext* context) { return connection_->solvers->Step(context, request); },
        on_event);
}

void Solver::solve(const OnEvent& on_event) {
  v1::SolveRequest request;
  request.set_solver(solver_);
  train(*connection_, [&](grpc::ClientContext* context) { return connection_->solvers->Solve(context, request); },
        on_event);
}

v1::Solver Solver::state() {
  v1::DescribeSolverRequest request;
  request.set_solver(solver_);
  return connection_->call(connection_->solvers, &v1::Solvers::Stub::DescribeSolver, request);
}

std::string Solver::snapshot() {
  v1::SnapshotRequest request;
  request.set_solver(solver_);
  return connection_->call(connection_->solvers, &v1::Solvers::Stub::Snapshot, request).solverstate();
}

void Solver::restore(const std::string& solverstate) {
  v1::RestoreRequest request;
  request.set_solver(solver_);
  request.set_path(solverstate);
  connection_->call(connection_->solvers, &v1::Solvers::Stub::Restore, request);
}

void Solver::release() {
  const auto solver = std::exchange(solver_, 0);
  if (solver == 0) return;
  v1::ReleaseSolverRequest request;
  request.set_solver(solver);
  connection_->call(connection_->solvers, &v1::Solvers::Stub::ReleaseSolver, request);
}

// -- the server -------------------------------------------------------------------------------------------------------

Client::Client(const std::string& address, const Options& options)
    : connection_(std::make_shared<Connection>(address, options)) {}

Net Client::net(const std::string& prototxt, const NetOptions& options) {
  connection_->hold();
  v1::CreateNetRequest request;
  request.mutable_model()->set_text(prototxt);
  request.set_phase(options.phase == "train" ? v1::PHASE_TRAIN : v1::PHASE_TEST);
  request.set_level(options.level);
  for (const auto& stage : options.stages) request.add_stages(stage);
  if (options.weights) request.mutable_weights()->set_data(*options.weights);
  return Net(connection_, connection_->call(connection_->nets, &v1::Nets::Stub::CreateNet, request), true);
}

Solver Client::solver(const std::string& prototxt) {
  connection_->hold();
  v1::CreateSolverRequest request;
  request.mutable_model()->set_text(prototxt);
  const auto description = connection_->call(connection_->solvers, &v1::Solvers::Stub::CreateSolver, request);
  v1::DescribeNetRequest of_net;
  of_net.set_net(description.net());
  auto net = connection_->call(connection_->nets, &v1::Nets::Stub::DescribeNet, of_net);
  return Solver(connection_, description, Net(connection_, std::move(net), false));
}

v1::Information Client::information() {
  return connection_->call(connection_->server, &v1::Server::Stub::GetInformation, v1::GetInformationRequest());
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path + ": cannot be read");
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace caffe_sdk
