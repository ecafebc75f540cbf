// Style transfer with one file: paint painter.onnx cup.ppm night.ppm result.ppm [evaluations]
#include <onnxruntime_cxx_api.h>
#include <fstream>
#include <iostream>
// Read a binary 8-bit PPM file: its pixels (height, width, 3), and this shape.
auto read(const char* path) {
  std::ifstream file(path, std::ios::binary);
  std::string magic; int64_t width = 0, height = 0, maximum = 0;
  if (!(file >> magic >> width >> height >> maximum) || magic != "P6" || maximum != 255)
    throw std::runtime_error("the image is not a binary 8-bit PPM file");
  std::vector<uint8_t> pixels(3 * height * width);
  file.ignore().read(reinterpret_cast<char*>(pixels.data()), pixels.size());
  return std::pair(pixels, std::vector{height, width, int64_t(3)});
}
int main(int count, char** arguments) try {
  Ort::Env environment;
  Ort::Session session(environment, arguments[1], Ort::SessionOptions());
  auto tensor = [memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault)](auto& data, auto shape) {
    return Ort::Value::CreateTensor(memory, data.data(), data.size(), shape.data(), shape.size());
  };
  auto [content, content_shape] = read(arguments[2]); auto [style, style_shape] = read(arguments[3]);
  std::vector<int64_t> none, passes{10}, evaluations{count > 5 ? std::stoll(arguments[5]) : 270}, zero{0}, one{1};
  std::vector<float> empty;  // empty settings have the values of the export
  Ort::Value values[] = {tensor(content, content_shape), tensor(style, style_shape), tensor(none, zero),
                         tensor(evaluations, one), tensor(passes, one), tensor(empty, zero), tensor(empty, zero)};
  const char* inputs[] = {"content", "style", "image_size", "evaluations", "passes", "strength", "state"};
  const char* outputs[] = {"image", "next_state", "evaluations_made", "status"};
  for (int64_t status = 0; status == 0;) {
    auto found = session.Run(Ort::RunOptions(), inputs, values, std::size(values), outputs, std::size(outputs));
    if ((status = *found[3].GetTensorData<int64_t>()) < 0) throw std::runtime_error("status " + std::to_string(status));
    std::cout << "evaluation " << *found[2].GetTensorData<int64_t>() << "\n";
    values[6] = std::move(found[1]);
    const auto sides = found[0].GetTensorTypeAndShapeInfo().GetShape();
    std::ofstream result(arguments[4], std::ios::binary);  // the best image so far
    (result << "P6\n" << sides[1] << " " << sides[0] << "\n255\n")
        .write(reinterpret_cast<const char*>(found[0].GetTensorData<uint8_t>()), 3 * sides[0] * sides[1]);
  }
} catch (const std::exception& error) {
  return std::cerr << error.what() << "\n", 1;
}
