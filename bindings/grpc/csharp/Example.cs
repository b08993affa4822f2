// Classify: dotnet run classify http://HOST:PORT deploy.prototxt weights.caffemodel image.png
//   prepares an image as the net's record says; prints the outputs.
// Train:    dotnet run train http://HOST:PORT solver.prototxt ITERATIONS
//   trains a solver whose net needs no files; prints the losses.

namespace CaffeSdk;

public static class Example
{
    public static async Task<int> Main(string[] arguments)
    {
        using var server = Client.Connect(arguments[1]);
        try
        {
            if (arguments[0] == "classify")
            {
                await ClassifyAsync(server, arguments[2], arguments[3], arguments[4]);
            }
            else
            {
                await TrainAsync(server, arguments[2], long.Parse(arguments[3]));
            }
            return 0;
        }
        catch (CaffeException error)
        {
            Console.Error.WriteLine($"{error.Code}: {error.Message}");
            return 1;
        }
    }

    private static async Task ClassifyAsync(Client server, string model, string weights, string image)
    {
        var caffemodel = await File.ReadAllBytesAsync(weights);
        await using var net = await server.NetAsync(await File.ReadAllTextAsync(model), weights: caffemodel);
        foreach (var (name, output) in await net.PredictAsync(await File.ReadAllBytesAsync(image)))
        {
            Console.WriteLine($"{name} {string.Join(' ', output.Data)}");
        }
    }

    private static async Task TrainAsync(Client server, string model, long iterations)
    {
        await using var solver = await server.SolverAsync(await File.ReadAllTextAsync(model));
        await foreach (var happened in solver.StepAsync(iterations))
        {
            if (happened.Iteration is { } iteration)
            {
                Console.WriteLine(iteration.Loss);
            }
        }
    }
}
