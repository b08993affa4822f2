// Client of a caffe_sdk server: Caffe's nets and solvers, which live there, from C++17.
//
//   caffe_sdk::Client server("127.0.0.1:50051");
//   auto net = server.net(caffe_sdk::read_file("deploy.prototxt"), {.weights = caffe_sdk::read_file("net.caffemodel")});
//   auto prob = net.forward({{"data", {{1, 1, 28, 28}, pixels}}}).at("prob");
//
// Arrays are copies, float32, in row-major order (NCHW). Everything a call can fail with is an `Error`. Calls may be made
// from any thread; those on one net take turns on the server.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "caffe_sdk/v1/caffe_sdk.grpc.pb.h"

namespace caffe_sdk {

// Numbers and their shape, the last axis the fastest.
struct Array {
  std::vector<std::int64_t> shape;
  std::vector<float> data;
};

using Arrays = std::map<std::string, Array>;

// What the server raised, in its parts; what() is the whole sentence. The code is one word such as "shape"; "bridge"
// when no server answers.
struct Error : std::runtime_error {
  Error(const std::string& words, int grpc_status, const v1::Error& error_parts);
  int status;  // grpc::StatusCode
  std::string code, where, wrong, remedy, identifier;
};

// How to reach a server. Without roots there is no encryption.
struct Options {
  std::string token;            // bearer token; needs TLS, or a server on this computer
  std::string root_certificates;  // PEM
  std::string certificate, private_key;  // PEM, for servers that ask who is there
};

enum class Part { data, diff };

// A blob by name, or a layer's learnable blob by index (mostly 0 the weights, 1 the bias).
using BlobName = std::variant<std::string, std::pair<std::string, int>>;

// Layers to run, first and last, and blobs to give besides the outputs.
struct Range {
  std::optional<std::string> start = {}, end = {};
  std::vector<std::string> blobs = {};
};

class Connection;  // channel and stubs, shared by all that was made through a client

// A net on the server, released with this object.
class Net {
 public:
  Net(std::shared_ptr<Connection> connection, v1::Net description, bool owned);
  ~Net();
  Net(Net&&) noexcept;
  Net& operator=(Net&&) noexcept;

  // Name, phase, layers, blobs and their shapes when the net was made or last reshaped.
  const v1::Net& description() const { return description_; }

  // Set the inputs, run layers, give the outputs. Without inputs the net computes with what its blobs hold.
  Arrays forward(const Arrays& inputs = {}, const Range& range = {});
  // Set the outputs' gradients, run layers backward, give the inputs' gradients.
  Arrays backward(const Arrays& diffs = {}, const Range& range = {});
  // The outputs for image files (JPEG, PNG, ...), given as bytes and prepared as the net's record says.
  Arrays predict(const std::vector<std::string>& images);

  Array get(const BlobName& blob, Part part = Part::data);
  void set(const BlobName& blob, const Array& values, Part part = Part::data);
  // Give blobs other shapes and carry them through the net.
  void reshape(const std::map<std::string, std::vector<std::int64_t>>& shapes);

  // The bytes of a caffemodel; load such bytes, which gives the names of the layers they went into.
  std::string weights();
  std::vector<std::string> copy_from(const std::string& caffemodel);

  void release();

 private:
  std::shared_ptr<Connection> connection_;
  v1::Net description_;
  bool owned_;
};

// A solver on the server and its train net, released with this object.
class Solver {
 public:
  using OnEvent = std::function<bool(const v1::Event&)>;  // false ends the training after the iteration it is at

  Solver(std::shared_ptr<Connection> connection, const v1::Solver& description, Net net);
  ~Solver();
  Solver(Solver&&) noexcept;
  Solver& operator=(Solver&&) noexcept;

  Net net;

  // Train for so many iterations more, or to max_iter, telling what happens.
  void step(std::int64_t iterations, const OnEvent& on_event = {});
  void solve(const OnEvent& on_event = {});

  v1::Solver state();     // iterations made and to make
  std::string snapshot();  // gives the solverstate's path in the server's folder
  void restore(const std::string& solverstate);
  void release();

 private:
  std::shared_ptr<Connection> connection_;
  std::uint64_t solver_;
};

struct NetOptions {
  std::string phase = "test";  // or "train"
  std::optional<std::string> weights = {};  // the bytes of a caffemodel
  std::int32_t level = 0;
  std::vector<std::string> stages = {};
};

class Client {
 public:
  // Connects when first used. The address is host:port or unix:path.
  explicit Client(const std::string& address, const Options& options = {});

  Net net(const std::string& prototxt, const NetOptions& options = {});
  Solver solver(const std::string& prototxt);
  // Version, facts about what computes there, and how many objects are held.
  v1::Information information();

 private:
  std::shared_ptr<Connection> connection_;
};

// The bytes of a file. Throws std::runtime_error.
std::string read_file(const std::string& path);

}  // namespace caffe_sdk
