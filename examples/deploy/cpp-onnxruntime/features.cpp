// Print statistics of the features of an image: features extractor.onnx cup.ppm
#include <onnxruntime_cxx_api.h>
#include <cmath>
#include <fstream>
#include <iostream>
#include <numeric>
#include <vector>

int main(int, char** arguments) try {
  std::ifstream file(arguments[2], std::ios::binary);
  std::string magic;
  int64_t width = 0, height = 0, maximum = 0;
  if (!(file >> magic >> width >> height >> maximum) || magic != "P6" || maximum != 255)
    throw std::runtime_error("the image is not a binary 8-bit PPM file");
  file.get();  // the white space before the pixels
  const int64_t size = height * width, shape[] = {1, 3, height, width};
  std::vector<float> image(3 * size);  // RGB in [0, 1], one channel after the other
  for (int64_t i = 0; i < 3 * size; i++) image[i % 3 * size + i / 3] = file.get() / 255.0f;
  Ort::Env environment;
  Ort::Session session(environment, arguments[1], Ort::SessionOptions());
  auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  auto input = Ort::Value::CreateTensor<float>(memory, image.data(), image.size(), shape, 4);
  const char* inputs[] = {"image"};
  const char* taps[] = {"relu1_1", "relu2_1", "relu3_1", "relu3_2", "relu4_1", "relu4_2", "relu5_1"};
  auto features = session.Run(Ort::RunOptions(), inputs, &input, 1, taps, std::size(taps));
  for (size_t i = 0; i < features.size(); i++) {
    const auto sides = features[i].GetTensorTypeAndShapeInfo().GetShape();
    const int64_t positions = sides[2] * sides[3], count = sides[1] * positions;
    const float *first = features[i].GetTensorData<float>(), *last = first + count;
    double squares = 0;  // of the Gram matrix: products of channels, divided by the number of positions
    for (const float* a = first; a < last; a += positions)
      for (const float* b = first; b < last; b += positions)
        squares += std::pow(std::inner_product(a, a + positions, b, 0.0) / positions, 2);
    std::cout << taps[i] << "  " << sides[1] << " x " << sides[2] << " x " << sides[3] << std::scientific << "  mean "
              << std::accumulate(first, last, 0.0) / count << "  gram " << std::sqrt(squares) << "\n";
  }
} catch (const std::exception& error) {
  std::cerr << error.what() << "\n";
  return 1;
}
