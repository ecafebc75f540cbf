// Print statistics of the features of an image: features extractor.pt cup.ppm

#include <torch/script.h>

#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>

// Return a binary 8-bit PPM image as (1, 3, height, width), float32 RGB in [0, 1].
torch::Tensor read_image(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string magic;
  int64_t width = 0, height = 0, maximum = 0;
  if (!(file >> magic >> width >> height >> maximum) || magic != "P6" || maximum != 255)
    throw std::runtime_error(path + " is not a binary 8-bit PPM image");
  file.get();  // the whitespace before the pixels
  auto pixels = torch::empty({1, height, width, 3}, torch::kUInt8);
  if (!file.read(static_cast<char*>(pixels.data_ptr()), pixels.numel()))
    throw std::runtime_error(path + " is truncated");
  return pixels.permute({0, 3, 1, 2}).to(torch::kFloat32) / 255;
}

// Return the Gram matrix (1, channels, channels) of features (1, channels, h, w), divided by h * w.
torch::Tensor gram(const torch::Tensor& features) {
  auto flat = features.flatten(2);
  return flat.bmm(flat.transpose(1, 2)) / flat.size(2);
}

int main(int count, char** arguments) try {
  if (count != 3) throw std::runtime_error("usage: features EXTRACTOR IMAGE");
  torch::jit::ExtraFilesMap extra{{"manifest.json", ""}};
  auto extractor = torch::jit::load(arguments[1], torch::kCPU, extra);
  if (extra["manifest.json"].empty()) throw std::runtime_error(std::string(arguments[1]) + " has no manifest");

  torch::NoGradGuard no_grad;  // remove it and call image.requires_grad_() to compute gradients
  auto image = read_image(arguments[2]);
  for (const auto& output : extractor.forward({image}).toGenericDict()) {
    auto features = output.value().toTensor();
    std::cout << output.key().toStringRef() << "  " << features.size(1) << " x " << features.size(2) << " x "
              << features.size(3) << std::scientific << "  mean " << features.mean().item<double>() << "  gram "
              << gram(features).norm().item<double>() << "\n";
  }
} catch (const c10::Error& error) {
  std::cerr << error.what_without_backtrace() << "\n";
  return 1;
} catch (const std::exception& error) {
  std::cerr << error.what() << "\n";
  return 1;
}
