// Plays the scenarios of a file on a server and prints what each step gives, as JSON.
// tests/clients/conformance.py tells what they are.
//
//   conformance scenarios.json HOST:PORT

#include <iostream>
#include <nlohmann/json.hpp>

#include "caffe_sdk.hpp"

using caffe_sdk::Array;
using caffe_sdk::Arrays;
using nlohmann::json;

namespace {

Array array(const json& written) {
  Array array{written.at("shape").get<std::vector<std::int64_t>>(), {}};
  std::int64_t count = 1;
  for (const auto dim : array.shape) count *= dim;
  for (std::int64_t i = 0; i < count; ++i) {
    array.data.push_back(written.contains("values")
                             ? written["values"][i].get<float>()
                             : static_cast<float>(written["start"].get<double>() + written["step"].get<double>() * i));
  }
  return array;
}

Arrays arrays(const json& written) {
  Arrays arrays;
  for (const auto& [name, values] : written.items()) arrays.emplace(name, array(values));
  return arrays;
}

json noted(const Array& array) { return {{"shape", array.shape}, {"data", array.data}}; }

json noted(const Arrays& arrays) {
  json notes = json::object();
  for (const auto& [name, values] : arrays) notes[name] = noted(values);
  return notes;
}

json noted(const caffe_sdk::v1::Net& net) {
  json layers = json::array(), blobs = json::array(), params = json::array();
  const auto dims = [](const caffe_sdk::v1::Shape& shape) {
    return std::vector<std::int64_t>(shape.dims().begin(), shape.dims().end());
  };
  for (const auto& layer : net.layers()) {
    layers.push_back({layer.name(), layer.type()});
    json shapes = json::array();
    for (const auto& shape : layer.params()) shapes.push_back(dims(shape));
    if (!shapes.empty()) params.push_back({layer.name(), shapes});
  }
  for (const auto& blob : net.blobs()) blobs.push_back({blob.name(), dims(blob.shape())});
  return {{"inputs", std::vector<std::string>(net.inputs().begin(), net.inputs().end())},
          {"outputs", std::vector<std::string>(net.outputs().begin(), net.outputs().end())},
          {"layers", layers},
          {"blobs", blobs},
          {"params", params}};
}

caffe_sdk::BlobName blob_name(const json& blob) {
  if (blob.is_string()) return blob.get<std::string>();
  return std::pair(blob[0].get<std::string>(), blob[1].get<int>());
}

caffe_sdk::Part part(const json& step) {
  return step.at("part") == "data" ? caffe_sdk::Part::data : caffe_sdk::Part::diff;
}

// Plays one scenario.
class Player {
 public:
  Player(caffe_sdk::Client& server, const json& models) : server_(server), models_(models) {}

  json play(const json& steps) {
    json notes = json::array();
    for (const auto& step : steps) {
      try {
        notes.push_back(play_step(step));
      } catch (const caffe_sdk::Error& error) {
        notes.push_back({{"error", error.code}});
      }
    }
    return notes;
  }

 private:
  json play_step(const json& step) {
    const std::string what = step.at("verb");
    if (what == "net") {
      caffe_sdk::NetOptions options{step.at("phase")};
      if (step.contains("weights")) options.weights = weights_.at(step["weights"]);
      nets_.insert_or_assign(step.at("net"), server_.net(text(step), options));
    } else if (what == "solver") {
      solvers_.insert_or_assign(step.at("solver"), server_.solver(text(step)));
    } else if (what == "step") {
      return losses(step);
    } else if (what == "solve") {
      solvers_.at(step.at("solver")).solve();
    } else if (what == "state") {
      const auto state = solvers_.at(step.at("solver")).state();
      return {{"iter", state.iter()}, {"max_iter", state.max_iter()}};
    } else {
      return play_on(net(step.at("net")), what, step);
    }
    return nullptr;
  }

  json play_on(caffe_sdk::Net& net, const std::string& what, const json& step) {
    if (what == "describe") return noted(net.description());
    if (what == "get") return noted(net.get(blob_name(step.at("blob")), part(step)));
    if (what == "forward") return noted(net.forward(arrays(step.at("inputs")), range(step)));
    if (what == "backward") return noted(net.backward(arrays(step.at("diffs"))));
    if (what == "copy_from") return net.copy_from(weights_.at(step.at("weights")));
    if (what == "set") net.set(blob_name(step.at("blob")), array(step.at("values")), part(step));
    if (what == "reshape") net.reshape(step.at("shapes").get<std::map<std::string, std::vector<std::int64_t>>>());
    if (what == "weights") weights_[step.at("weights")] = net.weights();
    if (what == "release") net.release();
    return nullptr;
  }

  json losses(const json& step) {
    json losses = json::array();
    solvers_.at(step.at("solver")).step(step.at("iterations"), [&](const caffe_sdk::v1::Event& event) {
      if (event.has_iteration()) losses.push_back(event.iteration().loss());
      return true;
    });
    return losses;
  }

  std::string text(const json& step) const {
    std::string text;
    for (const auto& line : models_.at(step.at("model"))) text += line.get<std::string>() + "\n";
    if (step.contains("replace")) {
      const std::string old = step["replace"][0], other = step["replace"][1];
      for (auto at = text.find(old); at != std::string::npos; at = text.find(old, at + other.size())) {
        text.replace(at, old.size(), other);
      }
    }
    return text;
  }

  static caffe_sdk::Range range(const json& step) {
    caffe_sdk::Range range;
    if (step.contains("start")) range.start = step["start"];
    if (step.contains("end")) range.end = step["end"];
    if (step.contains("blobs")) range.blobs = step["blobs"].get<std::vector<std::string>>();
    return range;
  }

  caffe_sdk::Net& net(const std::string& name) {
    const auto dot = name.rfind(".net");
    return dot == std::string::npos ? nets_.at(name) : solvers_.at(name.substr(0, dot)).net;
  }

  caffe_sdk::Client& server_;
  const json& models_;
  std::map<std::string, caffe_sdk::Net> nets_;
  std::map<std::string, caffe_sdk::Solver> solvers_;
  std::map<std::string, std::string> weights_;
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::cerr << "usage: conformance scenarios.json HOST:PORT\n";
    return 2;
  }
  const json file = json::parse(caffe_sdk::read_file(arguments[1]));
  caffe_sdk::Client server(arguments[2]);
  json notes;
  for (const auto& scenario : file.at("scenarios")) {
    notes[scenario.at("name").get<std::string>()] = Player(server, file.at("models")).play(scenario.at("steps"));
  }
  std::cout << notes.dump() << '\n';
}
