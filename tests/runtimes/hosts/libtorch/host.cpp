// LibTorch in C++; the job is described in exchange.py.

#include <torch/script.h>
#include <torch/version.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace fs = std::filesystem;

// Return the image (1, 3, height, width), the only input of an extractor.
torch::Tensor read_image(const fs::path& folder) {
  std::ifstream header(folder / "inputs.txt"), values(folder / "inputs.bin", std::ios::binary);
  std::string name;
  std::vector<int64_t> sides(4);
  header >> name >> sides[0] >> sides[1] >> sides[2] >> sides[3];
  auto image = torch::empty(sides, torch::kFloat32);
  values.read(static_cast<char*>(image.data_ptr()), image.nbytes());
  return image;
}

int main(int, char** arguments) {
  torch::NoGradGuard no_grad;
  const fs::path job = arguments[2];
  std::ofstream(job / "version.txt") << TORCH_VERSION;
  auto extractor = torch::jit::load(arguments[1]);
  for (const auto& entry : fs::directory_iterator(job)) {
    if (!entry.is_directory()) continue;
    std::ofstream header(entry.path() / "outputs.txt"), values(entry.path() / "outputs.bin", std::ios::binary);
    for (const auto& output : extractor.forward({read_image(entry.path())}).toGenericDict()) {
      auto features = output.value().toTensor().contiguous();
      header << output.key().toStringRef();
      for (auto side : features.sizes()) header << " " << side;
      header << "\n";
      values.write(static_cast<const char*>(features.data_ptr()), features.nbytes());
    }
  }
}
