// Command conformance plays the scenarios of a file on a server and prints what each step gives, as JSON.
// tests/clients/conformance.py tells what they are.
//
//	conformance scenarios.json HOST:PORT
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"

	caffe "caffe-sdk/client"
	"caffe-sdk/client/v1"
)

type file struct {
	Models    map[string][]string
	Scenarios []struct {
		Name  string
		Steps []step
	}
}

type step struct {
	Verb, Net, Solver, Model, Phase, Weights, Part, Start, End string
	Replace, Blobs                                             []string
	Blob                                                       json.RawMessage
	Values                                                     values
	Inputs, Diffs                                              map[string]values
	Shapes                                                     map[string][]int64
	Iterations                                                 int64
}

type values struct {
	Shape       []int64
	Values      []float32
	Start, Step float64
}

func (v values) array() caffe.Array {
	count := 1
	for _, dim := range v.Shape {
		count *= int(dim)
	}
	data := make([]float32, count)
	for i := range data {
		if v.Values != nil {
			data[i] = v.Values[i]
		} else {
			data[i] = float32(v.Start + v.Step*float64(i))
		}
	}
	return caffe.Array{Shape: v.Shape, Data: data}
}

func arrays(written map[string]values) caffe.Arrays {
	arrays := caffe.Arrays{}
	for name, values := range written {
		arrays[name] = values.array()
	}
	return arrays
}

type player struct {
	server  *caffe.Client
	models  map[string][]string
	nets    map[string]*caffe.Net
	solvers map[string]*caffe.Solver
	kept    map[string][]byte
}

func (p *player) play(steps []step) []any {
	notes := []any{}
	for _, step := range steps {
		note, err := p.playStep(context.Background(), step)
		var raised *caffe.Error
		if errors.As(err, &raised) {
			note = map[string]string{"error": raised.Code}
		} else if err != nil {
			log.Fatal(err)
		}
		notes = append(notes, note)
	}
	return notes
}

func (p *player) playStep(ctx context.Context, s step) (any, error) {
	switch s.Verb {
	case "net":
		options := caffe.NetOptions{Train: s.Phase == "train", Weights: p.kept[s.Weights]}
		net, err := p.server.Net(ctx, p.text(s), options)
		p.nets[s.Net] = net
		return nil, err
	case "solver":
		solver, err := p.server.Solver(ctx, p.text(s))
		p.solvers[s.Solver] = solver
		return nil, err
	case "step":
		losses := []float64{}
		err := p.solvers[s.Solver].Step(ctx, s.Iterations, func(event *v1.Event) bool {
			if iteration := event.GetIteration(); iteration != nil {
				losses = append(losses, iteration.Loss)
			}
			return true
		})
		return losses, err
	case "solve":
		return nil, p.solvers[s.Solver].Solve(ctx, nil)
	case "state":
		state, err := p.solvers[s.Solver].State(ctx)
		return map[string]int64{"iter": state.GetIter(), "max_iter": state.GetMaxIter()}, err
	}
	return p.playOn(ctx, p.net(s.Net), s)
}

func (p *player) playOn(ctx context.Context, net *caffe.Net, s step) (any, error) {
	switch s.Verb {
	case "describe":
		return described(net.Description), nil
	case "get":
		return net.Get(ctx, blob(s.Blob), part(s.Part))
	case "set":
		return nil, net.Set(ctx, blob(s.Blob), part(s.Part), s.Values.array())
	case "reshape":
		return nil, net.Reshape(ctx, s.Shapes)
	case "forward":
		return net.Forward(ctx, arrays(s.Inputs), caffe.Range{Start: s.Start, End: s.End, Blobs: s.Blobs})
	case "backward":
		return net.Backward(ctx, arrays(s.Diffs))
	case "weights":
		weights, err := net.Weights(ctx)
		p.kept[s.Weights] = weights
		return nil, err
	case "copy_from":
		return net.CopyFrom(ctx, p.kept[s.Weights])
	case "release":
		return nil, net.Release(ctx)
	}
	return nil, fmt.Errorf("no such step: %s", s.Verb)
}

func (p *player) net(name string) *caffe.Net {
	if solver := strings.TrimSuffix(name, ".net"); solver != name {
		return p.solvers[solver].Net
	}
	return p.nets[name]
}

func (p *player) text(s step) string {
	text := strings.Join(p.models[s.Model], "\n")
	if len(s.Replace) == 2 {
		text = strings.ReplaceAll(text, s.Replace[0], s.Replace[1])
	}
	return text
}

func blob(written json.RawMessage) caffe.Blob {
	var parameter []json.RawMessage
	var result caffe.Blob
	if json.Unmarshal(written, &parameter) == nil {
		must(json.Unmarshal(parameter[0], &result.Layer))
		must(json.Unmarshal(parameter[1], &result.Index))
	} else {
		must(json.Unmarshal(written, &result.Name))
	}
	return result
}

func part(name string) v1.Part {
	if name == "diff" {
		return v1.Part_PART_DIFF
	}
	return v1.Part_PART_DATA
}

func described(net *v1.Net) any {
	layers, blobs, params := [][]any{}, [][]any{}, [][]any{}
	for _, layer := range net.Layers {
		layers = append(layers, []any{layer.Name, layer.Type})
		shapes := [][]int64{}
		for _, shape := range layer.Params {
			shapes = append(shapes, shape.Dims)
		}
		if len(shapes) > 0 {
			params = append(params, []any{layer.Name, shapes})
		}
	}
	for _, blob := range net.Blobs {
		blobs = append(blobs, []any{blob.Name, blob.Shape.Dims})
	}
	return map[string]any{
		"inputs": net.Inputs, "outputs": net.Outputs, "layers": layers, "blobs": blobs, "params": params,
	}
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: conformance scenarios.json HOST:PORT")
	}
	text, err := os.ReadFile(os.Args[1])
	must(err)
	var scenarios file
	must(json.Unmarshal(text, &scenarios))
	server, err := caffe.Connect(os.Args[2], caffe.Options{})
	must(err)
	notes := map[string][]any{}
	for _, scenario := range scenarios.Scenarios {
		player := &player{
			server: server, models: scenarios.Models, nets: map[string]*caffe.Net{},
			solvers: map[string]*caffe.Solver{}, kept: map[string][]byte{},
		}
		notes[scenario.Name] = player.play(scenario.Steps)
	}
	must(json.NewEncoder(os.Stdout).Encode(notes))
}
