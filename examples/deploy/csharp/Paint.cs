// Style transfer with one file: dotnet run -- painter.onnx cup.ppm night.ppm result.ppm [evaluations]
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

try { Paint(); return 0; } catch (Exception error) { Console.Error.WriteLine(error.Message); return 1; }

void Paint() {
    using var session = new InferenceSession(args[0]);
    var inputs = new Dictionary<string, NamedOnnxValue>();
    void Set<T>(string name, T[] values, params int[] shape) =>
        inputs[name] = NamedOnnxValue.CreateFromTensor(name, new DenseTensor<T>(values, shape));
    foreach (var (name, path) in new[] { ("content", args[1]), ("style", args[2]) }) {
        // A binary 8-bit PPM file whose header has three lines.
        var file = File.ReadAllBytes(path);
        var lines = Encoding.ASCII.GetString(file, 0, Math.Min(file.Length, 32)).Split('\n');
        if (lines[0] != "P6" || lines[2] != "255") throw new Exception($"{path} is not a binary 8-bit PPM file");
        var sides = lines[1].Split(' ').Select(int.Parse).ToArray();  // width, height
        Set(name, file.Skip(file.Length - 3 * sides[0] * sides[1]).ToArray(), sides[1], sides[0], 3);
    }
    Set("image_size", new long[0], 0);  // empty settings have the values of the export
    Set("strength", new float[0], 0);
    Set("evaluations", new[] { args.Length > 4 ? long.Parse(args[4]) : 270 }, 1);
    Set("passes", new[] { 10L }, 1);
    Set("state", new float[0], 0);
    for (long status = 0; status == 0;) {
        using var results = session.Run(inputs.Values);
        Tensor<T> Get<T>(string name) => results.First(result => result.Name == name).AsTensor<T>();
        if ((status = Get<long>("status").GetValue(0)) < 0) throw new Exception($"status {status}");
        Console.WriteLine($"evaluation {Get<long>("evaluations_made").GetValue(0)}");
        Set("state", Get<float>("next_state").ToArray(), (int)Get<float>("next_state").Length);
        var image = Get<byte>("image");  // the best image so far, (height, width, 3)
        var header = Encoding.ASCII.GetBytes($"P6\n{image.Dimensions[1]} {image.Dimensions[0]}\n255\n");
        File.WriteAllBytes(args[3], header.Concat(image.ToArray()).ToArray());
    }
}
