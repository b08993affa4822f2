// Classify: example classify HOST:PORT deploy.prototxt weights.caffemodel image.png
//   prepares an image as the net's record says; prints each output's name and numbers.
// Train:    example train HOST:PORT solver.prototxt ITERATIONS
//   trains a solver whose net needs no files with what its input blobs hold; prints the losses.

#include <iostream>

#include "caffe_sdk.hpp"

namespace {

void classify(caffe_sdk::Client& server, const std::string& model, const std::string& weights, const std::string& image) {
  auto net = server.net(caffe_sdk::read_file(model), {"test", caffe_sdk::read_file(weights)});
  for (const auto& [name, output] : net.predict({caffe_sdk::read_file(image)})) {
    std::cout << name;
    for (const float value : output.data) std::cout << ' ' << value;
    std::cout << '\n';
  }
}

void train(caffe_sdk::Client& server, const std::string& model, int iterations) {
  auto solver = server.solver(caffe_sdk::read_file(model));
  solver.step(iterations, [](const caffe_sdk::v1::Event& event) {
    if (event.has_iteration()) std::cout << event.iteration().loss() << std::endl;
    return true;
  });
}

}  // namespace

int main(int count, char** arguments) try {
  if (count < 5) {
    std::cerr << "usage: example classify|train HOST:PORT ...\n";
    return 2;
  }
  std::cout.precision(9);
  caffe_sdk::Client server(arguments[2]);
  if (std::string(arguments[1]) == "classify" && count == 6) {
    classify(server, arguments[3], arguments[4], arguments[5]);
  } else {
    train(server, arguments[3], std::stoi(arguments[4]));
  }
  return 0;
} catch (const caffe_sdk::Error& error) {
  std::cerr << error.code << ": " << error.what() << '\n';
  return 1;
}
